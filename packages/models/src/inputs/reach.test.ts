import { describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../auto.js'
import { packInputs, type ModelInputs, type PackSpec } from './pack.js'

const spec: PackSpec = { task: 'CausalLM', tokens: { vocabSize: 20 }, classes: 20, reaches: true }
const padded: ModelInputs = {
  inputIds: [
    [5, 6, 7, 8],
    [0, 0, 9, 10],
  ],
  attentionMask: [
    [1, 1, 1, 1],
    [0, 0, 1, 1],
  ],
}

describe('the reach of a padded batch', () => {
  const reachIn = (inputs: ModelInputs, more: Partial<PackSpec> = {}) => {
    const { reach } = packInputs(inputs, { ...spec, ...more }).batch
    return reach && { positions: [...reach.positions.data], offsets: [...reach.offsets.data] }
  }

  it('is the last position of the rectangle, padding included', () => {
    expect(reachIn(padded)).toEqual({ positions: [0, 1, 2, 3, 2, 3, 3], offsets: [0, 7] })
    const positionIds = [
      [0, 1, 2, 3],
      [9, 9, 0, 1],
    ]
    expect(reachIn({ ...padded, positionIds })).toEqual({
      positions: [0, 1, 2, 3, 0, 1, 9],
      offsets: [0, 7],
    })
  })

  it('is left out where nothing is padded, and of models whose positions do not depend on it', () => {
    const { inputIds } = padded
    expect(reachIn({ inputIds })).toBeUndefined()
    expect(reachIn({ inputIds, attentionMask: [Array(4).fill(1), Array(4).fill(1)] })).toBeUndefined()
    expect(reachIn(padded, { reaches: false })).toBeUndefined()
  })
})

describe.each([
  { rope_type: 'dynamic', factor: 4 },
  {
    rope_type: 'longrope',
    short_factor: [1, 1, 1, 1],
    long_factor: [2, 3, 4, 5],
    original_max_position_embeddings: 8,
  },
])('positions of %j', (rope_parameters) => {
  const config = {
    model_type: 'llama',
    vocab_size: 20,
    hidden_size: 16,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    max_position_embeddings: 8,
    initializer_range: 0.5,
    eos_token_id: null,
    rope_parameters,
  }
  const short = [5, 6, 7]
  const long = Array.from({ length: 12 }, (_, i) => 19 - i)
  const mask = (row: readonly number[]) => long.map((_, i) => (i < row.length ? 1 : 0))
  const filled = (row: readonly number[]) => [...row, ...long.slice(row.length)]
  const firstRows = (logits: { data: ArrayLike<number> }, rows: number, from = 0) =>
    Array.from(logits.data).slice(from * 20, (from + rows) * 20)

  it('follow the longest of padded rows, and each of ragged ones its own', async () => {
    await using model = await AutoModelForCausalLM.fromConfig(config, { seed: 4 })
    const inputIds = [filled(short), long]
    const together = await model.run({ inputIds, attentionMask: [mask(short), mask(long)] })
    const whole = await model.run({ inputIds: [filled(short)] })
    const alone = await model.run({ inputIds: [short] })
    const ragged = await model.run({ inputIds: [short, long] })
    expect(firstRows(together.logits!, 3)).toEqual(firstRows(whole.logits!, 3))
    expect(firstRows(ragged.logits!, 3)).toEqual(firstRows(alone.logits!, 3))
    expect(firstRows(together.logits!, 3)).not.toEqual(firstRows(alone.logits!, 3))
  })
})
