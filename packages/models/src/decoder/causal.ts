import { ConfigError } from '@tiny/core'
import type { Key } from '../config/keys.js'

/** What transformers takes of a decoder with `is_causal: false`, and what only dense attention has here. */
export const notCausal = (): ConfigError =>
  new ConfigError('is_causal: false (attention to what follows) is not there for this family', {
    key: 'is_causal',
  })

/** `is_causal`, of families whose attention always is. */
export const alwaysCausal: Key<boolean> = {
  fallback: true,
  read(value) {
    if (value === true) return true
    throw notCausal()
  },
}
