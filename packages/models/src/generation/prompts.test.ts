import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fresh, source } from '../../test/seq2seq-models.js'
import { AutoModelForCausalLM } from '../auto.js'
import type { GenerativeModel } from './generative-model.js'

const config = {
  model_type: 'gpt2',
  vocab_size: 40,
  n_embd: 16,
  n_layer: 2,
  n_head: 2,
  n_positions: 64,
  initializer_range: 0.4,
  eos_token_id: null,
  pad_token_id: 3,
}
const padded = [
  [5, 6, 7, 8, 9],
  [3, 3, 10, 11, 12],
]
const mask = [
  [1, 1, 1, 1, 1],
  [0, 0, 1, 1, 1],
]

describe('prompts of a decoder', () => {
  let model: GenerativeModel
  beforeAll(async () => void (model = await AutoModelForCausalLM.fromConfig(config, { seed: 4 })))
  afterAll(() => model.dispose())
  const tokens = async (attentionMask?: number[][]) =>
    (await model.generate({ inputIds: padded, attentionMask }, { maxNewTokens: 6 })).sequences

  it('have padding where a mask says so, and nowhere else', async () => {
    const all = await tokens(padded.map((row) => row.map(() => 1)))
    expect(await tokens()).toEqual(all)
    expect((await tokens(mask))[1]).not.toEqual(all[1])
  })

  it('count with their padding for maxLength', async () => {
    const { sequences } = await model.generate({ inputIds: padded, attentionMask: mask }, { maxLength: 9 })
    expect(sequences.map(({ length }) => length)).toEqual([9, 9])
  })
})

describe('prompts of an encoder–decoder', () => {
  let model: GenerativeModel
  beforeAll(async () => void (model = (await fresh('Seq2SeqLM', 't5')) as GenerativeModel))
  afterAll(() => model.dispose())
  const options = { maxNewTokens: 5, eosTokenId: [] }

  it('begin with a token of each row’s own, where there is one for each', async () => {
    const { sequences } = await model.generate(
      { inputIds: source },
      { ...options, decoderStartTokenId: [4, 7] },
    )
    for (const [row, decoderStartTokenId] of [4, 7].entries()) {
      const alone = await model.generate({ inputIds: [source[row]!] }, { ...options, decoderStartTokenId })
      expect(sequences[row]).toEqual(alone.sequences[0])
    }
    await expect(
      model.generate({ inputIds: source }, { ...options, decoderStartTokenId: [4] }),
    ).rejects.toThrow(/1 tokens for 2 rows/)
  })

  it('read padding’s id as a token where no mask says otherwise', async () => {
    const inputIds = [[5, 6, 0, 0]]
    const all = await model.generate({ inputIds, attentionMask: [[1, 1, 1, 1]] }, options)
    expect(await model.generate({ inputIds }, options)).toEqual(all)
  })
})
