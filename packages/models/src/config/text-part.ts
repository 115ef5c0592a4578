import { modelTypeOf, type ConfigJson } from './config.js'

/** Models of images and text whose text part is a model of its own, and which one where `text_config` does not say. */
const textParts: Readonly<Record<string, string>> = { gemma3: 'gemma3_text', mistral3: 'mistral' }

/** What the whole model says of its text part. */
const ofTheWhole = [
  'tie_word_embeddings',
  'bos_token_id',
  'eos_token_id',
  'torch_dtype',
  'dtype',
  'quantization_config',
]
const ofClassifiers = ['id2label', 'label2id', 'num_labels', 'problem_type']

/** The configuration of the part that reads text: `text_config` of a model of images and text, else all there is. */
export function textPartOf(json: ConfigJson): ConfigJson {
  const type = modelTypeOf(json)
  const part = json['text_config']
  if (typeof type !== 'string' || !Object.hasOwn(textParts, type)) return json
  if (typeof part !== 'object' || part === null) return json
  const own = Object.entries(json).filter(
    ([name, value]) => [...ofTheWhole, ...ofClassifiers].includes(name) && value !== null,
  )
  return { model_type: textParts[type], tie_word_embeddings: true, ...part, ...Object.fromEntries(own) }
}

/** Names under which models of images and text store the parameters of their text part. */
export function namesInWhole(name: string): readonly string[] {
  const inside = name.replace(/^model\./, '')
  return [`model.language_model.${inside}`, `language_model.model.${inside}`, `language_model.${inside}`]
}
