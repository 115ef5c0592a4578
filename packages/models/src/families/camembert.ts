// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export type { RobertaConfig } from '../encoder/roberta.js'

export const CamembertModel = new ModelClass('Base', PreTrainedModel, 'camembert')
export const CamembertForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'camembert')
export const CamembertForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'camembert')
export const CamembertForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'camembert',
)
export const CamembertForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'camembert',
)
export const CamembertForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'camembert')
export const CamembertForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'camembert')
