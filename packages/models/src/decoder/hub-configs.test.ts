import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { AutoConfig } from '../auto.js'
import { ropeOptions, type RopeConfig } from '../config/rope.js'

// Keys of well-known checkpoints, in older spellings and with leftovers of other code: read without complaint.
const configs = Object.entries(
  JSON.parse(readFileSync(new URL('../../test/hub-configs.json', import.meta.url), 'utf8')) as Record<
    string,
    Record<string, unknown>
  >,
)
const usual = {
  initializer_range: 0.02,
  use_cache: true,
  torch_dtype: 'bfloat16',
  transformers_version: '4.40.0',
}

it.each(configs)('%s is read as it is', async (_, json) => {
  const config = await AutoConfig.fromConfig({ ...usual, ...json })
  expect(config.toJSON()).toMatchObject(json)
  const view = config as unknown as RopeConfig & { hiddenSize: number; numAttentionHeads: number }
  expect(view.ropeTheta).toBe(json['rope_theta'])
  const { frequencies } = ropeOptions(view, {
    headDim: view.hiddenSize / view.numAttentionHeads,
    partial: 1,
  })
  expect(frequencies.every((frequency) => frequency > 0 && frequency <= 1)).toBe(true)
})
