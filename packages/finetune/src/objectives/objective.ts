import { OptionError, UnsupportedError } from '@tiny/core'
import type { Tokenizer } from '@tiny/models'
import type { Example, Row } from '../data/rows.js'
import type { RandomStream } from '../data/random.js'
import type { ModelInputs } from '../model-loss.js'

/** What objectives need to know besides the data. */
export interface ObjectiveContext {
  readonly tokenizer: Tokenizer | undefined
  /** Tokens in a row at most. */
  readonly maxLength: number | undefined
  /** Causal LM: texts are laid end to end and cut into rows of this many tokens. */
  readonly blockSize: number | undefined
  /** Masked LM: share of the tokens that are to be told. */
  readonly mlmProbability: number
  readonly vocabSize: number | undefined
  readonly label2id: Readonly<Record<string, number>>
  /** Whether the model takes segments; a tokenizer's are left out where it does not. */
  readonly tokenTypes: boolean
  /** Causal LM: whether the model's labels stand at their own tokens (BART's decoder), not one further on. */
  readonly ownLabels?: boolean
}

/** From examples to batches, for one of transformers' tasks. */
export interface Objective {
  /**
   * Makes rows of examples, once, before training.
   *
   * @param name of the data set, for messages
   * @throws OptionError naming the example and what it lacks.
   */
  prepare(examples: readonly Example[], name: string): Promise<Row[]>
  /** @param random what this row draws in this epoch; the same for a row in every evaluation. */
  collate(rows: readonly Row[], random: (row: number) => RandomStream): ModelInputs
}

/** Inputs of rows without labels. */
export function inputsOf(rows: readonly Row[]): {
  inputIds: number[][]
  tokenTypeIds?: number[][]
} {
  const inputIds = rows.map((row) => row.inputIds) as number[][]
  if (rows.every((row) => row.tokenTypeIds === undefined)) return { inputIds }
  const tokenTypeIds = rows.map((row) => row.tokenTypeIds ?? Array.from(row.inputIds, () => 0)) as number[][]
  return { inputIds, tokenTypeIds }
}

export interface Encoded {
  readonly inputIds: ArrayLike<number>
  readonly tokenTypeIds?: ArrayLike<number> | undefined
  /** Number of the example. */
  readonly example: number
}

/**
 * Ids of every example: its own, or its texts' by the tokenizer. Texts longer than maxLength are cut, or, with
 * `overflow`, become further rows.
 */
export async function encodeExamples(
  examples: readonly Example[],
  name: string,
  { tokenizer, maxLength, tokenTypes }: ObjectiveContext,
  { overflow = false, truncate = true } = {},
): Promise<Encoded[]> {
  const encoded: Encoded[][] = examples.map(() => [])
  const texts: number[] = []
  for (const [i, { inputIds, tokenTypeIds, text }] of examples.entries()) {
    if (inputIds === undefined) {
      if (typeof text !== 'string') throw lacks(examples, i, name, 'text or inputIds')
      texts.push(i)
      continue
    }
    if (inputIds.length === 0)
      throw new OptionError(`${name}[${i}].inputIds is empty`, { option: name, index: i })
    if (truncate && maxLength !== undefined && inputIds.length > maxLength) {
      throw new OptionError(
        `${name}[${i}] has ${inputIds.length} ids, more than the ${maxLength} of maxLength or of the model`,
        {
          option: name,
          index: i,
        },
      )
    }
    encoded[i]!.push({ inputIds, tokenTypeIds, example: i })
  }
  if (texts.length > 0) {
    if (tokenizer === undefined) {
      throw new OptionError(`${name}[${texts[0]}] is a text: the Trainer needs a tokenizer`, {
        option: 'tokenizer',
      })
    }
    const pairs = texts.map((i) => examples[i]!.textPair)
    const paired = pairs.some((pair) => pair !== undefined)
    if (paired && pairs.includes(undefined))
      throw lacks(examples, texts[pairs.indexOf(undefined)]!, name, 'textPair, which others have')
    const cut = truncate && maxLength !== undefined
    const batch = await tokenizer.encodeBatch(
      texts.map((i) => examples[i]!.text!),
      {
        ...(paired && { textPairs: pairs as string[] }),
        ...(cut && { truncation: true, maxLength, ...(overflow && { stride: 0 }) }),
      },
    )
    batch.inputIds.forEach((inputIds, row) => {
      const example = texts[batch.overflowToSampleMapping?.[row] ?? row]!
      if (inputIds.length > 0)
        encoded[example]!.push({
          inputIds,
          tokenTypeIds: tokenTypes ? batch.tokenTypeIds?.[row] : undefined,
          example,
        })
    })
  }
  return encoded.flat()
}

export function lacks(examples: readonly Example[], index: number, name: string, what: string): OptionError {
  const has = Object.keys(examples[index]!).join(', ') || 'nothing'
  return new OptionError(`${name}[${index}] lacks ${what}; it has ${has}`, { option: name, index })
}

/** @throws UnsupportedError for an example of a kind that the task does not know. */
export function requireIds(examples: readonly Example[], name: string, task: string): void {
  const index = examples.findIndex(({ inputIds }) => inputIds === undefined)
  if (index < 0) return
  throw new UnsupportedError(
    `${name}[${index}] has no inputIds: labels of ${task} belong to tokens, so texts are to be encoded with their labels (tokenizer.encodeBatch with returnOffsets)`,
    { option: name, index },
  )
}
