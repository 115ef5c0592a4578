import {
  concat,
  matmul,
  shiftRows,
  transpose,
  type Initialiser,
  type Parameter,
  type Tensor,
} from '@tiny/core'
import type { Batch } from '../inputs/batch.js'
import { zeros } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { plain } from './linear.js'

export interface ConvolutionOptions {
  readonly width: number
  /** Odd, so that there is a middle. */
  readonly kernel: number
  /** Groups of channels that do not see each other. */
  readonly groups: number
  readonly weight: Initialiser
}

/** A convolution over the tokens of each sequence, as wide as it was (`nn.Conv1d` with half a kernel of zeros on each side). */
export class TokenConvolution {
  readonly #options: ConvolutionOptions
  readonly #weight: Parameter // [width, width / groups, kernel]
  readonly #bias: Parameter // [width]

  constructor(weights: Weights, options: ConvolutionOptions) {
    const { width, kernel, groups, weight } = options
    this.#options = options
    this.#weight = weights.declare('weight', [width, width / groups, kernel], weight)
    this.#bias = weights.declare('bias', [width], zeros)
  }

  /** [tokens, width] to the same: one product for each tap and group. */
  apply(x: Tensor, { offsets, columns }: Pick<Batch<Tensor>, 'offsets' | 'columns'>): Tensor {
    const { width, kernel, groups } = this.#options
    const inner = width / groups
    const bias = plain(this.#bias)
    const taps = transpose(plain(this.#weight).reshape([width * inner, kernel])) // [kernel, width * inner]
    const matrices = Array.from({ length: kernel }, (_, tap) =>
      taps.sliceRows(tap, 1).reshape([width, inner]),
    )
    const shifted = matrices.map((_, tap) => shiftRows(x, offsets, tap - (kernel - 1) / 2, columns))
    const group = (g: number) =>
      matrices.reduce<Tensor | undefined>(
        (sum, matrix, tap) =>
          matmul(
            shifted[tap]!.sliceColumns(g * inner, inner),
            matrix.sliceRows(g * inner, inner),
            sum === undefined
              ? { transposeB: true, bias: bias.reshape([groups, inner]).sliceRows(g, 1).reshape([inner]) }
              : { transposeB: true, residual: sum },
          ),
        undefined,
      )!
    return groups === 1
      ? group(0)
      : concat(
          Array.from({ length: groups }, (_, g) => group(g)),
          'last',
        )
  }
}
