import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { AutoConfig } from '../auto.js'
import { toCamel } from '../config/keys.js'

// Keys of well-known checkpoints, with leftovers of TensorFlow, of older versions and of other libraries.
const configs = Object.entries(
  JSON.parse(readFileSync(new URL('../../test/hub-encoder-configs.json', import.meta.url), 'utf8')) as Record<
    string,
    Record<string, unknown>
  >,
)

it.each(configs)('%s is read as it is', async (_, json) => {
  const config = await AutoConfig.fromConfig(json)
  expect(config.toJSON()).toEqual(json)
  const labels = json['id2label'] as Record<string, string> | undefined
  expect(config.id2label).toEqual(Object.values(labels ?? { 0: 'LABEL_0', 1: 'LABEL_1' }))
  const view = config as unknown as Record<string, unknown>
  const sizes = [
    'hidden_size',
    'dim',
    'embedding_size',
    'layer_norm_eps',
    'pad_token_id',
    'num_hidden_groups',
  ]
  for (const key of sizes.filter((name) => name in json)) expect(view[toCamel(key)]).toBe(json[key])
})
