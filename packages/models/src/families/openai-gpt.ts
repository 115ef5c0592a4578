// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const OpenAIGPTModel = new ModelClass('Base', PreTrainedModel, 'openai-gpt')
export const OpenAIGPTLMHeadModel = new ModelClass('CausalLM', GenerativeModel, 'openai-gpt')
export const OpenAIGPTForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'openai-gpt',
)
