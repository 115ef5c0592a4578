import { ConfigError } from '@tiny/core'
import type { Window } from '../blocks/mixer.js'
import { optional, orNone, size, type Key } from './keys.js'

export type LayerType = 'full_attention' | 'sliding_attention'

const list: Key<readonly string[]> = {
  fallback: [],
  read(value, name) {
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
    throw new ConfigError(`${name} of the configuration must be a list of kinds of layers`, {
      key: name,
      value,
    })
  },
}

/** `layer_types`: what each layer's attention sees. */
export const layerTypesKey = optional(list)

/**
 * The kind of each layer: as the configuration lists them, else as the family's rule says.
 *
 * @throws ConfigError for a list of another length and for kinds that there are not.
 */
export function layerTypesOf(
  given: readonly string[] | undefined,
  layers: number,
  rule: (layer: number) => LayerType,
): readonly LayerType[] {
  if (given === undefined) return Array.from({ length: layers }, (_, layer) => rule(layer))
  if (given.length !== layers) {
    throw new ConfigError(`layer_types lists ${given.length} layers, num_hidden_layers is ${layers}`, {
      key: 'layer_types',
    })
  }
  const unknown = given.find((type) => type !== 'full_attention' && type !== 'sliding_attention')
  if (unknown === undefined) return given as readonly LayerType[]
  throw new ConfigError(
    `layer_types: there is no '${unknown}' here; known are full_attention, sliding_attention`,
    {
      key: 'layer_types',
      value: unknown,
    },
  )
}

/** Refuses layers that shall have a window where there is none. */
export function requireWindow(types: readonly string[] | undefined, window: number | undefined): void {
  if (window !== undefined || types?.includes('sliding_attention') !== true) return
  throw new ConfigError(
    'layer_types has sliding_attention, but use_sliding_window and sliding_window give no window',
    { key: 'layer_types' },
  )
}

/** `sliding_window`: keys that a token of a sliding layer sees, itself included; null means all. */
export const slidingWindowKey = (fallback: number | undefined): Key<number | undefined> =>
  orNone(size<number | undefined>(fallback))

/** What a causal layer of this kind sees: the last `window` keys, the token's own included. */
export const windowOf = (type: LayerType, window: number | undefined): Window | undefined =>
  type === 'sliding_attention' && window !== undefined ? { left: window - 1 } : undefined
