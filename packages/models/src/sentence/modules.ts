import { join, relative, sep } from 'node:path'
import { CheckpointError, UnsupportedError } from '@tiny/core'
import { readJson, readJsonList } from '../files.js'
import type { Source } from '../hub/source.js'
import { moduleFiles, moduleLists, transformerFiles } from '../hub/wanted.js'

/** A step of a sentence model, and the folder of its files. */
export interface ModuleEntry {
  readonly kind: ModuleKind
  readonly folder: string
}

const kinds = ['Transformer', 'Pooling', 'Dense', 'LayerNorm', 'Normalize'] as const
export type ModuleKind = (typeof kinds)[number]

/**
 * The steps that modules.json lists: the model first, pooling second, then what is done to the vectors. A folder without
 * modules.json is a model whose tokens are averaged, as sentence-transformers takes it.
 *
 * @throws CheckpointError for another order, UnsupportedError naming a kind of module that there is not.
 */
export async function readModules(folder: string): Promise<readonly ModuleEntry[]> {
  const list = await readJsonList(folder, 'modules.json')
  if (list === undefined) return [{ kind: 'Transformer', folder }]
  const path = join(folder, 'modules.json')
  const entries = list.map((entry): ModuleEntry => {
    const { type, path: within } = entry as { type?: unknown; path?: unknown }
    if (typeof type !== 'string' || typeof within !== 'string') {
      throw new CheckpointError(`${path}: every module has a type and a path`, { path })
    }
    const kind = type.slice(type.lastIndexOf('.') + 1)
    if (!(kinds as readonly string[]).includes(kind)) {
      throw new UnsupportedError(`${path}: there is no module ${kind} yet; known are ${kinds.join(', ')}`, {
        path,
        module: type,
      })
    }
    return { kind: kind as ModuleKind, folder: join(folder, within) }
  })
  const order = entries.map(({ kind }) => kind)
  const later = order.slice(order[1] === 'Pooling' ? 2 : 1)
  if (order[0] !== 'Transformer' || later.includes('Transformer') || later.includes('Pooling')) {
    throw new CheckpointError(`${path} lists ${order.join(', ')}; a Transformer comes first, then Pooling`, {
      path,
      modules: order,
    })
  }
  return entries
}

/** A local folder with the files of every module. */
export async function fetchModules(source: Source, variant?: string): Promise<string> {
  const folder = await source.folder(moduleLists)
  const [transformer, ...others] = (await readModules(folder)).map((module) =>
    relative(folder, module.folder).replaceAll(sep, '/'),
  )
  return source.folder(moduleLists, ...transformerFiles(transformer!, variant), ...others.map(moduleFiles))
}

/** What is in a module's config.json, or nothing. */
export const readModuleConfig = async (folder: string, name = 'config.json') =>
  (await readJson(folder, name)) ?? {}
