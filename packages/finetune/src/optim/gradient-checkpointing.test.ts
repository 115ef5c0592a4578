import { memory, OptionError } from '@tiny/core'
import { AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM } from '@tiny/models'
import { describe, expect, it } from 'vitest'
import { RandomStream } from '../data/random.js'
import type { ModelInputs } from '../model-loss.js'
import { AdamW } from './adamw.js'

const random = new RandomStream(3)
const ids = (lengths: readonly number[], vocabulary = 30): number[][] =>
  lengths.map((length) => Array.from({ length }, () => Math.floor(random.uniform() * vocabulary)))

const width = { vocab_size: 30, hidden_size: 16, num_hidden_layers: 3, num_attention_heads: 2 }
const inputs = ids([9, 5, 12])
const cases = {
  gpt2: {
    config: { model_type: 'gpt2', vocab_size: 30, n_positions: 16, n_embd: 16, n_layer: 3, n_head: 2 },
    auto: AutoModelForCausalLM,
    inputs: { inputIds: inputs, labels: inputs },
  },
  llama: {
    config: { model_type: 'llama', ...width, num_key_value_heads: 1, intermediate_size: 24 },
    auto: AutoModelForCausalLM,
    inputs: { inputIds: inputs, labels: inputs },
  },
  bert: {
    config: { model_type: 'bert', ...width, intermediate_size: 24, max_position_embeddings: 16 },
    auto: AutoModelForMaskedLM,
    inputs: { inputIds: inputs, labels: inputs },
  },
  t5: {
    config: {
      model_type: 't5',
      vocab_size: 30,
      d_model: 16,
      d_kv: 8,
      d_ff: 24,
      num_layers: 2,
      num_heads: 2,
      decoder_start_token_id: 0,
    },
    auto: AutoModelForSeq2SeqLM,
    inputs: { inputIds: inputs, labels: ids([4, 7, 3]) },
  },
}

async function trained(name: keyof typeof cases, gradientCheckpointing: boolean) {
  const { config, auto, inputs } = cases[name]
  await using model = await auto.fromConfig(config, { seed: 1 })
  model.train()
  await using optimizer = new AdamW(model.parameters(), { lr: 1e-2 })
  const steps = []
  for (let i = 0; i < 2; i++) {
    steps.push(await optimizer.step(model, inputs, { maxGradNorm: 1, seed: 8, gradientCheckpointing }))
  }
  const parameters = new Map<string, unknown>()
  for (const [name, parameter] of model.namedParameters()) parameters.set(name, await parameter.data())
  return { steps, parameters }
}

describe('gradientCheckpointing', () => {
  it.each(['gpt2', 'llama', 'bert'] as const)(
    'trains %s as without it, bit for bit, dropout included',
    async (name) => {
      expect(await trained(name, true)).toEqual(await trained(name, false))
    },
  )

  it('trains t5, whose layers all read the encoder twice, up to the order of sums', async () => {
    const [found, expected] = [await trained('t5', true), await trained('t5', false)]
    for (const [i, { loss, gradNorm }] of expected.steps.entries()) {
      expect(found.steps[i]!.loss).toBeCloseTo(loss, 5)
      expect(found.steps[i]!.gradNorm).toBeCloseTo(gradNorm, 4)
    }
  })

  it('lowers the memory of a step', async () => {
    const config = { model_type: 'gpt2', vocab_size: 30, n_positions: 64, n_embd: 32, n_layer: 12, n_head: 2 }
    const batch = ids(Array.from({ length: 16 }, () => 64))
    const peakOf = async (gradientCheckpointing: boolean): Promise<number> => {
      await using model = await AutoModelForCausalLM.fromConfig(config, { seed: 1 })
      await using optimizer = new AdamW(model.parameters(), { lr: 1e-3 })
      memory.resetPeak()
      const before = memory.stats().live
      await optimizer.step(model, { inputIds: batch, labels: batch }, { gradientCheckpointing })
      return memory.stats().peak - before
    }
    const whole = await peakOf(false)
    expect(await peakOf(true)).toBeLessThan(whole / 2)
  })

  it('is refused where it means nothing', async () => {
    await using model = await AutoModelForCausalLM.fromConfig(cases.gpt2.config, { seed: 1 })
    await using optimizer = new AdamW(model.parameters())
    const options = { gradientCheckpointing: true }
    await expect(optimizer.step(() => ({}) as never, {}, options)).rejects.toThrow(/checkpoint\(fn, …\)/)
    const wrong = { gradientCheckpointing: 1 } as never
    await expect(optimizer.step(model, cases.gpt2.inputs as ModelInputs, wrong)).rejects.toThrow(OptionError)
  })
})
