import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as auto from '../src/auto.js'
import type { ModelClass } from '../src/auto.js'
import type { ConfigJson } from '../src/config/config.js'
import type { ModelInputs } from '../src/inputs/pack.js'
import type { PreTrainedModel } from '../src/model.js'
import { readGolden, safetensorsBytes, type GoldenTensor } from './golden.js'

const bartConfig = {
  vocab_size: 23,
  d_model: 16,
  encoder_layers: 2,
  decoder_layers: 1,
  encoder_attention_heads: 2,
  decoder_attention_heads: 4,
  encoder_ffn_dim: 12,
  decoder_ffn_dim: 20,
  max_position_embeddings: 12,
  pad_token_id: 1,
  eos_token_id: 2,
  decoder_start_token_id: 2,
  encoder_layerdrop: 0,
  decoder_layerdrop: 0,
  init_std: 0.4,
}
const t5Config = {
  vocab_size: 23,
  d_model: 16,
  d_kv: 6,
  d_ff: 12,
  num_layers: 2,
  num_decoder_layers: 2,
  num_heads: 3,
  relative_attention_num_buckets: 8,
  relative_attention_max_distance: 12,
  decoder_start_token_id: 0,
  feed_forward_proj: 'gated-gelu',
}

type Classes = Record<string, string>
const headed = (name: string, ...tasks: string[]): Classes =>
  Object.fromEntries(tasks.map((task) => [task, `${name}For${task}`]))
const t5Classes = (name: string): Classes => ({
  Base: `${name}Model`,
  Seq2SeqLM: `${name}ForConditionalGeneration`,
  TextEncoding: `${name}EncoderModel`,
  ...headed(name, 'SequenceClassification', 'TokenClassification', 'QuestionAnswering'),
})
const bartClasses = (name: string, ...tasks: string[]): Classes => ({
  Base: `${name}Model`,
  Seq2SeqLM: `${name}ForConditionalGeneration`,
  ...headed(name, ...tasks),
})

/** Small configurations of each family, and transformers' classes. */
export const families: Readonly<Record<string, { config: ConfigJson; classes: Classes }>> = {
  bart: {
    config: bartConfig,
    classes: bartClasses('Bart', 'CausalLM', 'SequenceClassification', 'QuestionAnswering'),
  },
  blenderbot: { config: bartConfig, classes: bartClasses('Blenderbot', 'CausalLM') },
  'blenderbot-small': { config: bartConfig, classes: bartClasses('BlenderbotSmall', 'CausalLM') },
  m2m_100: { config: bartConfig, classes: bartClasses('M2M100') },
  marian: {
    config: bartConfig,
    classes: { Base: 'MarianModel', Seq2SeqLM: 'MarianMTModel', CausalLM: 'MarianForCausalLM' },
  },
  mbart: {
    config: bartConfig,
    classes: bartClasses('MBart', 'CausalLM', 'SequenceClassification', 'QuestionAnswering'),
  },
  mt5: { config: t5Config, classes: t5Classes('MT5') },
  pegasus: { config: bartConfig, classes: bartClasses('Pegasus', 'CausalLM') },
  t5: { config: t5Config, classes: t5Classes('T5') },
  umt5: { config: t5Config, classes: t5Classes('UMT5') },
}

export const source = [
  [5, 6, 7, 8, 9, 2, 10, 2],
  [11, 12, 2, 13, 2],
]
const target = [
  [3, 4, 5, 2],
  [6, 7, 2, -100],
]
/** A batch for each task. */
export const inputs: Readonly<Record<string, ModelInputs>> = {
  Base: { inputIds: source, decoderInputIds: target.map((row) => row.map((id) => Math.abs(id) % 23)) },
  TextEncoding: { inputIds: source },
  Seq2SeqLM: { inputIds: source, labels: target },
  CausalLM: { inputIds: source, labels: source },
  SequenceClassification: { inputIds: source.map((row) => [...row.slice(0, -1), 1, 2]), labels: [2, 0] },
  TokenClassification: { inputIds: [source[1]!], labels: [[0, 1, 2, -100, 1]] },
  QuestionAnswering: { inputIds: source, startPositions: [1, 2], endPositions: [3, 4] },
}

export const classFor = (task: string) =>
  (auto as unknown as Record<string, ModelClass<PreTrainedModel>>)[
    task === 'Base' ? 'AutoModel' : `AutoModelFor${task}`
  ]!
export const configOf = (modelType: string, changes: ConfigJson = {}): ConfigJson => ({
  model_type: modelType,
  ...families[modelType]!.config,
  num_labels: 3,
  // Where the class stands: T5's end is 1 unless given.
  eos_token_id: 2,
  ...changes,
})

export const fresh = (task: string, modelType: string, changes: ConfigJson = {}) =>
  classFor(task).fromConfig(configOf(modelType, changes), { seed: 7 })
export const logitsOf = async (model: PreTrainedModel, task: string) =>
  (await model.run(inputs[task]!)).logits!.data

export type Tensors = Record<string, GoldenTensor>

/** The same weights in another form: its configuration's changes, and its file's. */
export async function converted(
  folder: string,
  model: PreTrainedModel,
  changes: ConfigJson,
  convert: (tensors: Tensors) => Tensors = (tensors) => tensors,
): Promise<string> {
  const place = await mkdtemp(join(folder, 'converted-'))
  await model.savePretrained(place)
  const file = join(place, 'model.safetensors')
  const config = JSON.parse(await readFile(join(place, 'config.json'), 'utf8')) as object
  await writeFile(join(place, 'config.json'), JSON.stringify({ ...config, ...changes }))
  await writeFile(file, safetensorsBytes(convert(readGolden(file))))
  return place
}

export const renamed = (tensors: Tensors, rename: (name: string) => string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]))
