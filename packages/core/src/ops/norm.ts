import { apply, applyOne } from '../apply.js'
import type { Tensor } from '../tensor.js'

export interface LayerNormOptions {
  /** [width]; ones when absent. */
  weight?: Tensor | null | undefined
  /** [width]; zeros when absent. */
  bias?: Tensor | null | undefined
  /** 1e-5 unless given. */
  eps?: number
}

/** (x - mean) / sqrt(variance + eps) * weight + bias over the last axis (Ba et al. 2016). */
export function layerNorm(x: Tensor, options: LayerNormOptions = {}): Tensor {
  const { weight, bias, eps = 1e-5, ...rest } = options
  return applyOne('layerNorm', [x, weight, bias, null], { eps, ...rest })
}

/** `layerNorm(x + residual)` in one pass: the normalised sum and the sum itself. */
export function addLayerNorm(
  x: Tensor,
  residual: Tensor,
  options: LayerNormOptions = {},
): [normalised: Tensor, sum: Tensor] {
  const { weight, bias, eps = 1e-5, ...rest } = options
  return apply('layerNorm', [x, weight, bias, residual], { eps, ...rest }) as [Tensor, Tensor]
}

export interface RmsNormOptions {
  /** 1e-6 unless given. */
  eps?: number
  /** Multiplies by 1 + weight, as Gemma does. */
  zeroCentred?: boolean
}

/** x / sqrt(mean(x²) + eps) * weight over the last axis (Zhang and Sennrich 2019). */
export function rmsNorm(x: Tensor, weight: Tensor, options: RmsNormOptions = {}): Tensor {
  return applyOne('rmsNorm', [x, weight, null], { eps: 1e-6, ...options })
}

/** `rmsNorm(x + residual)` in one pass: the normalised sum and the sum itself. */
export function addRmsNorm(
  x: Tensor,
  residual: Tensor,
  weight: Tensor,
  options: RmsNormOptions = {},
): [normalised: Tensor, sum: Tensor] {
  return apply('rmsNorm', [x, weight, residual], { eps: 1e-6, ...options }) as [Tensor, Tensor]
}
