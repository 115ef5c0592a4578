import { describe, expect, it } from 'vitest'
import { list, pack } from '../../test/packing.js'

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

describe('pretraining', () => {
  const pair = { sentencePair: { label: 'nextSentenceLabel', classes: 2 } } as const

  it('takes labels of tokens and of pairs, and both', () => {
    const inputs = { inputIds: [[1, 2], [3]], labels: [[-100, 4], [5]] }
    const { batch } = pack({ ...inputs, nextSentenceLabel: [1, 0] }, 'PreTraining', pair)
    expect(list(batch.labels)).toEqual([4, 5])
    expect(list(batch.sentenceLabels)).toEqual([1, 0])
    expect(() => pack(inputs, 'PreTraining', pair)).toThrow(/labels and nextSentenceLabel belong together/)
    expect(() => pack({ ...inputs, sentenceOrderLabel: [1, 0] }, 'PreTraining', pair)).toThrow(
      /PreTraining takes no sentenceOrderLabel/,
    )
    expect(() => pack({ ...inputs, nextSentenceLabel: [1, 2] }, 'PreTraining', pair)).toThrow(
      /row 1, column 0: 2 is neither one of 2 classes/,
    )
  })

  it('of a discriminator has a label for each real token', () => {
    const { batch } = pack(
      { inputIds: [[1, 2, 0]], attentionMask: [[1, 1, 0]], labels: [[0, 1, -100]] },
      'PreTraining',
    )
    expect(list(batch.labels)).toEqual([0, 1])
  })
})
