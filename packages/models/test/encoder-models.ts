// Encoders without a golden case: their configurations, small and odd, and the logits that they should give.
import * as auto from '../src/auto.js'
import type { PreTrainedModel } from '../src/model.js'
import type { OutputArray } from '../src/outputs/model-output.js'
import { applySteps, type Step } from './encoder-reference.js'
import { difference } from './golden.js'
import { Layers, project, type Rows, type Tensors } from './reference.js'
import { shake } from './shake.js'

export const vocabulary = 31
export const ids = Array.from({ length: 23 }, (_, i) => (i * i + 3 * i + 5) % vocabulary)
export const types = ids.map((_, i) => (i > 9 ? 1 : 0))
export const bar = 1e-4

const wide = {
  vocab_size: vocabulary,
  hidden_size: 21,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 19,
  max_position_embeddings: 50,
}
export const distilbert = {
  model_type: 'distilbert',
  vocab_size: vocabulary,
  dim: 20,
  n_heads: 5,
  n_layers: 2,
  hidden_dim: 27,
  max_position_embeddings: 50,
}
export const configs: Record<string, Record<string, unknown>> = {
  bert: { model_type: 'bert', ...wide, hidden_act: 'gelu' },
  roberta: { model_type: 'roberta', ...wide },
  'xlm-roberta': { model_type: 'xlm-roberta', ...wide, layer_norm_eps: 1e-5, type_vocab_size: 1 },
  camembert: { model_type: 'camembert', ...wide, hidden_act: 'relu', pad_token_id: 5 },
  electra: { model_type: 'electra', ...wide, embedding_size: 11 },
  mpnet: { model_type: 'mpnet', ...wide },
  albert: { model_type: 'albert', ...wide, embedding_size: 13, hidden_act: 'gelu_new' },
  distilbert,
}
/** Those whose layers are not BERT's. */
export const unlikeBert: typeof configs = {
  'deberta-v2': {
    model_type: 'deberta-v2',
    ...wide,
    relative_attention: true,
    position_biased_input: false,
    pos_att_type: ['c2p', 'p2c'],
    position_buckets: 8,
    norm_rel_ebd: 'layer_norm',
    conv_kernel_size: 3,
  },
  modernbert: { model_type: 'modernbert', ...wide, hidden_size: 24, pad_token_id: 0, local_attention: 8 },
}

type Task = 'MaskedLM' | 'CausalLM' | 'SequenceClassification' | 'TokenClassification' | 'QuestionAnswering'
type Other = 'MultipleChoice' | 'NextSentencePrediction' | 'PreTraining'

export async function make(task: Task | Other | '', config: Record<string, unknown>) {
  const name = task === '' ? 'AutoModel' : `AutoModelFor${task}`
  const model = await (auto as unknown as Record<string, auto.ModelClass<PreTrainedModel>>)[name]!.fromConfig(
    config,
  )
  return { model, tensors: shake(model) }
}

export const off = (got: OutputArray | undefined, want: Rows): number =>
  difference(
    got!.data,
    want.flatMap((row) => [...row]),
  )

/** What comes before the product with the vocabulary, that product, its bias and the table it is tied to. */
const languageHeads: Record<
  string,
  { steps: (config: Record<string, unknown>) => Step[]; decoder: string; bias: string; table: string }
> = {
  bert: {
    steps: ({ hidden_act, layer_norm_eps: eps = 1e-12 }) => [
      'cls.predictions.transform.dense',
      { act: hidden_act as string },
      { norm: 'cls.predictions.transform.LayerNorm', eps: eps as number },
    ],
    decoder: 'cls.predictions.decoder',
    bias: 'cls.predictions.bias',
    table: 'bert',
  },
  roberta: {
    steps: (config) => [
      'lm_head.dense',
      { act: 'gelu' },
      { norm: 'lm_head.layer_norm', eps: (config['layer_norm_eps'] as number | undefined) ?? 1e-12 },
    ],
    decoder: 'lm_head.decoder',
    bias: 'lm_head.bias',
    table: 'roberta',
  },
  albert: {
    steps: ({ hidden_act }) => [
      'predictions.dense',
      { act: hidden_act as string },
      { norm: 'predictions.LayerNorm', eps: 1e-12 },
    ],
    decoder: 'predictions.decoder',
    bias: 'predictions.bias',
    table: 'albert',
  },
  electra: {
    steps: () => [
      'generator_predictions.dense',
      { act: 'gelu' },
      { norm: 'generator_predictions.LayerNorm', eps: 1e-12 },
    ],
    decoder: 'generator_lm_head',
    bias: 'generator_lm_head.bias',
    table: 'electra',
  },
  distilbert: {
    steps: ({ activation = 'gelu' }) => [
      'vocab_transform',
      { act: activation as string },
      { norm: 'vocab_layer_norm', eps: 1e-12 },
    ],
    decoder: 'vocab_projector',
    bias: 'vocab_projector.bias',
    table: 'distilbert',
  },
}
languageHeads['mpnet'] = { ...languageHeads['roberta']!, table: 'mpnet' }
languageHeads['xlm-roberta'] = languageHeads['camembert'] = languageHeads['roberta']!

/** Logits of a masked language model, its head tied or of its own. */
export function vocabularyLogits(tensors: Tensors, config: Record<string, unknown>, hidden: Rows): Rows {
  const { steps, decoder, bias, table } = languageHeads[config['model_type'] as string]!
  const prepared = applySteps(tensors, steps(config), hidden)
  const own = tensors.has(`${decoder}.weight`)
  const logits = project(new Layers(tensors), decoder, `${table}.embeddings.word_embeddings`, prepared)
  const added = own ? undefined : tensors.get(bias)!.data // a head of its own has its bias inside
  return logits.map((row) => row.map((x, j) => x + (added?.[j] ?? 0)))
}
