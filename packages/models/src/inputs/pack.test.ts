import { describe, expect, it } from 'vitest'
import { list, pack, spec, tokens } from '../../test/packing.js'
import { packInputs, type ModelInputs, type PackSpec } from './pack.js'

describe('tokens', () => {
  it('of ragged rows lie end to end', () => {
    const { batch, layout } = pack({ inputIds: [[1, 2, 3], [4]], tokenTypeIds: [[0, 0, 1], [1]] })
    expect(list(batch.inputIds)).toEqual([1, 2, 3, 4])
    expect(list(batch.positions)).toEqual([0, 1, 2, 0])
    expect(list(batch.offsets)).toEqual([0, 3, 4])
    expect(list(batch.tokenTypeIds)).toEqual([0, 0, 1, 1])
    expect(list(batch.lastRows)).toEqual([2, 3])
    expect(layout).toMatchObject({ rows: 2, columns: 3, lengths: [3, 1], kind: 'right' })
    expect(batch.columns).toBeUndefined()
  })

  it('leave padding out and keep their columns as positions', () => {
    const right = pack({
      inputIds: [
        [1, 2],
        [3, 0],
      ],
      attentionMask: [
        [1, 1],
        [1, 0],
      ],
    })
    expect(right.layout).toMatchObject({ columns: 2, lengths: undefined, kind: 'right' })
    const left = pack({
      inputIds: [
        [0, 0, 7],
        [4, 5, 6],
      ],
      attentionMask: [
        [0, 0, 1],
        [1, 1, 1],
      ],
    })
    expect(list(left.batch.inputIds)).toEqual([7, 4, 5, 6])
    expect(list(left.batch.positions)).toEqual([2, 0, 1, 2])
    expect([...left.layout.cells]).toEqual([-1, -1, 0, 1, 2, 3])
    expect(left.layout.kind).toBe('scattered')
    expect(
      pack({
        inputIds: [
          [1, 2],
          [3, 4],
        ],
      }).layout.kind,
    ).toBe('whole')
  })

  it('of a mask with holes carry their columns', () => {
    const { batch } = pack({ inputIds: [[1, 2, 3]], attentionMask: [[1, 0, 1]] })
    expect(list(batch.columns)).toEqual([0, 2])
  })

  it('take the positions that are given', () => {
    expect(list(pack({ inputIds: [[1, 2]], positionIds: [[5, 3]] }).batch.positions)).toEqual([5, 3])
  })

  it('are numbered by the rule of the model, which adds its offset to given positions', () => {
    const place = (inputs: ModelInputs, positions: NonNullable<PackSpec['tokens']['positions']>) =>
      list(pack(inputs, 'Base', { tokens: { ...tokens, positions } }).batch.positions)
    const inputs = { inputIds: [[1, 4, 5]], attentionMask: [[0, 1, 1]] }
    expect(place(inputs, { rule: 'mask', offset: 2 })).toEqual([2, 3])
    expect(place(inputs, { rule: 'ids', padTokenId: 1 })).toEqual([2, 3])
    expect(place({ ...inputs, positionIds: [[0, 1, 0]] }, { rule: 'mask', offset: 2 })).toEqual([3, 2])
    expect(place({ ...inputs, positionIds: [[0, 1, 0]] }, { rule: 'ids', padTokenId: 1 })).toEqual([1, 0])
    expect(() => place({ inputIds: [[7, 7, 7, 7, 7]] }, { rule: 'ids', padTokenId: 1 })).toThrow(
      /column 4: position 6 /,
    )
  })

  it.each([
    [
      'an id beyond the vocabulary',
      { inputIds: [[1], [2, 50]] },
      'INDEX',
      { row: 1, column: 1, id: 50, vocabSize: 50 },
    ],
    ['a negative id', { inputIds: [[-1]] }, 'INDEX', { row: 0, column: 0, id: -1 }],
    [
      'a row beyond the table of positions',
      { inputIds: [[1], [1, 2, 3, 4, 5, 6, 7]] },
      'INDEX',
      { row: 1, column: 6, position: 6, maxPositions: 6 },
    ],
    [
      'a position beyond the table',
      { inputIds: [[1]], positionIds: [[6]] },
      'INDEX',
      { input: 'positionIds', position: 6 },
    ],
    [
      'a token type beyond the table',
      { inputIds: [[1]], tokenTypeIds: [[2]] },
      'INDEX',
      { input: 'tokenTypeIds', id: 2 },
    ],
    [
      'a mask of another shape',
      { inputIds: [[1, 2]], attentionMask: [[1]] },
      'SHAPE',
      { input: 'attentionMask', row: 0 },
    ],
    [
      'a mask with fewer rows',
      { inputIds: [[1], [2]], attentionMask: [[1]] },
      'SHAPE',
      { input: 'attentionMask' },
    ],
    ['a mask of other numbers', { inputIds: [[1]], attentionMask: [[2]] }, 'OPTION', { row: 0, column: 0 }],
    ['a row that is all padding', { inputIds: [[1], [2]], attentionMask: [[1], [0]] }, 'SHAPE', { row: 1 }],
    ['an empty row', { inputIds: [[1], []] }, 'SHAPE', { row: 1 }],
    ['no rows', { inputIds: [] }, 'SHAPE', {}],
    ['no ids', {}, 'OPTION', { input: 'inputIds' }],
    ["Python's spelling", { input_ids: [[1]] }, 'OPTION', {}],
    ['a decoder input', { inputIds: [[1]], decoderInputIds: [[1]] }, 'OPTION', { input: 'decoderInputIds' }],
  ])('%s: named', (_, inputs, code, facts) => {
    expect(() => pack(inputs as never)).toThrow(expect.objectContaining({ code, ...facts }))
  })
})

