import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkOptions, OptionError } from '@tiny/core'
import { configText } from './config/floats.js'
import type { PreTrainedModel } from './model.js'
import { saveWeights, shardBytes } from './shards.js'
import { generates } from './task.js'
import type { Tokenizer } from './tokenizer/index.js'

export interface SaveOptions {
  /** Saved beside the model. */
  readonly tokenizer?: Tokenizer | undefined
  /** Bytes of a file at most, or '5GB': larger models are split into shards; default '50GB', as in transformers 5. */
  readonly maxShardSize?: number | string | undefined
}

/** The version whose files these are like; transformers itself writes its own. */
const transformersVersion = '5.17.0'

/** @internal */
export async function saveModel(model: PreTrainedModel, folder: string, options: SaveOptions): Promise<void> {
  checkOptions(options, ['tokenizer', 'maxShardSize'], 'savePretrained')
  const mostBytes = shardBytes(options.maxShardSize)
  if (typeof (folder as unknown) !== 'string') {
    throw new OptionError('savePretrained needs a folder', { argument: 'folder' })
  }
  await mkdir(folder, { recursive: true })
  const stored = (name: string) => model.family.checkpoint.stored?.(name) ?? name
  const tensors = [...model.namedTensors()].map(([name, value]) => [stored(name), value] as const)
  const dtype = tensors[0]?.[1].dtype
  const config = {
    transformers_version: transformersVersion,
    ...model.config.toJSON(),
    architectures: [model.className],
    ...(dtype === undefined ? {} : { dtype }),
  }
  // 'torch_dtype' is the older spelling of 'dtype': one of them only.
  if ('torch_dtype' in config) delete (config as Record<string, unknown>)['torch_dtype']
  await saveWeights(folder, tensors, mostBytes, replaceJson)
  await replaceJson(join(folder, 'config.json'), config)
  if (generates(model.task) && Object.keys(model.generationConfig).length > 0) {
    await replaceJson(join(folder, 'generation_config.json'), model.generationConfig)
  }
  await options.tokenizer?.savePretrained(folder)
}

async function replaceJson(path: string, value: object): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await writeFile(temporary, configText(sorted(value)))
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

// transformers writes keys in alphabetic order.
const sorted = (value: object): object =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
