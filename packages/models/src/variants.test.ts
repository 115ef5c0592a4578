import { describe, expect, it } from 'vitest'
import { difference } from '../test/golden.js'
import { bertLogits, gpt2Logits, t5Logits, type Rows, type Tensors } from '../test/reference.js'
import { AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM } from './auto.js'
import type { PreTrainedModel } from './model.js'
import type { OutputArray } from './outputs/model-output.js'

// Options that transformers has and no golden case uses, against a float64 reference. Sizes are odd and small.
const vocabulary = 31
const ids = Array.from({ length: 45 }, (_, i) => (i * i + 3 * i + 5) % vocabulary)
const bert = {
  model_type: 'bert',
  vocab_size: vocabulary,
  hidden_size: 21,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 19,
  max_position_embeddings: 50,
}
const gpt2 = {
  model_type: 'gpt2',
  vocab_size: vocabulary,
  n_positions: 50,
  n_embd: 20,
  n_layer: 3,
  n_head: 5,
}
const t5 = {
  model_type: 't5',
  vocab_size: vocabulary,
  d_model: 18,
  d_kv: 7,
  d_ff: 23,
  num_layers: 2,
  num_heads: 4,
}

/** Other contents for every parameter, so that no bias is zero and no norm's weight one. */
async function shake(model: PreTrainedModel): Promise<Tensors> {
  let seed = 11
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>()
  for (const [name, parameter] of model.namedParameters()) {
    const { shape } = parameter
    const centre = /(norm|ln_\w+)\.weight$/i.test(name) ? 1 : 0
    const count = shape.reduce((product, size) => product * size, 1)
    const data = Float32Array.from({ length: count }, () => centre + random())
    parameter.assign({ shape, data })
    tensors.set(name, { shape, data })
  }
  return tensors
}

const off = (logits: OutputArray | undefined, want: Rows): number =>
  difference(
    logits!.data,
    want.flatMap((row) => [...row]),
  )

describe('BERT', () => {
  it.each([
    { hidden_act: 'gelu' },
    { hidden_act: 'gelu_new' },
    { hidden_act: 'gelu_pytorch_tanh' },
    { hidden_act: 'relu' },
    { hidden_act: 'silu' },
    { hidden_act: 'tanh', layer_norm_eps: 1e-3, type_vocab_size: 3 },
    { hidden_act: 'gelu', tie_word_embeddings: false },
  ])('%j', async (changes) => {
    const config = { ...bert, ...changes }
    await using model = await AutoModelForMaskedLM.fromConfig(config)
    const tensors = await shake(model)
    const { logits } = await model.run({ inputIds: [ids] })
    expect(off(logits, bertLogits(tensors, config, ids))).toBeLessThan(1e-4)
  })
})

describe('GPT-2', () => {
  it.each([
    { scale_attn_by_inverse_layer_idx: true },
    { scale_attn_weights: false },
    { scale_attn_weights: false, scale_attn_by_inverse_layer_idx: true },
    { n_inner: 17, activation_function: 'relu' },
    { activation_function: 'silu', layer_norm_epsilon: 1e-2 },
    { activation_function: 'gelu', tie_word_embeddings: false },
    { reorder_and_upcast_attn: true },
  ])('%j', async (changes) => {
    const config = { ...gpt2, ...changes }
    await using model = await AutoModelForCausalLM.fromConfig(config)
    const tensors = await shake(model)
    const { logits } = await model.run({ inputIds: [ids] })
    expect(off(logits, gpt2Logits(tensors, config, ids))).toBeLessThan(1e-4)
  })
})

describe('T5', () => {
  it.each([
    { feed_forward_proj: 'gelu' },
    { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false },
    { feed_forward_proj: 'gated-silu', scale_decoder_outputs: false },
    { feed_forward_proj: 'gated-relu', layer_norm_epsilon: 1e-2 },
    { num_decoder_layers: 1 },
    { num_decoder_layers: 3, num_layers: 1 },
    { relative_attention_num_buckets: 8, relative_attention_max_distance: 20 },
    { relative_attention_num_buckets: 16, relative_attention_max_distance: 300 },
  ])('%j', async (changes) => {
    const config = { ...t5, ...changes }
    await using model = await AutoModelForSeq2SeqLM.fromConfig(config)
    const tensors = await shake(model)
    const decoderIds = [0, ...ids.slice(3, 40)]
    const { logits } = await model.run({ inputIds: [ids], decoderInputIds: [decoderIds] })
    expect(off(logits, t5Logits(tensors, config, ids, decoderIds))).toBeLessThan(1e-4)
  })
})