describe('the row that a head stands on', () => {
  const rows = (inputs: ModelInputs, rest: Partial<PackSpec>) => {
    const { batch } = pack(inputs, 'SequenceClassification', rest)
    return { rows: list(batch.lastRows), tokens: batch.inputIds.data.length }
  }
  const inputIds = [
    [5, 6, 0, 0],
    [0, 7, 0, 8],
    [0, 0, 0, 0],
  ]

  it('is that of the last id which is no padding, by the ids alone', () => {
    expect(rows({ inputIds }, { pool: 'last', padTokenId: 0 })).toEqual({ rows: [1, 7, 8], tokens: 12 })
    const attentionMask = [
      [1, 1, 0, 0],
      [0, 1, 1, 1],
      [1, 0, 0, 0],
    ]
    expect(rows({ inputIds, attentionMask }, { pool: 'last', padTokenId: 0 })).toEqual({
      rows: [1, 4, 5],
      tokens: 6,
    })
  })

  it('is computed where the mask leaves it out', () => {
    const attentionMask = [
      [1, 1, 0, 0],
      [0, 1, 1, 0],
      [1, 0, 0, 0],
    ]
    expect(rows({ inputIds, attentionMask }, { pool: 'last', padTokenId: 0 })).toEqual({
      rows: [1, 7, 8],
      tokens: 12,
    })
  })

  it('is the last one without an id of padding', () => {
    expect(rows({ inputIds: [[5, 6, 0], [0]] }, { pool: 'last' })).toEqual({ rows: [2, 3], tokens: 4 })
    const masked = { inputIds: [[5, 6, 0]], attentionMask: [[0, 1, 0]] }
    expect(rows(masked, { pool: 'last' })).toEqual({ rows: [2], tokens: 3 })
  })
})

