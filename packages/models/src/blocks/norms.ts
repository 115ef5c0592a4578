import { addLayerNorm, addRmsNorm, concat, layerNorm, rmsNorm, type Parameter, type Tensor } from '@tiny/core'
import { ones, zeros } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { plain } from './linear.js'

export interface Norm {
  apply(x: Tensor): Tensor
  /** The norm of x + residual, in one pass. */
  applySum(x: Tensor, residual: Tensor): Tensor
}

/** Declares a norm of rows of this width. */
export type MakeNorm = (weights: Weights, width: number) => Norm

/** Ba et al. 2016. */
export class LayerNorm implements Norm {
  readonly weight: Parameter
  readonly bias: Parameter | undefined
  readonly #eps: number

  constructor(weights: Weights, width: number, options: { eps: number; bias?: boolean }) {
    this.weight = weights.declare('weight', [width], ones)
    this.bias = options.bias === false ? undefined : weights.declare('bias', [width], zeros)
    this.#eps = options.eps
  }

  apply(x: Tensor): Tensor {
    return layerNorm(x, this.#options())
  }

  applySum(x: Tensor, residual: Tensor): Tensor {
    return addLayerNorm(x, residual, this.#options())[0]
  }

  #options() {
    return { weight: plain(this.weight), bias: this.bias && plain(this.bias), eps: this.#eps }
  }
}

/** Zhang and Sennrich 2019; T5 calls it LayerNorm. */
export class RmsNorm implements Norm {
  readonly weight: Parameter
  readonly #options: { eps: number; zeroCentred: boolean }

  /** @param options `zeroCentred`: multiplies by 1 + weight, as Gemma does. */
  constructor(weights: Weights, width: number, options: { eps: number; zeroCentred?: boolean }) {
    const { eps, zeroCentred = false } = options
    this.weight = weights.declare('weight', [width], zeroCentred ? zeros : ones)
    this.#options = { eps, zeroCentred }
  }

  apply(x: Tensor): Tensor {
    return rmsNorm(x, plain(this.weight), this.#options)
  }

  applySum(x: Tensor, residual: Tensor): Tensor {
    return addRmsNorm(x, residual, plain(this.weight), this.#options)[0]
  }
}

export const rmsNorms =
  (options: { eps: number; zeroCentred?: boolean }): MakeNorm =>
  (weights, width) =>
    new RmsNorm(weights, width, options)

export const layerNorms =
  (options: { eps: number; bias?: boolean }): MakeNorm =>
  (weights, width) =>
    new LayerNorm(weights, width, options)

/** A LayerNorm without parameters. */
export const plainLayerNorms =
  (eps: number): MakeNorm =>
  () => ({
    apply: (x) => layerNorm(x, { eps }),
    applySum: (x, residual) => addLayerNorm(x, residual, { eps })[0],
  })

/** A norm of queries or keys [tokens, heads * headDim]. */
export type ProjectionNorm = Pick<Norm, 'apply'>
export type MakeProjectionNorm = (weights: Weights, heads: number, headDim: number) => ProjectionNorm

/** Each head by itself, all by the same weights. */
export const eachHead =
  (make: MakeNorm): MakeProjectionNorm =>
  (weights, heads, headDim) => {
    const norm = make(weights, headDim)
    return { apply: (x) => perHead(x, heads, headDim, (rows) => norm.apply(rows)) }
  }

/** All heads at once. */
export const acrossHeads =
  (make: MakeNorm): MakeProjectionNorm =>
  (weights, heads, headDim) =>
    make(weights, heads * headDim)

/** Each head by itself, by weights of its own: one tensor [heads, headDim] (Cohere). */
export const headsOwn =
  (eps: number): MakeProjectionNorm =>
  (weights, heads, headDim) => {
    const weight = weights.declare('weight', [heads, headDim], ones)
    const row = () => plain(weight).reshape([heads * headDim])
    return { apply: (x) => perHead(x, heads, headDim, (rows) => layerNorm(rows, { eps })).mul(row()) }
  }

/** The same in a tensor for each head (StableLM). */
export const headsOwnEach =
  (eps: number): MakeProjectionNorm =>
  (weights, heads, headDim) => {
    const each = Array.from({ length: heads }, (_, head) =>
      weights.at('norms').at(head).declare('weight', [headDim], ones),
    )
    const row = () => concat(each.map(plain), 'last')
    return { apply: (x) => perHead(x, heads, headDim, (rows) => layerNorm(rows, { eps })).mul(row()) }
  }

function perHead(x: Tensor, heads: number, headDim: number, norm: (rows: Tensor) => Tensor): Tensor {
  const tokens = x.dim(0)
  return norm(x.reshape([tokens, heads, headDim])).reshape([tokens, heads * headDim])
}
