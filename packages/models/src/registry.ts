import { ConfigError, nearestName } from '@tiny/core'
import type { Family } from './family.js'

/** Every family by the `model_type` of its config.json; imported when it is asked for. */
const families: Readonly<Record<string, () => Promise<Family>>> = {
  bert: async () => (await import('./encoder/bert.js')).bert,
  gpt2: async () => (await import('./decoder/gpt2.js')).gpt2,
  t5: async () => (await import('./seq2seq/t5.js')).t5,
}

/** The supported family that is most like a known one which is not here. */
const relatives: Readonly<Record<string, readonly string[]>> = {
  bert: words`albert camembert deberta deberta-v2 distilbert electra modernbert mpnet roberta xlm-roberta`,
  gpt2: words`cohere deepseek_v2 deepseek_v3 gemma gemma2 gemma3_text gpt_neo gpt_neox gpt_oss gptj granite granitemoe
    granitemoehybrid llama ministral mistral mixtral olmo2 openai-gpt opt phi3 qwen2 qwen2_moe qwen3 qwen3_moe smollm3
    stablelm starcoder2`,
  t5: words`bart blenderbot longt5 m2m_100 marian mbart mt5 pegasus umt5`,
}

function words(text: TemplateStringsArray): readonly string[] {
  return text[0]!.split(/\s+/)
}

export const modelTypes = (): string[] => Object.keys(families)

/** @throws ConfigError naming the `model_type` that is missing or not supported, and the nearest that is. */
export async function familyOf(modelType: unknown, where: string): Promise<Family> {
  if (typeof modelType !== 'string') {
    throw new ConfigError(`${where} has no model_type; known are ${modelTypes().join(', ')}`, {
      key: 'model_type',
    })
  }
  if (Object.hasOwn(families, modelType)) return families[modelType]!()
  const relative = Object.entries(relatives).find(([, names]) => names.includes(modelType))?.[0]
  const nearest = relative ?? nearestName(modelType, modelTypes())
  const advice =
    nearest === undefined
      ? `known are ${modelTypes().join(', ')}`
      : `the nearest that is supported is '${nearest}'`
  throw new ConfigError(`${where}: model_type '${modelType}' is not supported; ${advice}`, {
    key: 'model_type',
    modelType,
    ...(nearest === undefined ? {} : { nearest }),
  })
}