describe('choices', () => {
  it('lie end to end, and each example has its own', () => {
    const { batch, choices } = pack(
      {
        inputIds: [
          [[1, 2], [3]],
          [[4], [5, 6, 7]],
        ],
        labels: [1, 0],
      },
      'MultipleChoice',
    )
    expect(choices).toBe(2)
    expect(list(batch.inputIds)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(list(batch.offsets)).toEqual([0, 2, 3, 4, 7])
    expect(list(batch.choices!.offsets)).toEqual([0, 2, 4])
    expect(list(batch.choices!.each)).toEqual([0, 1, 2])
    expect(list(batch.choices!.examples)).toEqual([0, 1])
    expect(list(batch.choices!.sequences)).toEqual([1, 2])
  })

  it('of other inputs must be as many', () => {
    expect(() =>
      pack({ inputIds: [[[1], [2]]], attentionMask: [[[1]]] } as ModelInputs, 'MultipleChoice'),
    ).toThrow(/attentionMask has 1 examples of 1 choices, inputIds has 1 of 2/)
  })
})

describe('encoder–decoders', () => {
  const pair: Partial<PackSpec> = {
    decoder: {
      tokens: { vocabSize: 50 },
      shift: { first: 'start', fromInputs: false },
      startTokenId: 9,
      padTokenId: 0,
    },
    tokens: { vocabSize: 50 },
  }

  it('make decoder inputs from labels', () => {
    const { batch, layout } = pack(
      {
        inputIds: [[1, 2], [3]],
        labels: [
          [4, 5, -100],
          [6, -100, -100],
        ],
      },
      'Seq2SeqLM',
      pair,
    )
    expect(list(batch.inputIds)).toEqual([9, 4, 5, 9, 6, 0])
    expect([list(batch.labelRows), list(batch.labels)]).toEqual([
      [0, 1, 3],
      [4, 5, 6],
    ])
    expect(list(batch.encoder!.offsets)).toEqual([0, 2, 3])
    expect(layout).toMatchObject({ columns: 3, kind: 'whole' })
  })

  it('leave the tail without labels out of a training step', () => {
    const packed = packInputs(
      {
        inputIds: [[1], [3]],
        labels: [
          [4, -100, 5, -100],
          [-100, -100, -100, -100],
        ],
      },
      spec('Seq2SeqLM', pair),
      {
        forTraining: true,
      },
    )
    expect(list(packed.batch.inputIds)).toEqual([9, 4, 0, 9])
    expect(list(packed.batch.labelRows)).toEqual([0, 2])
  })

  it('decode the ids of the encoder where a head or the family says so', () => {
    const inputs = { inputIds: [[4, 5, 2, 0]], attentionMask: [[1, 1, 1, 0]] }
    const decoder = pair.decoder!
    const ids = (task: PackSpec['task'], rest: Partial<PackSpec>) => {
      const { batch } = pack(inputs, task, { ...pair, ...rest })
      return { ids: list(batch.inputIds), last: list(batch.lastRows) }
    }
    expect(ids('SequenceClassification', { pool: 'eos', eosTokenId: 2 })).toEqual({
      ids: [9, 4, 5, 2],
      last: [2],
    })
    expect(ids('QuestionAnswering', {}).ids).toEqual([9, 4, 5, 2])
    const own = { decoder: { ...decoder, shift: { first: 'last', fromInputs: true } } } as const
    expect(ids('Base', own).ids).toEqual([2, 4, 5, 2])
    expect(ids('Seq2SeqLM', own).ids).toEqual([2, 4, 5, 2])
    expect(() => ids('Base', {})).toThrow(/needs decoderInputIds/)
    expect(() => ids('SequenceClassification', { pool: 'eos', eosTokenId: [3] })).toThrow(
      /row 0 has no end-of-sequence token \(3\)/,
    )
  })

  it('need something to decode from', () => {
    expect(() => pack({ inputIds: [[1]] }, 'Seq2SeqLM', pair)).toThrow(
      expect.objectContaining({ input: 'decoderInputIds' }),
    )
    const { decoder } = pair
    expect(() =>
      pack({ inputIds: [[1]], labels: [[1]] }, 'Seq2SeqLM', {
        ...pair,
        decoder: { ...decoder!, startTokenId: undefined },
      }),
    ).toThrow(expect.objectContaining({ code: 'CONFIG', key: 'decoder_start_token_id' }))
  })
})
