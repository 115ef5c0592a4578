import { concat, gatherRows, input, padRows, zeros, type Input, type Size, type Tensor } from '@tiny/core'
import type { Layout } from '../inputs/batch.js'

/** How packed rows are laid out in native code: part of a compiled call's arguments. */
export interface Spreading<T> {
  readonly kind: Layout['kind']
  /** 1 + the packed row of each cell, 0 where there is none. */
  readonly cells?: T // int32 [cells]
}

/** What `spread` needs of a layout. `name` sets its symbols apart from another layout's. */
export function spreadingOf({ kind, cells }: Layout, name: string): Spreading<Input> {
  if (kind !== 'scattered') return { kind }
  return {
    kind,
    cells: input(
      'int32',
      [`${name}Cells`],
      cells.map((row) => row + 1),
    ),
  }
}

/** Packed rows [tokens, width] as the cells of the caller's rectangle, row-major, zeros where there is no token. */
export function spread(x: Tensor, { kind, cells }: Spreading<Tensor>, offsets: Tensor, length: Size): Tensor {
  if (kind === 'whole') return x
  if (kind === 'right') return padRows(x, offsets, length) // [sequences, length, width]
  return gatherRows(concat([zeros([1, x.dim(1)], { dtype: x.dtype }), x], 'rows'), cells!) // [cells, width]
}

/**
 * Attention weights [sequences, heads, queries, keys] by number of the token, moved to the tokens' columns: for
 * layouts whose rows do not begin with their tokens.
 */
export function scatterWeights(
  { shape, data }: { shape: readonly number[]; data: Float32Array },
  queries: Layout,
  keys: KeyColumns,
): Float32Array {
  const [sequences, heads, height, width] = shape as [number, number, number, number]
  const scattered = new Float32Array(data.length)
  for (let s = 0; s < sequences; s++) {
    const first = queries.cells.subarray(s * height, (s + 1) * height).find((row) => row >= 0) ?? 0
    for (let column = 0; column < height; column++) {
      const row = queries.cells[s * height + column]!
      if (row < 0) continue
      for (let head = 0; head < heads; head++) {
        const from = ((s * heads + head) * height + (row - first)) * width
        const to = ((s * heads + head) * height + column) * width
        keys[s]!.forEach((keyColumn, key) => (scattered[to + keyColumn] = data[from + key]!))
      }
    }
  }
  return scattered
}

/** For each sequence, the columns of its keys. */
export type KeyColumns = readonly (readonly number[])[]

export function keyColumnsOf(layout: Layout, mask?: (row: number, column: number) => boolean): KeyColumns {
  return Array.from({ length: layout.rows }, (_, row) => {
    const columns: number[] = []
    for (let column = 0; column < layout.columns; column++) {
      const isToken = layout.cells[row * layout.columns + column]! >= 0
      if (isToken && (mask?.(row, column) ?? true)) columns.push(column)
    }
    return columns
  })
}
