import {
  cast,
  clamp,
  concat,
  full,
  randomNormal,
  sliceRows,
  tensor,
  where,
  type Dtype,
  type Initialiser,
  type Tensor,
} from '@tiny/core'

/** Drawn and filled in float32: halves are for weights at rest. */
const inDtype = (x: Tensor, dtype: Dtype): Tensor => (dtype === 'float32' ? x : cast(x, dtype))

/** N(0, std²), a function of the seed and the parameter's name alone. */
export const normal =
  (std: number): Initialiser =>
  (shape, dtype, place) => {
    return inDtype(randomNormal(shape, { std, ...place }), dtype)
  }

/**
 * N(0, std²) without what lies beyond `cutoff` standard deviations: numbers there are drawn again. The few that are left
 * of a billion (more only where the cutoff is far below 1) lie at the bounds.
 */
export function truncatedNormal(std: number, cutoff: number): Initialiser {
  return (shape, dtype, { seed, site }) => {
    const range = { min: -cutoff * std, max: cutoff * std }
    // Beyond 1 or 2 deviations lie 32 or 4.6 % of normal numbers.
    const rounds = cutoff >= 2 ? 7 : cutoff >= 1 ? 19 : 64
    let drawn = randomNormal(shape, { std, seed, site })
    for (let round = 1; round < rounds; round++) {
      const again = randomNormal(shape, { std, seed, site: (site + round) >>> 0 })
      drawn = where(drawn.sub(clamp(drawn, range)), again, drawn)
    }
    return inDtype(clamp(drawn, range), dtype)
  }
}

export const constant =
  (value: number): Initialiser =>
  (shape, dtype) =>
    inDtype(full(shape, value), dtype)

export const zeros = constant(0)
export const ones = constant(1)

/** log 1, log 2, …: rates at which the states of Mamba's heads decay to begin with. */
export const logOfNumbers: Initialiser = (shape, dtype) => {
  const logs = Float32Array.from({ length: shape[0]! }, (_, i) => Math.log(i + 1))
  return inDtype(tensor(logs, { shape }), dtype)
}

/** An embedding's rows, that of padding zero as `nn.Embedding` with `padding_idx` has it. */
export const normalWithZeroRow = (std: number, row: number | undefined): Initialiser =>
  withZeroRow(normal(std), row)

/** The row that nn.Embedding's `padding_idx` names, of which −1 is the last; none outside of the table. */
export function paddingRow(paddingIdx: number | undefined, rows: number): number | undefined {
  const row = paddingIdx === -1 ? rows - 1 : paddingIdx
  return row !== undefined && row < rows ? row : undefined
}

/** The same draw, but for one row of zeros: that of padding. */
export function withZeroRow(draw: Initialiser, paddingIdx: number | undefined): Initialiser {
  return (shape, dtype, place) => {
    const table = draw(shape, dtype, place)
    const [rows, width] = shape as [number, number]
    const row = paddingRow(paddingIdx, rows)
    if (row === undefined) return table
    const parts: Tensor[] = [inDtype(full([1, width], 0), dtype)]
    if (row > 0) parts.unshift(sliceRows(table, 0, row))
    if (row + 1 < rows) parts.push(sliceRows(table, row + 1, rows - row - 1))
    return concat(parts, 'rows')
  }
}

/** The site of a parameter's numbers in its seed's stream: a hash of its name (32-bit FNV-1a). */
export function siteOf(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
