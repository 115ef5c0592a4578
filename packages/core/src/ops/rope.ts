import { applyOne } from '../apply.js'
import type { Tensor } from '../tensor.js'

export interface RotaryTableOptions {
  /** int32 [sequences + 1]; needed where sequences choose their frequencies. */
  offsets?: Tensor | null | undefined
  /**
   * `first`: row 0 for all (default). `length`: row 1 for sequences whose largest position + 1 is above `threshold`, as
   * LongRoPE has it. `dynamic`: those have a base that grows with it (NTK-aware), from `factor` and `base`.
   */
  choose?: 'first' | 'length' | 'dynamic'
  threshold?: number
  factor?: number
  base?: number
  /** Factor of cosines and sines. */
  scaling?: number
}

/**
 * Cosines, then sines, of position times frequency: [tokens, D] of int32 positions [tokens] and frequencies
 * [1 or 2, D / 2]. Not differentiable.
 */
export function rotaryTable(
  positions: Tensor,
  frequencies: Tensor,
  options: RotaryTableOptions = {},
): Tensor {
  const { offsets, ...attributes } = options
  return applyOne('rotaryTable', [positions, frequencies, offsets], attributes)
}

export interface RotateOptions {
  headDim: number
  /** The first column of each head that is rotated. */
  start?: number
  /** Pairs are neighbours (GPT-J), not half of the rotated columns apart (GPT-NeoX, LLaMA). */
  interleaved?: boolean
  /** The other way round. */
  transposed?: boolean
}

/**
 * Rotary position embedding (Su et al. 2021): columns start .. start + D of each head of x [tokens, heads * headDim],
 * rotated by a table [tokens, D].
 */
export const rotate = (x: Tensor, table: Tensor, options: RotateOptions): Tensor =>
  applyOne('rotate', [x, table], options)
