import { fileURLToPath } from 'node:url'
import { OptionError, UnsupportedError } from '@tiny/core'
import { AutoTokenizer, type Tokenizer } from '@tiny/models'
import { beforeAll, describe, expect, it } from 'vitest'
import { RandomStream } from '../data/random.js'
import type { Row } from '../data/rows.js'
import { objectiveOf } from './index.js'
import type { ObjectiveContext } from './objective.js'

const golden = fileURLToPath(new URL('../../../../golden/tokenizers/', import.meta.url))
let bert: Tokenizer
let roberta: Tokenizer
beforeAll(async () => {
  bert = await AutoTokenizer.fromPretrained(`${golden}wordpiece-bert`)
  roberta = await AutoTokenizer.fromPretrained(`${golden}bpe-roberta`)
})

const context = (changes: Partial<ObjectiveContext> = {}): ObjectiveContext => ({
  tokenizer: undefined,
  maxLength: undefined,
  blockSize: undefined,
  mlmProbability: 0.15,
  vocabSize: undefined,
  label2id: { ham: 0, spam: 1 },
  tokenTypes: true,
  ...changes,
})
const random = (row: number): RandomStream => new RandomStream(1, row)
const text = 'the transformer reads the sentence and decides which words deserve attention'

describe('segments', () => {
  it('of a tokenizer are left out for models that take none', async () => {
    const examples = [{ text, target: text }]
    const keysWith = async (tokenTypes: boolean) => {
      const objective = objectiveOf('Seq2SeqLM', context({ tokenizer: bert, tokenTypes }))
      return Object.keys(objective.collate(await objective.prepare(examples, 'train'), random))
    }
    expect(await keysWith(true)).toContain('tokenTypeIds')
    expect(await keysWith(false)).toEqual(['inputIds', 'labels'])
  })
})

describe('masked language modelling', () => {
  const ids = (length: number): number[] => [2, ...Array.from({ length }, (_, i) => 5 + (i % 200)), 3]

  it('tells 15 % of the tokens: 80 % masked, 10 % random, 10 % as they are, specials never', async () => {
    const objective = objectiveOf('MaskedLM', context({ tokenizer: bert }))
    const rows = await objective.prepare(
      Array.from({ length: 200 }, () => ({ inputIds: ids(300) })),
      'train',
    )
    const { inputIds, labels } = objective.collate(rows, random) as {
      inputIds: Int32Array[]
      labels: Int32Array[]
    }
    const places = rows.flatMap((row, i) =>
      Array.from(row.inputIds, (id, place) => ({
        id,
        label: labels[i]![place]!,
        seen: inputIds[i]![place]!,
      })),
    )
    const told = places.filter(({ label }) => label !== -100)
    expect(places.filter(({ id, label, seen }) => label === -100 && seen !== id)).toEqual([])
    expect(told.filter(({ id, label }) => label !== id || id < 5)).toEqual([])
    const masked = told.filter(({ seen }) => seen === bert.maskTokenId).length
    const kept = told.filter(({ id, seen }) => seen === id).length
    // Five standard deviations of binomial counts.
    const near = (count: number, n: number, p: number): void =>
      expect(Math.abs(count - n * p)).toBeLessThan(5 * Math.sqrt(n * p * (1 - p)))
    near(told.length, 200 * 300, 0.15)
    near(masked, told.length, 0.8)
    near(kept, told.length, 0.1 + 0.1 / bert.vocabSize)
    expect(objective.collate(rows, random)).toEqual({ inputIds, labels })
    expect(objective.collate(rows, (row) => new RandomStream(2, row))).not.toEqual({ inputIds, labels })
  })

  it('has a label in every row, and makes further rows of long texts', async () => {
    const objective = objectiveOf(
      'MaskedLM',
      context({ tokenizer: bert, maxLength: 8, mlmProbability: 0.01 }),
    )
    const rows = await objective.prepare([{ text }, { text: 'the' }], 'train')
    expect(rows.length).toBeGreaterThan(2)
    expect(rows.every((row) => row.length <= 8 && row.inputIds[0] === bert.clsTokenId)).toBe(true)
    expect(new Set(rows.map((row) => row.example))).toEqual(new Set([0, 1]))
    const { labels } = objective.collate(rows, random) as unknown as { labels: Int32Array[] }
    expect(labels.every((row) => row.some((label) => label !== -100))).toBe(true)
  })

  it('needs a mask token', () => {
    expect(() => objectiveOf('MaskedLM', context())).toThrow(/tokenizer/)
  })
})

