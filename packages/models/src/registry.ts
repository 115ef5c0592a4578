import { ConfigError, nearestName } from '@tiny/core'
import type { Family } from './family.js'

/** Every family by the `model_type` of its config.json; imported when it is asked for. */
const families: Readonly<Record<string, () => Promise<Family>>> = {
  albert: async () => (await import('./encoder/albert.js')).albert,
  bart: async () => (await import('./seq2seq/bart.js')).bart,
  bert: async () => (await import('./encoder/bert.js')).bert,
  blenderbot: async () => (await import('./seq2seq/blenderbot.js')).blenderbot,
  'blenderbot-small': async () => (await import('./seq2seq/blenderbot.js')).blenderbotSmall,
  camembert: async () => (await import('./encoder/roberta.js')).camembert,
  cohere: async () => (await import('./decoder/cohere.js')).cohere,
  'deberta-v2': async () => (await import('./encoder/deberta-v2.js')).debertaV2,
  deepseek_v2: async () => (await import('./decoder/deepseek-v2.js')).deepseekV2,
  deepseek_v3: async () => (await import('./decoder/deepseek-v3.js')).deepseekV3,
  distilbert: async () => (await import('./encoder/distilbert.js')).distilbert,
  electra: async () => (await import('./encoder/electra.js')).electra,
  gemma: async () => (await import('./decoder/gemma.js')).gemma,
  gemma2: async () => (await import('./decoder/gemma.js')).gemma2,
  gemma3_text: async () => (await import('./decoder/gemma.js')).gemma3Text,
  gpt2: async () => (await import('./decoder/gpt2.js')).gpt2,
  gpt_neox: async () => (await import('./decoder/gpt-neox.js')).gptNeox,
  gpt_oss: async () => (await import('./decoder/gpt-oss.js')).gptOss,
  gptj: async () => (await import('./decoder/gptj.js')).gptj,
  granite: async () => (await import('./decoder/granite.js')).granite,
  granitemoe: async () => (await import('./decoder/granitemoe.js')).granitemoe,
  granitemoehybrid: async () => (await import('./decoder/granitemoehybrid.js')).granitemoehybrid,
  llama: async () => (await import('./decoder/llama.js')).llama,
  m2m_100: async () => (await import('./seq2seq/m2m-100.js')).m2m100,
  marian: async () => (await import('./seq2seq/marian.js')).marian,
  mbart: async () => (await import('./seq2seq/mbart.js')).mbart,
  ministral: async () => (await import('./decoder/mistral.js')).ministral,
  ministral3: async () => (await import('./decoder/mistral.js')).ministral3,
  mistral: async () => (await import('./decoder/mistral.js')).mistral,
  mixtral: async () => (await import('./decoder/mixtral.js')).mixtral,
  modernbert: async () => (await import('./encoder/modernbert.js')).modernbert,
  mpnet: async () => (await import('./encoder/mpnet.js')).mpnet,
  mt5: async () => (await import('./seq2seq/t5.js')).mt5,
  olmo2: async () => (await import('./decoder/olmo2.js')).olmo2,
  'openai-gpt': async () => (await import('./decoder/openai-gpt.js')).openaiGpt,
  opt: async () => (await import('./decoder/opt.js')).opt,
  pegasus: async () => (await import('./seq2seq/pegasus.js')).pegasus,
  phi3: async () => (await import('./decoder/phi3.js')).phi3,
  qwen2: async () => (await import('./decoder/qwen.js')).qwen2,
  qwen2_moe: async () => (await import('./decoder/qwen2-moe.js')).qwen2Moe,
  qwen3: async () => (await import('./decoder/qwen.js')).qwen3,
  qwen3_moe: async () => (await import('./decoder/qwen3-moe.js')).qwen3Moe,
  roberta: async () => (await import('./encoder/roberta.js')).roberta,
  smollm3: async () => (await import('./decoder/smollm3.js')).smollm3,
  stablelm: async () => (await import('./decoder/stablelm.js')).stablelm,
  starcoder2: async () => (await import('./decoder/starcoder2.js')).starcoder2,
  t5: async () => (await import('./seq2seq/t5.js')).t5,
  umt5: async () => (await import('./seq2seq/t5.js')).umt5,
  'xlm-roberta': async () => (await import('./encoder/roberta.js')).xlmRoberta,
}

/** The supported family that is most like a known one which is not here. */
const relatives: Readonly<Record<string, readonly string[]>> = {
  bart: words`bart_ls bigbird_pegasus fsmt led mvp plbart prophetnet`,
  bert: words`bert-generation convbert ernie funnel megatron-bert mobilebert nezha nomic_bert roformer squeezebert xlnet`,
  cohere: words`cohere2`,
  'deberta-v2': words`deberta`,
  deepseek_v3: words`glm4_moe kimi_k2 longcat_flash`,
  gemma3_text: words`gemma3 gemma3n gemma3n_text gemma4 gemma4_text`,
  gpt2: words`bloom codegen ctrl falcon gpt_bigcode gpt_neo mpt xglm`,
  granitemoehybrid: words`bamba falcon_h1 mamba2 nemotron_h`,
  granitemoe: words`granitemoeshared`,
  llama: words`apertus arcee baichuan ernie4_5 exaone4 glm glm4 helium internlm2 llama4 llama4_text nemotron seed_oss yi`,
  m2m_100: words`nllb-moe seamless_m4t`,
  ministral3: words`mistral3`,
  mixtral: words`dbrx jamba minimax olmoe phimoe`,
  olmo2: words`olmo olmo3`,
  phi3: words`phi phi4_multimodal phixtral`,
  qwen2: words`qwen2_5_vl qwen2_vl`,
  qwen3: words`qwen3_vl`,
  qwen3_moe: words`qwen3_next qwen3_vl_moe`,
  roberta: words`bigbird big_bird camembert-v2 data2vec-text longformer roberta-prelayernorm xlm-roberta-xl xmod`,
  t5: words`flan-t5 longt5 switch_transformers`,
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
