import type { Tensor } from '@tiny/core'
import type { AttendOptions } from '../blocks/attention.js'
import type { Mixer } from '../blocks/mixer.js'
import type { Norm } from '../blocks/norms.js'

/** What mixes the tokens of a layer: attention of any kind, or a recurrence. [tokens, width] to [tokens, width]. */
export interface TokenMixer {
  attend(x: Tensor, mixer: Mixer, options?: AttendOptions): Tensor
}

/** What a layer does to each token: a dense network or experts. [tokens, width] to [tokens, width]. */
export interface FeedForward {
  apply(x: Tensor, residual?: Tensor): Tensor
}

export interface DecoderLayerOptions {
  readonly mixer: TokenMixer
  readonly feedForward: FeedForward
  /**
   * `pre` (default): each branch from the normed stream, added to it. `parallel`: both from the layer's input. `post`:
   * the norms `after` are of the sums (Vaswani et al. 2017).
   */
  readonly order?: 'pre' | 'parallel' | 'post'
  /** Of what enters a branch and of what leaves it; Gemma 2 has all four. In parallel one may serve both branches. */
  readonly norms: {
    readonly beforeMixer?: Norm | undefined
    readonly afterMixer?: Norm | undefined
    readonly beforeFeedForward?: Norm | undefined
    readonly afterFeedForward?: Norm | undefined
  }
  /** Factor of both branches (Granite). */
  readonly residualMultiplier?: number
}

/** One layer of a decoder. */
export class DecoderLayer {
  readonly #options: DecoderLayerOptions

  constructor(options: DecoderLayerOptions) {
    this.#options = options
  }

  /** [tokens, width] to [tokens, width]. */
  apply(x: Tensor, mixer: Mixer, options: Omit<AttendOptions, 'residual'> = {}): Tensor {
    const { order = 'pre', norms, feedForward, mixer: tokens } = this.#options
    if (order === 'post') {
      const summed = norms.afterMixer!.applySum(tokens.attend(x, mixer, options), x)
      return norms.afterFeedForward!.applySum(feedForward.apply(summed), summed)
    }
    const input = normed(norms.beforeMixer, x)
    const attended = this.#branch(norms.afterMixer, x, (residual) =>
      tokens.attend(input, mixer, { ...options, residual }),
    )
    const shared = order === 'parallel' && norms.beforeFeedForward === undefined
    const entering = shared ? input : normed(norms.beforeFeedForward, order === 'parallel' ? x : attended)
    return this.#branch(norms.afterFeedForward, attended, (residual) => feedForward.apply(entering, residual))
  }

  /** A branch added to the stream; inside its last product where nothing comes between. */
  #branch(after: Norm | undefined, stream: Tensor, branch: (residual: Tensor | undefined) => Tensor): Tensor {
    const { residualMultiplier = 1 } = this.#options
    if (after === undefined && residualMultiplier === 1) return branch(stream)
    const left = normed(after, branch(undefined))
    return stream.add(residualMultiplier === 1 ? left : left.scale(residualMultiplier))
  }
}

const normed = (norm: Norm | undefined, x: Tensor): Tensor => (norm === undefined ? x : norm.apply(x))
