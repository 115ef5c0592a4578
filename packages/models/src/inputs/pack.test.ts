import { describe, expect, it } from 'vitest'
import type { HostArray } from './batch.js'
import { packInputs, type ModelInputs, type PackSpec } from './pack.js'

const tokens = { vocabSize: 50, maxPositions: 6, typeVocabSize: 2 }
const spec = (task: PackSpec['task'], rest: Partial<PackSpec> = {}): PackSpec => ({
  task,
  tokens,
  classes: 50,
  ...rest,
})
const list = (array: HostArray | undefined) => array && [...array.data]
const pack = (inputs: ModelInputs, task: PackSpec['task'] = 'Base', rest: Partial<PackSpec> = {}) =>
  packInputs(inputs, spec(task, rest))

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

describe('labels of tokens', () => {
  it('are gathered, shifted for causal models', () => {
    const inputs = {
      inputIds: [
        [1, 2, 3],
        [4, 5],
      ],
      labels: [
        [1, -100, 3],
        [4, 5],
      ],
    }
    const masked = pack(inputs, 'MaskedLM').batch
    expect([list(masked.labelRows), list(masked.labels)]).toEqual([
      [0, 2, 3, 4],
      [1, 3, 4, 5],
    ])
    const causal = pack(inputs, 'CausalLM').batch
    expect([list(causal.labelRows), list(causal.labels)]).toEqual([
      [1, 3],
      [3, 5],
    ])
  })

  it('at padding make padding computed, as transformers counts it', () => {
    const inputs = {
      inputIds: [
        [0, 1, 2],
        [3, 4, 5],
      ],
      attentionMask: [
        [0, 1, 1],
        [1, 1, 1],
      ],
    }
    const free = pack(
      {
        ...inputs,
        labels: [
          [-100, -100, 2],
          [3, 4, 5],
        ],
      },
      'CausalLM',
    )
    expect(free.batch.padding).toBeUndefined()
    expect(list(free.batch.labelRows)).toEqual([0, 2, 3])
    // The first real token's label is predicted from the padding before it.
    const { batch, layout } = pack(
      {
        ...inputs,
        labels: [
          [-100, 1, 2],
          [3, 4, 5],
        ],
      },
      'CausalLM',
    )
    expect(list(batch.inputIds)).toEqual([0, 1, 2, 3, 4, 5])
    expect(list(batch.labelRows)).toEqual([0, 1, 3, 4])
    expect(list(batch.columns)).toEqual([0, 1, 2, 0, 1, 2])
    expect(list(batch.padding!.keyRows)).toEqual([1, 2, 3, 4, 5])
    expect(list(batch.padding!.keyOffsets)).toEqual([0, 2, 5])
    expect(list(batch.padding!.keyColumns)).toEqual([1, 2, 0, 1, 2])
    expect(list(batch.padding!.blind!.rows)).toEqual([0])
    expect(list(batch.padding!.blind!.places)).toEqual([1, 0, 0, 0, 0, 0])
    expect(layout.kind).toBe('whole')
  })

  it.each([
    [[[50]], 'INDEX'],
    [[[-1]], 'INDEX'],
    [[[1, 2]], 'SHAPE'],
    [[[1], [2]], 'SHAPE'],
  ])('%j: refused', (labels, code) => {
    expect(() => pack({ inputIds: [[1]], labels }, 'MaskedLM')).toThrow(
      expect.objectContaining({ code, input: 'labels' }),
    )
  })
})

describe('labels of rows', () => {
  const inputIds = [[1], [2]]
  it.each([
    [[1, 0], 3, 'single_label_classification', 'int32'],
    [[0.5, 2], 1, 'regression', 'float32'],
    [[1, 2], 1, 'regression', 'float32'],
    [
      [
        [1, 0, 1],
        [0, 0, 1],
      ],
      3,
      'multi_label_classification',
      'float32',
    ],
  ])('%j with %i classes is %s', (labels, classes, problemType, dtype) => {
    const packed = pack({ inputIds, labels }, 'SequenceClassification', { classes })
    expect(packed.problemType).toBe(problemType)
    expect(packed.batch.labels!.dtype).toBe(dtype)
  })

  it('obey the configuration', () => {
    const packed = pack(
      {
        inputIds,
        labels: [
          [1, 2],
          [3, 4],
        ],
      },
      'SequenceClassification',
      { classes: 2, problemType: 'regression' },
    )
    expect(packed.problemType).toBe('regression')
  })

  it.each([
    [[3, 0], 'INDEX'],
    [[1], 'SHAPE'],
    [
      [
        [1, 0],
        [0, 1],
      ],
      'SHAPE',
    ],
  ])('%j with three classes: refused', (labels, code) => {
    expect(() => pack({ inputIds, labels }, 'SequenceClassification', { classes: 3 })).toThrow(
      expect.objectContaining({ code }),
    )
  })
})

describe('spans', () => {
  it('count every column, and leave out what lies beyond', () => {
    const inputIds = [
      [1, 2, 0],
      [3, 4, 5],
    ]
    const attentionMask = [
      [1, 1, 0],
      [1, 1, 1],
    ]
    const { batch } = pack(
      { inputIds, attentionMask, startPositions: [1, 3], endPositions: [-1, 2] },
      'QuestionAnswering',
    )
    expect(list(batch.offsets)).toEqual([0, 3, 6])
    expect([list(batch.startSequences), list(batch.startRows)]).toEqual([[0], [1]])
    expect([list(batch.endSequences), list(batch.endRows)]).toEqual([
      [0, 1],
      [0, 5],
    ])
    expect(pack({ inputIds, attentionMask }, 'QuestionAnswering').batch.padding).toBeUndefined()
  })

  it('need both edges', () => {
    expect(() => pack({ inputIds: [[1]], startPositions: [0] }, 'QuestionAnswering')).toThrow(
      /belong together/,
    )
  })
})

describe('encoder–decoders', () => {
  const pair: Partial<PackSpec> = {
    decoder: { tokens: { vocabSize: 50 }, startTokenId: 9, padTokenId: 0 },
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
