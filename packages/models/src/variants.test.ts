import { describe, expect, it } from 'vitest'
import { difference } from '../test/golden.js'
import { shake } from '../test/shake.js'
import { gpt2Logits, t5Logits, type Rows } from '../test/reference.js'
import { AutoModelForCausalLM, AutoModelForSeq2SeqLM } from './auto.js'
import type { OutputArray } from './outputs/model-output.js'

// Options that transformers has and no golden case uses, against a float64 reference. Sizes are odd and small.
const vocabulary = 31
const ids = Array.from({ length: 45 }, (_, i) => (i * i + 3 * i + 5) % vocabulary)
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

const off = (logits: OutputArray | undefined, want: Rows): number =>
  difference(
    logits!.data,
    want.flatMap((row) => [...row]),
  )

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
    const tensors = shake(model)
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
    const tensors = shake(model)
    const decoderIds = [0, ...ids.slice(3, 40)]
    const { logits } = await model.run({ inputIds: [ids], decoderInputIds: [decoderIds] })
    expect(off(logits, t5Logits(tensors, config, ids, decoderIds))).toBeLessThan(1e-4)
  })
})
