import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { difference } from '../../test/golden.js'
import { fresh, source } from '../../test/seq2seq-models.js'
import type { GenerativeModel } from '../generation/generative-model.js'

/** Ends nowhere, and forces nothing. */
const free = { eosTokenId: [], forcedEosTokenId: null, encoderNoRepeatNgramSize: 0 }

const prompted = async (
  model: GenerativeModel,
  decoderInputIds: number[][],
  decoderAttentionMask?: number[][],
) =>
  (
    await model.generate(
      { inputIds: source, decoderInputIds, decoderAttentionMask },
      { ...free, maxNewTokens: 4 },
    )
  ).sequences

const padded = (start: number, side: 'left' | 'right'): [ids: number[][], mask: number[][]] => {
  const of = (tokens: number[], pads: number[]) =>
    side === 'left' ? [...pads, ...tokens] : [...tokens, ...pads]
  return [
    [[start, 5, 6, 7], of([start, 8], [1, 1])],
    [[1, 1, 1, 1], of([1, 1], [0, 0])],
  ]
}

describe.each(['t5', 'umt5', 'bart', 'mbart', 'marian', 'm2m_100', 'blenderbot-small'])('%s', (modelType) => {
  let model: GenerativeModel
  beforeAll(async () => void (model = (await fresh('Seq2SeqLM', modelType)) as GenerativeModel))
  afterAll(() => model.dispose())

  it('takes a mask of the decoder’s tokens, whose padding is as if it were not there', async () => {
    const { logits } = await model.run({
      inputIds: source,
      decoderInputIds: [
        [2, 5, 6, 7],
        [2, 8, 9, 9],
      ],
      decoderAttentionMask: [
        [1, 1, 1, 1],
        [1, 1, 0, 0],
      ],
    })
    const ragged = await model.run({
      inputIds: source,
      decoderInputIds: [
        [2, 5, 6, 7],
        [2, 8],
      ],
    })
    const whole = 6 * logits!.shape[2]!
    expect(difference(logits!.data.subarray(0, whole), ragged.logits!.data.subarray(0, whole))).toBeLessThan(
      1e-6,
    )
    expect(logits!.data.subarray(whole).every((x) => x === 0)).toBe(true)
  })

  it('goes on from rows that the caller begins, behind the start token', async () => {
    const { sequences } = await model.generate({ inputIds: source }, { ...free, maxNewTokens: 8 })
    const go = (decoderInputIds: number[][]) =>
      model.generate({ inputIds: source, decoderInputIds }, { ...free, maxLength: 9 })
    expect(await go(sequences.map((row, i) => row.slice(0, 3 + i)))).toMatchObject({ sequences })
    // It is put before rows of which none begins with it.
    const start = model.config.decoderStartTokenId!
    const begun = await go([
      [start, 5, 6],
      [start, 7, 8],
    ])
    const bare = await go([
      [5, 6],
      [7, 8],
    ])
    expect(bare).toEqual(begun)
  })

  it('goes on from rows that are padded', async () => {
    const start = model.config.decoderStartTokenId!
    const ragged = await prompted(model, [
      [start, 5, 6, 7],
      [start, 8],
    ])
    const right = await prompted(model, ...padded(start, 'right'))
    expect(right[0]).toEqual(ragged[0])
    expect(right[1]!.slice(4)).toEqual(ragged[1]!.slice(2))
    const left = await prompted(model, ...padded(start, 'left'))
    expect(left[0]).toEqual(ragged[0])
    // As the forward pass has it.
    const second = left[1]!.slice(0, -1)
    const { logits } = await model.run({
      inputIds: [source[1]!],
      decoderInputIds: [second],
      decoderAttentionMask: [second.map((_, i) => (i < 2 ? 0 : 1))],
    })
    const { shape, data } = logits!
    const chosen = left[1]!.slice(4).map((_, i) => {
      const scores = data.subarray((3 + i) * shape[2]!, (4 + i) * shape[2]!)
      return scores.indexOf(Math.max(...scores))
    })
    expect(left[1]!.slice(4)).toEqual(chosen)
  })
})

it.each(['t5', 'umt5'])('distances of %s know nothing of padding before a prompt', async (modelType) => {
  await using model = (await fresh('Seq2SeqLM', modelType)) as GenerativeModel
  const [, alone] = await prompted(model, [
    [0, 5, 6, 7],
    [0, 8],
  ])
  const [, left] = await prompted(model, ...padded(0, 'left'))
  expect(left!.slice(4)).toEqual(alone!.slice(2))
})

describe('what cannot be', () => {
  let t5: GenerativeModel
  beforeAll(async () => void (t5 = (await fresh('Seq2SeqLM', 't5')) as GenerativeModel))
  afterAll(() => t5.dispose())

  it.each([
    [{ decoderInputIds: [[0, 5]] }, /decoderInputIds has 1 rows, inputIds has 2/],
    [
      {
        decoderInputIds: [
          [0, 5],
          [0, 23],
        ],
      },
      /decoderInputIds, row 1, column 1: 23/,
    ],
    [{ decoderInputIds: [[0, 5], []] }, /row 1 has no tokens/],
    [{ decoderAttentionMask: [[1], [1]] }, /belongs to decoderInputIds/],
    [
      {
        decoderInputIds: [
          [0, 5, 6],
          [0, 1, 6],
        ],
        decoderAttentionMask: [
          [1, 1, 1],
          [1, 0, 1],
        ],
      },
      /masks columns between tokens/,
    ],
  ])('of a prompt: %j', async (prompt, message) => {
    await expect(t5.generate({ inputIds: source, ...prompt })).rejects.toThrow(message)
  })

  it('a decoder has no other one', async () => {
    await using bart = (await fresh('CausalLM', 'bart')) as GenerativeModel
    const ids = [[3, 4]]
    await expect(bart.generate({ inputIds: ids, decoderInputIds: ids })).rejects.toThrow(
      /takes no decoderInputIds/,
    )
    await expect(bart.run({ inputIds: ids, decoderAttentionMask: ids })).rejects.toThrow(
      /decoderAttentionMask/,
    )
  })
})

it('BART’s decoder alone gives the padding of a prompt positions', async () => {
  await using model = (await fresh('CausalLM', 'bart')) as GenerativeModel
  const options = { ...free, maxNewTokens: 4 }
  const inputIds = [[1, 1, 5, 6]]
  const attentionMask = [[0, 0, 1, 1]]
  const { sequences } = await model.generate({ inputIds, attentionMask }, options)
  for (let made = 0; made < 4; made++) {
    const ids = sequences[0]!.slice(0, 4 + made)
    const { logits } = await model.run({
      inputIds: [ids],
      attentionMask: [ids.map((_, i) => (i < 2 ? 0 : 1))],
    })
    const last = logits!.data.subarray((3 + made) * 23)
    expect(sequences[0]![4 + made]).toBe(last.indexOf(Math.max(...last)))
  }
})
