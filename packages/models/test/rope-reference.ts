// Rotary frequencies in float64, from the papers' closed formulas: what config/rope.ts is compared with.

type Parameters = Readonly<Record<string, unknown>>

export interface Frequencies {
  readonly each: readonly number[] // [D / 2]
  readonly scaling: number
}

/** @param length tokens of the sequence, for the types that depend on it. */
export function ropeFrequencies(parameters: Parameters, dim: number, most: number, length = 1): Frequencies {
  const number = (name: string, otherwise = NaN): number =>
    (parameters[name] as number | undefined) ?? otherwise
  const theta = number('rope_theta', 10_000)
  const original = number('original_max_position_embeddings', most)
  const factor = number('factor', most / original)
  const pairs = Array.from({ length: dim / 2 }, (_, i) => i)
  const plain = (base: number) => pairs.map((i) => base ** ((-2 * i) / dim))
  switch (parameters['rope_type'] ?? parameters['type'] ?? 'default') {
    case 'default':
      return { each: plain(theta), scaling: 1 }
    case 'linear':
      return { each: plain(theta).map((f) => f / factor), scaling: 1 }
    case 'dynamic': {
      const stretch = (factor * Math.max(length, most)) / most - (factor - 1)
      return { each: plain(theta * stretch ** (dim / (dim - 2))), scaling: 1 }
    }
    case 'llama3': {
      const [low, high] = [number('low_freq_factor'), number('high_freq_factor')]
      const each = plain(theta).map((f) => {
        // How often a pair turns within the original length, from `low` (interpolated) to `high` (kept).
        const turns = (original * f) / (2 * Math.PI)
        const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)))
        return kept * f + ((1 - kept) * f) / factor
      })
      return { each, scaling: 1 }
    }
    case 'yarn': {
      const at = (turns: number) => (dim * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta))
      const bounds = [at(number('beta_fast', 32)), at(number('beta_slow', 1))] as const
      const whole = parameters['truncate'] !== false
      const low = Math.max(0, whole ? Math.floor(bounds[0]) : bounds[0])
      const top = Math.min(dim - 1, whole ? Math.ceil(bounds[1]) : bounds[1])
      const high = top === low ? top + 0.001 : top
      const each = plain(theta).map((f, i) => {
        const interpolated = Math.min(1, Math.max(0, (i - low) / (high - low)))
        return (interpolated * f) / factor + (1 - interpolated) * f
      })
      const mscale = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)
      const [one, all] = [number('mscale', 0), number('mscale_all_dim', 0)]
      const scaling = one !== 0 && all !== 0 ? mscale(one) / mscale(all) : mscale(1)
      return { each, scaling: number('attention_factor', scaling) }
    }
    case 'longrope': {
      const factors = parameters[length > original ? 'long_factor' : 'short_factor'] as number[]
      const scaling = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original))
      return {
        each: plain(theta).map((f, i) => f / factors[i]!),
        scaling: number('attention_factor', scaling),
      }
    }
    default:
      throw new Error(`no reference for ${JSON.stringify(parameters)}`)
  }
}
