import { describe, expect, it } from 'vitest'
import { familyOf, modelTypes } from '../registry.js'
import { configText } from './floats.js'
import { toSnake, type Key } from './keys.js'

describe('files for Python', () => {
  it('spell floating-point numbers as such, integers as integers, at any depth', () => {
    const config = {
      attention_dropout: 0,
      encoder_layerdrop: -0,
      hidden_size: 2,
      layer_norm_eps: 1e-7,
      rope_parameters: {
        factor: 8,
        rope_theta: 10000,
        original_max_position_embeddings: 8,
        rope_type: 'linear',
      },
      short_factor: [1, 1.5],
      time_step_limit: [0, Infinity],
      my_list: [1, [], {}, null, true, 'a "b"'],
      final_logit_softcapping: null,
      missing: undefined,
    }
    const text = configText(config)
    for (const part of [
      '"attention_dropout": 0.0,',
      '"encoder_layerdrop": 0.0,',
      '"hidden_size": 2,',
      '"layer_norm_eps": 1e-7,',
      '"factor": 8.0,',
      '"rope_theta": 10000.0,',
      '"original_max_position_embeddings": 8,',
      '"short_factor": [\n    1.0,\n    1.5\n  ]',
      '"__float__": "Infinity"',
    ]) {
      expect(text).toContain(part)
    }
    const { time_step_limit, ...rest } = JSON.parse(text) as typeof config
    expect(time_step_limit).toEqual([0, { __float__: 'Infinity' }])
    const { time_step_limit: _, missing: __, ...given } = config
    expect(rest).toEqual({ ...given, encoder_layerdrop: 0 })
  })

  it('know every floating-point key of every family', async () => {
    const unknown = new Set<string>()
    for (const modelType of modelTypes()) {
      const { schema } = await familyOf(modelType, 'this test')
      for (const [name, key] of Object.entries(schema.keys)) {
        const written = configText({ [toSnake(name)]: 1 })
        if (takesHalf(key) && !written.includes('1.0')) unknown.add(toSnake(name))
      }
    }
    // Integers in transformers.
    expect([...unknown].sort()).toEqual(['query_pre_attn_scalar', 'sparse_pred_ignore_index'])
  })

  it('are laid out like JSON.stringify', () => {
    const value = { a: [], b: {}, c: [{ d: 1 }, [2]], e: { f: null } }
    expect(configText(value)).toBe(`${JSON.stringify(value, undefined, 2)}\n`)
  })
})

function takesHalf(key: Key<unknown>): boolean {
  try {
    return key.read(0.5, 'key') === 0.5
  } catch {
    return false
  }
}
