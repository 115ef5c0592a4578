import { OptionError } from '@tiny/core'

/**
 * One example as people have it: ids, or texts that the tokenizer turns into ids. A string is `{ text }`. What else an
 * example holds (further columns of a table) stays unread.
 */
export interface Example {
  readonly text?: string | undefined
  /** The second text of a pair. */
  readonly textPair?: string | undefined
  readonly inputIds?: ArrayLike<number> | undefined
  readonly tokenTypeIds?: ArrayLike<number> | undefined
  /** A class by id or by its name in the model's `label2id`, a number to regress to, or 0s and 1s for several classes. */
  readonly label?: string | number | ArrayLike<number> | undefined
  /** A label for each token, or the ids that an encoder–decoder writes; or `label` by another name. */
  readonly labels?: string | number | ArrayLike<number> | undefined
  /** What an encoder–decoder writes, as text. */
  readonly target?: string | undefined
  /** Where the answer starts and ends, in tokens. */
  readonly startPosition?: number | undefined
  readonly endPosition?: number | undefined
}

/** An array, or any source that is read to its end once, before training. */
export type Dataset = Iterable<Example | string> | AsyncIterable<Example | string>

/** A row that is ready to be batched. */
export interface Row {
  readonly inputIds: ArrayLike<number>
  readonly tokenTypeIds?: ArrayLike<number> | undefined
  readonly labels?: number | ArrayLike<number> | undefined
  readonly startPosition?: number | undefined
  readonly endPosition?: number | undefined
  /** Tokens that it costs, those of an encoder and of a decoder together. */
  readonly length: number
  /** Number of the example that it comes from. */
  readonly example: number
}

/**
 * Reads a data set to its end.
 *
 * @throws OptionError for something that is no data set, no example, or empty.
 */
export async function readExamples(name: string, dataset: Dataset): Promise<Example[]> {
  requireDataset(name, dataset)
  const examples: Example[] = []
  for await (const example of dataset) {
    if (typeof example === 'string') examples.push({ text: example })
    else if (typeof example === 'object' && example !== null) examples.push(example)
    else {
      const at = `${name}[${examples.length}]`
      throw new OptionError(`${at} must be a text or an example ({ text, label } or { inputIds, labels })`, {
        option: name,
      })
    }
  }
  if (examples.length === 0) throw new OptionError(`${name} has no examples`, { option: name })
  return examples
}

/** @throws OptionError for anything that cannot be iterated over; a string is taken for a path, which is not read yet. */
export function requireDataset(name: string, dataset: unknown): asserts dataset is Dataset {
  if (
    typeof dataset === 'object' &&
    dataset !== null &&
    (Symbol.iterator in dataset || Symbol.asyncIterator in dataset)
  )
    return
  const what =
    typeof dataset === 'string' ? `the path '${dataset}' (files are not read yet)` : String(dataset)
  throw new OptionError(`${name} must be an array or an iterable of examples, not ${what}`, { option: name })
}
