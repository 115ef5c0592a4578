import { dropout, full, nextRandomSite, where, type Tensor } from '@tiny/core'

let dropping = false

/** Builds a graph whose dropout drops (in training mode, inside `withRandomKey`) or passes everything on. */
export function withDropout<T>(active: boolean, build: () => T): T {
  const outer = dropping
  dropping = active
  try {
    return build()
  } finally {
    dropping = outer
  }
}

/** Drops the share p while training. @throws OptionError there without a random key. */
export function drop(x: Tensor, p: number): Tensor {
  if (!drops(p)) return x
  const { key, site } = nextRandomSite('dropout')
  return dropout(x, key, { p, site })
}

/**
 * What a layer made of x, or x where training leaves the layer out: a share p of the times (LayerDrop, Fan et al. 2019).
 * The layer is computed either way: a plan has no branches.
 */
export function skip(x: Tensor, made: Tensor, p: number): Tensor {
  if (!drops(p)) return made
  const kept = drop(full([1], 1), p).reshape([])
  return where(kept, made, x)
}

/** The same for attention's weights, inside the op. */
export const attentionDropout = (p: number): { dropout?: number; key?: Tensor; site?: number } =>
  drops(p) ? { dropout: p, ...nextRandomSite('dropout of attention') } : {}

/** Whether `drop` changes anything: where it does not, a sum may be fused with the product before it. */
export const drops = (p: number): boolean => dropping && p > 0
