import { gatherRows, tensor, type Tensor } from '@tiny/core'
import type { Constant, Weights } from '../parameters/weights.js'

/**
 * Sines in the left half of the columns, cosines in the right one, of position / 10000^(2 i / width), as Marian has
 * them (Vaswani et al. 2017 interleave the two).
 */
export function marianSinusoids(rows: number, width: number): Float32Array {
  const sines = Math.ceil(width / 2)
  const rates = Float64Array.from(
    { length: width },
    (_, j) => 10000 ** ((2 * (j < sines ? j : j - sines)) / width),
  )
  return tableOf(rows, width, (row, j) => {
    const angle = row / rates[j]!
    return j < sines ? Math.sin(angle) : Math.cos(angle)
  })
}

/**
 * fairseq's: position * exp(-i ln 10000 / (half - 1)), computed in float32 step by step as PyTorch does, and zeros for
 * padding.
 *
 * @param zeroRow the row of padding.
 */
export function fairseqSinusoids(rows: number, width: number, zeroRow: number | undefined): Float32Array {
  const { fround } = Math
  const half = Math.floor(width / 2)
  const step = fround(-Math.log(10000) / (half - 1))
  const rates = Float32Array.from({ length: half }, (_, i) => Math.exp(fround(i * step)))
  return tableOf(rows, width, (row, j) => {
    if (row === zeroRow || j >= 2 * half) return 0
    const angle = fround(row * rates[j % half]!)
    return j < half ? Math.sin(angle) : Math.cos(angle)
  })
}

function tableOf(rows: number, width: number, at: (row: number, column: number) => number): Float32Array {
  const table = new Float32Array(rows * width)
  for (let row = 0; row < rows; row++) for (let j = 0; j < width; j++) table[row * width + j] = at(row, j)
  return table
}

/** Rows for positions that follow from the configuration: no parameter, never stored. */
export class FixedPositions {
  readonly #table: Constant // [rows, width]

  constructor(
    weights: Weights,
    rows: number,
    width: number,
    make: (rows: number, width: number) => Float32Array,
  ) {
    this.#table = weights.constant(() => tensor(make(rows, width), { shape: [rows, width] }))
  }

  /** int32 [tokens] to [tokens, width]. */
  apply(positions: Tensor): Tensor {
    return gatherRows(this.#table.value, positions)
  }
}
