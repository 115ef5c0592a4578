import {
  causalConv,
  concat,
  exp,
  gatherRows,
  neg,
  rmsNorm,
  silu,
  sliceColumns,
  stateScan,
  type Initialiser,
  type Parameter,
  type Tensor,
} from '@tiny/core'
import { logOfNumbers, ones, zeros } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import type { Activation } from './activations.js'
import { finish, type AttendOptions } from './attention.js'
import { applySplit, Linear, plain } from './linear.js'
import type { Mixer, Recurrence } from './mixer.js'
import type { RecurrentShape } from './stack.js'

export interface Mamba2Options {
  readonly width: number
  readonly heads: number
  readonly headDim: number
  /** Of heads that share what enters their states and what is read from them. */
  readonly groups: number
  /** Size of a head's state for each of its columns. */
  readonly state: number
  readonly taps: number
  readonly convBias: boolean
  readonly projectionBias: boolean
  readonly activation: Activation
  readonly eps: number
  /** What steps are clamped to. */
  readonly stepLimit: readonly [least: number, most: number]
  readonly weight: Initialiser
  /** Where this layer's state is kept. */
  readonly layer: number
}

/** What a layer keeps of a sequence: the convolution's last inputs, and the scan's state. */
export const mamba2State = ({
  heads,
  headDim,
  groups,
  state,
  taps,
}: Pick<Mamba2Options, 'heads' | 'headDim' | 'groups' | 'state' | 'taps'>): RecurrentShape => ({
  convolution: (taps - 1) * (heads * headDim + 2 * groups * state),
  scan: heads * headDim * state,
})

/**
 * Mixes the tokens of each sequence by a short convolution and a linear recurrence whose steps depend on the tokens
 * (Mamba-2, Dao and Gu 2024). Memory and time grow with the tokens alone.
 */
export class Mamba2 {
  readonly #options: Mamba2Options
  readonly #input: Linear
  readonly #taps: Parameter
  readonly #tapsBias: Parameter | undefined
  readonly #stepBias: Parameter
  readonly #logA: Parameter
  readonly #skip: Parameter
  readonly #norm: Parameter
  readonly #output: Linear
  readonly #widths: { readonly inner: number; readonly entering: number }

  constructor(weights: Weights, options: Mamba2Options) {
    this.#options = options
    const { width, heads, headDim, groups, state, taps, weight, projectionBias: bias } = options
    const inner = heads * headDim
    const entering = groups * state
    const convolved = inner + 2 * entering
    this.#widths = { inner, entering }
    this.#stepBias = weights.declare('dt_bias', [heads], ones)
    this.#logA = weights.declare('A_log', [heads], logOfNumbers)
    this.#skip = weights.declare('D', [heads], ones)
    this.#taps = weights.at('conv1d').declare('weight', [convolved, 1, taps], weight)
    this.#tapsBias = options.convBias ? weights.at('conv1d').declare('bias', [convolved], zeros) : undefined
    this.#input = new Linear(weights.at('in_proj'), width, inner + convolved + heads, { weight, bias })
    this.#norm = weights.at('norm').declare('weight', [inner], ones)
    this.#output = new Linear(weights.at('out_proj'), inner, width, { weight, bias })
  }

  /** [tokens, width] to [tokens, width]. */
  attend(x: Tensor, mixer: Mixer, { residual }: Pick<AttendOptions, 'residual'> = {}): Tensor {
    const { heads, groups, eps, stepLimit, layer } = this.#options
    const { inner, entering } = this.#widths
    const recurrence = mixer.recur(layer)
    const { offsets, real, memory } = recurrence
    const kept = (tokens: Tensor): Tensor => (real === undefined ? tokens : tokens.mul(real))
    const [gate, toConvolve, dt] = applySplit(this.#input, kept(x), [inner, inner + 2 * entering, heads])
    const convolved = kept(this.#convolve(toConvolve!, recurrence))
    const scanned = stateScan(
      {
        x: sliceColumns(convolved, 0, inner), // [tokens, heads * headDim]
        b: sliceColumns(convolved, inner, entering), // [tokens, groups * state]
        c: sliceColumns(convolved, inner + entering, entering),
        dt: dt!, // [tokens, heads]
        a: neg(exp(plain(this.#logA))),
        d: plain(this.#skip),
        dtBias: plain(this.#stepBias),
        offsets,
      },
      { heads, groups, dtMin: stepLimit[0], dtMax: stepLimit[1], state: memory?.scan },
    )
    const gated = rmsNorm(scanned.mul(silu(gate!)), plain(this.#norm), { eps })
    return finish(this.#output, gated, 0, residual)
  }

  #convolve(x: Tensor, { offsets, memory, lead }: Recurrence): Tensor {
    const { activation } = this.#options
    const bias = this.#tapsBias && plain(this.#tapsBias)
    const fused = activation.fused === 'silu'
    const taps = (rows: Tensor, offsets: Tensor) =>
      causalConv(rows, plain(this.#taps), {
        bias,
        offsets,
        state: memory?.convolution,
        activation: fused ? 'silu' : 'none',
      })
    const y =
      lead === undefined
        ? taps(x, offsets)
        : gatherRows(
            taps(gatherRows(concat([this.#ofPadding(), x], 'rows'), lead.rows), lead.offsets),
            lead.places,
          )
    return fused ? y : activation.apply(y)
  }

  /** What the convolution gets of a token of zeros: [1, convolved]. */
  #ofPadding(): Tensor {
    const { inner, entering } = this.#widths
    const bias = plain(this.#input.bias!).reshape([1, 2 * (inner + entering) + this.#options.heads])
    return sliceColumns(bias, inner, inner + 2 * entering)
  }
}
