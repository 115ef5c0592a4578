/** An array for a compiled call: its sizes are symbols of the call ('tokens', 'sequences + 1') or numbers. */
export interface HostArray {
  readonly dtype: 'int32' | 'float32'
  readonly dims: readonly (string | number)[]
  readonly data: Int32Array | Float32Array
}

/**
 * Packed sequences: tokens end to end, never padded. `T` is HostArray on the way into a compiled call and Tensor
 * inside of it. For encoder–decoders these are the decoder's tokens, and the encoder's stand in `encoder`.
 */
export interface Batch<T> {
  readonly inputIds: T // int32 [tokens]
  /** What position embeddings look up: columns unless the caller gave `positionIds`. */
  readonly positions: T // int32 [tokens]
  /** Where each sequence starts, and the end. */
  readonly offsets: T // int32 [sequences + 1]
  readonly tokenTypeIds?: T // int32 [tokens]
  /** Columns of the tokens, where they are not consecutive: a mask has holes, or padding is computed. */
  readonly columns?: T // int32 [tokens]
  /** Where padding is computed as transformers computes it, since a loss was asked for there. */
  readonly padding?: Padding<T>
  /** Of padded rows, which are taken to be as long as the longest one. */
  readonly reach?: Reach<T>
  /** Row of the last token of each sequence, or of the one that its head stands on. */
  readonly lastRows?: T // int32 [sequences]
  readonly encoder?: Batch<T>

  /** Rows that have a label, in language models and token classification. */
  readonly labelRows?: T // int32 [labelled]
  /**
   * Of labelled rows, or of sequences; float32 [sequences, n] for regression and for several labels each, [tokens, 1]
   * for a discriminator.
   */
  readonly labels?: T // int32 [labelled] or [sequences]
  /** Of pairs of sentences. */
  readonly sentenceLabels?: T // int32 [sequences]
  /** Of multiple choice with labels. */
  readonly choices?: Choices<T>
  /** Sequences with a start (end) inside, and the row that it lies in. */
  readonly startSequences?: T // int32 [starts]
  readonly startRows?: T // int32 [starts]
  readonly endSequences?: T // int32 [ends]
  readonly endRows?: T // int32 [ends]
  /** 0, 1, 2, …: one query for each sequence. */
  readonly eachSequence?: T // int32 [sequences + 1]
}

/**
 * How far the rows of a padded rectangle reach together, where rotary frequencies depend on a sequence's length: positions
 * of the tokens and, behind them, the last one of all. Padding is the caller's word that rows belong together, as in
 * transformers; rows of their own length keep to themselves.
 */
export interface Reach<T> {
  readonly positions: T // int32 [tokens + 1]
  /** 0, tokens + 1: one sequence. */
  readonly offsets: T // int32 [2]
}

/** @param last the last position of the longest row, padding included. */
export function reachOf(positions: Int32Array, last: number): Reach<HostArray> {
  const all = new Int32Array(positions.length + 1)
  all.set(positions)
  all[positions.length] = last
  return { positions: int32(all, 'tokens + 1'), offsets: int32([0, all.length], 2) }
}

/** Whether a mask leaves anything out. */
export const hasPadding = (mask: { readonly rows: readonly Int32Array[] } | undefined): boolean =>
  mask?.rows.some((row) => row.includes(0)) === true

/** Sequences that are the choices of examples. */
export interface Choices<T> {
  /** Where each example's sequences begin, and the end. */
  readonly offsets: T // int32 [examples + 1]
  /** 0, 1, 2, …: one query for each example. */
  readonly each: T // int32 [examples + 1]
  /** Examples with a label, and the sequence that it names. */
  readonly examples: T // int32 [labelled]
  readonly sequences: T // int32 [labelled]
}

/**
 * A rectangle whose padding is computed, too. Real tokens alone are keys. A query that sees none of them gives every
 * column of its row the same weight: that is what the smallest float, added to every score, comes to in transformers.
 */
export interface Padding<T> {
  /** Rows of the real tokens, where each sequence's begin, and their columns. */
  readonly keyRows: T // int32 [keys]
  readonly keyOffsets: T // int32 [sequences + 1]
  readonly keyColumns: T // int32 [keys]
  readonly blind?: Blind<T>
}

/** Queries that see no real token. */
export interface Blind<T> {
  readonly rows: T // int32 [blind]
  readonly columns: T // int32 [blind]
  readonly offsets: T // int32 [sequences + 1]
  /** For each token 1 + its number among the blind ones, 0 for the others. */
  readonly places: T // int32 [tokens]
}

/** How packed rows lie in the rectangle that the caller sees. */
export interface Layout {
  readonly rows: number
  readonly columns: number
  /** Lengths of the rows, where they were ragged. */
  readonly lengths: readonly number[] | undefined
  /** Every cell is a token; tokens begin every row; or a cell's place is looked up. */
  readonly kind: 'whole' | 'right' | 'scattered'
  /** Packed row of each cell of the rectangle, -1 where there is none. */
  readonly cells: Int32Array
}

export const int32 = (data: Int32Array | readonly number[], ...dims: (string | number)[]): HostArray => ({
  dtype: 'int32',
  dims,
  data: data instanceof Int32Array ? data : Int32Array.from(data),
})

/** The same batch with every array replaced. */
export function mapBatch<A, B>(batch: Batch<A>, map: (array: A) => B): Batch<B> {
  return mapTree(batch as unknown as Tree<A>, map) as unknown as Batch<B>
}

type Tree<T> = { readonly [name: string]: T | Tree<T> | undefined }
const branches = new Set(['encoder', 'padding', 'blind', 'choices', 'reach'])

function mapTree<A, B>(tree: Tree<A>, map: (array: A) => B): Tree<B> {
  const mapped: Record<string, B | Tree<B>> = {}
  for (const [name, value] of Object.entries(tree)) {
    if (value !== undefined)
      mapped[name] = branches.has(name) ? mapTree(value as Tree<A>, map) : map(value as A)
  }
  return mapped
}