describe('causal language modelling', () => {
  const idsOf = (rows: readonly Row[]): number[][] => rows.map((row) => Array.from(row.inputIds))

  it('predicts rows as they are, and cuts what is too long', async () => {
    const objective = objectiveOf('CausalLM', context({ maxLength: 4 }))
    const rows = await objective.prepare(
      [{ inputIds: [1, 2, 3] }, { inputIds: [1, 2, 3, 4, 5, 6, 7, 8, 9] }],
      'train',
    )
    expect(idsOf(rows)).toEqual([
      [1, 2, 3],
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ])
    expect(objective.collate(rows.slice(0, 1), random)).toEqual({
      inputIds: [[1, 2, 3]],
      labels: [[1, 2, 3]],
    })
    // Where labels stand at their own tokens, they are moved here.
    const own = objectiveOf('CausalLM', context({ ownLabels: true }))
    expect(own.collate(rows.slice(0, 1), random)).toEqual({ inputIds: [[1, 2, 3]], labels: [[2, 3, -100]] })
  })

  it('ends texts, and lays them end to end in blocks', async () => {
    const end = roberta.eosTokenId!
    const alone = objectiveOf('CausalLM', context({ tokenizer: roberta }))
    const rows = idsOf(await alone.prepare([{ text: 'the sentence' }, { text: 'reads' }], 'train'))
    expect(rows.every((row) => row.at(-1) === end && row.at(-2) !== end)).toBe(true)
    const blocks = objectiveOf('CausalLM', context({ tokenizer: roberta, blockSize: 5 }))
    const cut = await blocks.prepare([{ text: 'the sentence' }, { text: 'reads' }], 'train')
    // A last block of one token would predict nothing.
    expect(idsOf(cut).flat()).toEqual(rows.flat().slice(0, 10))
    expect(cut.slice(0, -1).every((row) => row.length === 5)).toBe(true)
  })
})

describe('encoder–decoders', () => {
  it('takes texts or ids on either side', async () => {
    const objective = objectiveOf('Seq2SeqLM', context({ tokenizer: roberta }))
    const rows = await objective.prepare(
      [
        { text: 'reads', target: 'the' },
        { inputIds: [7, 8], labels: [9] },
      ],
      'train',
    )
    const target = await roberta.encode('the')
    expect(rows[0]!.labels).toEqual(target)
    expect(rows[0]!.length).toBe((await roberta.encode('reads')).length + target.length)
    expect(objective.collate(rows.slice(1), random)).toEqual({ inputIds: [[7, 8]], labels: [[9]] })
    await expect(objective.prepare([{ text: 'reads' }], 'train')).rejects.toThrow(/train\[0\] lacks target/)
  })
})

describe('classification', () => {
  it('takes texts, pairs and names of labels', async () => {
    const objective = objectiveOf('SequenceClassification', context({ tokenizer: bert, maxLength: 6 }))
    const rows = await objective.prepare(
      [
        { text, label: 'spam' },
        { text: 'the', labels: 0 },
      ],
      'train',
    )
    const batch = objective.collate(rows, random) as {
      inputIds: number[][]
      tokenTypeIds: number[][]
      labels: number[]
    }
    expect(batch.labels).toEqual([1, 0])
    expect(batch.inputIds.map((row) => row.length)).toEqual([6, 3])
    const pairs = await objective.prepare([{ text: 'the', textPair: 'words', label: [0, 1] }], 'train')
    expect(pairs[0]).toMatchObject({ labels: [0, 1], tokenTypeIds: [0, 0, 0, 1, 1], length: 5 })
  })

  it('names the example that does not fit', async () => {
    const objective = objectiveOf('SequenceClassification', context({ tokenizer: bert, maxLength: 6 }))
    const refused = async (examples: object[], message: RegExp): Promise<void> => {
      await expect(objective.prepare(examples, 'train')).rejects.toThrow(message)
      await expect(objective.prepare(examples, 'train')).rejects.toBeInstanceOf(OptionError)
    }
    await refused([{ text, label: 0 }, { text }], /train\[1\] lacks label; it has text/)
    await refused([{ text, label: 'eggs' }], /'eggs'.*ham, spam/)
    await refused([{ label: 1 }], /train\[0\] lacks text or inputIds/)
    await refused([{ inputIds: [], label: 1 }], /empty/)
    await refused([{ inputIds: [1, 2, 3, 4, 5, 6, 7], label: 1 }], /7 ids.*6/)
    await refused(
      [
        { text, textPair: text, label: 1 },
        { text, label: 1 },
      ],
      /train\[1\] lacks textPair/,
    )
    const blind = objectiveOf('SequenceClassification', context())
    await expect(blind.prepare([{ text, label: 0 }], 'train')).rejects.toThrow(/needs a tokenizer/)
  })

  it('labels tokens and spans given as ids', async () => {
    const tokens = objectiveOf('TokenClassification', context())
    const rows = await tokens.prepare([{ inputIds: [4, 5], labels: [1, -100] }], 'train')
    expect(tokens.collate(rows, random)).toEqual({ inputIds: [[4, 5]], labels: [[1, -100]] })
    await expect(tokens.prepare([{ inputIds: [4, 5], labels: [1] }], 'train')).rejects.toThrow(
      /1 labels for 2 tokens/,
    )
    await expect(tokens.prepare([{ text, labels: [1] }], 'train')).rejects.toBeInstanceOf(UnsupportedError)
    const spans = objectiveOf('QuestionAnswering', context())
    const answers = await spans.prepare(
      [{ inputIds: [4, 5, 6], tokenTypeIds: [0, 1, 1], startPosition: 1, endPosition: 2 }],
      'train',
    )
    expect(spans.collate(answers, random)).toEqual({
      inputIds: [[4, 5, 6]],
      tokenTypeIds: [[0, 1, 1]],
      startPositions: [1],
      endPositions: [2],
    })
    expect(() => objectiveOf('Base', context())).toThrow(UnsupportedError)
  })
})
