import { describe, expect, it } from 'vitest'
import * as auto from './auto.js'
import type { PreTrainedModel } from './model.js'

describe('drawing', () => {
  const config = { model_type: 'gpt2', vocab_size: 500, n_embd: 64, n_layer: 8, n_head: 4, n_positions: 100 }
  const deviation = (data: Float32Array) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length)

  it('is the same for the same seed, and as transformers draws', async () => {
    await using model = await auto.AutoModelForCausalLM.fromConfig(config, { seed: 11 })
    await using same = await auto.AutoModelForCausalLM.fromConfig(config, { seed: 11 })
    await using other = await auto.AutoModelForCausalLM.fromConfig(config, { seed: 12 })
    const read = async (of: PreTrainedModel, name: string) =>
      (await new Map(of.namedParameters()).get(name)!.data()) as Float32Array
    const embeddings = await read(model, 'transformer.wte.weight')
    expect(await read(same, 'transformer.wte.weight')).toEqual(embeddings)
    expect(await read(other, 'transformer.wte.weight')).not.toEqual(embeddings)
    expect(deviation(embeddings)).toBeCloseTo(0.02, 3)
    expect(deviation(await read(model, 'transformer.h.3.mlp.c_proj.weight'))).toBeCloseTo(0.02 / 4, 3)
    expect(deviation(await read(model, 'transformer.h.3.attn.c_attn.bias'))).toBe(0)
    expect(await read(model, 'transformer.h.3.ln_1.weight')).toEqual(new Float32Array(64).fill(1))
    expect([...model.namedParameters()].map(([name]) => name)).not.toContain('lm_head.weight')
  })

  it("follows T5's factors", async () => {
    const t5 = {
      model_type: 't5',
      vocab_size: 300,
      d_model: 64,
      d_kv: 8,
      d_ff: 128,
      num_layers: 1,
      num_heads: 8,
      initializer_factor: 0.5,
    }
    await using model = await auto.AutoModelForSeq2SeqLM.fromConfig(
      { ...t5, tie_word_embeddings: false, feed_forward_proj: 'gated-gelu' },
      { seed: 1 },
    )
    const read = async (name: string) =>
      deviation((await new Map(model.namedParameters()).get(name)!.data()) as Float32Array)
    expect(await read('shared.weight')).toBeCloseTo(0.5, 1)
    expect(await read('lm_head.weight')).toBeCloseTo(0.5, 1)
    const self = 'encoder.block.0.layer.0.SelfAttention'
    expect(await read(`${self}.q.weight`)).toBeCloseTo(0.5 * (64 * 8) ** -0.5, 2)
    expect(await read(`${self}.k.weight`)).toBeCloseTo(0.5 * 64 ** -0.5, 2)
    expect(await read('decoder.block.0.layer.2.DenseReluDense.wi_1.weight')).toBeCloseTo(0.5 * 64 ** -0.5, 2)
    expect(await read('decoder.block.0.layer.2.DenseReluDense.wo.weight')).toBeCloseTo(0.5 * 128 ** -0.5, 2)
  })

  it("leaves padding's embedding zero in BERT", async () => {
    await using model = await auto.AutoModelForMaskedLM.fromConfig({
      model_type: 'bert',
      vocab_size: 9,
      hidden_size: 8,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      intermediate_size: 8,
      pad_token_id: 2,
    })
    const data = (await new Map(model.namedParameters())
      .get('bert.embeddings.word_embeddings.weight')!
      .data()) as Float32Array
    const rows = Array.from({ length: 9 }, (_, i) => data.subarray(8 * i, 8 * i + 8).some((x) => x !== 0))
    expect(rows).toEqual([true, true, false, true, true, true, true, true, true])
  })
})
