import { OptionError } from './errors.js'
import { Input } from './input.js'
import type { Tensor } from './tensor.js'

interface Scope {
  key: Tensor
  sites: number
}

let scope: Scope | undefined

/** The random key of a call, int32 [2]: the same seed and step give the same numbers. */
export function randomKey(seed: number, step: number): Input {
  return new Input('int32', [2], Int32Array.of(seed, step))
}

/**
 * Gives the random ops inside `fn` their key, int32 [2]. Each takes the next site, in the order in which they are
 * built: no two draw the same numbers, and a second run with the same key draws what the first did.
 */
export function withRandomKey<T>(key: Tensor, fn: () => T): T {
  const outer = scope
  scope = { key, sites: 0 }
  try {
    return fn()
  } finally {
    scope = outer
  }
}

/** Key and site for one random op. @throws OptionError outside `withRandomKey`. */
export function nextRandomSite(what: string): { key: Tensor; site: number } {
  if (scope !== undefined) return { key: scope.key, site: scope.sites++ }
  throw new OptionError(
    `${what} needs a random key: call the model inside withRandomKey(key, fn), or eval() it first`,
  )
}

/** Whether a random key is in force. */
export const hasRandomKey = (): boolean => scope !== undefined
