import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { ModelInputs } from '../src/inputs/pack.js'
import { goldenFolder, inputsOf, readGolden, safetensorsBytes, type GoldenTensor } from './golden.js'

// Golden cases of mixtures of experts, and the forms that their files may have.

export const families = [
  'mixtral',
  'granitemoe',
  'granitemoehybrid',
  'qwen2_moe',
  'qwen3_moe',
  'gpt_oss',
  'deepseek_v2',
  'deepseek_v3',
] as const
/** Families whose files have a tensor for each expert, and what they call its matrices. */
export const separate: Readonly<Record<string, readonly [gate: string, up: string, down: string]>> = {
  mixtral: ['w1', 'w3', 'w2'],
  qwen2_moe: ['gate_proj', 'up_proj', 'down_proj'],
  qwen3_moe: ['gate_proj', 'up_proj', 'down_proj'],
  deepseek_v2: ['gate_proj', 'up_proj', 'down_proj'],
  deepseek_v3: ['gate_proj', 'up_proj', 'down_proj'],
}

export type Tensors = Record<string, GoldenTensor>
export type Config = Record<string, unknown>
export const folderOf = (family: string) => goldenFolder(`decoder/${family}`)
export const readConfig = (family: string) =>
  JSON.parse(readFileSync(`${folderOf(family)}/config.json`, 'utf8')) as Config
export const tensorsOf = (folder: string): Tensors => readGolden(`${folder}/model.safetensors`)
export const inputs = (family: string) =>
  inputsOf(readGolden(`${folderOf(family)}/expected.safetensors`)) as unknown as ModelInputs

const temporary = mkdtempSync(join(tmpdir(), 'tiny-experts-'))
afterAll(() => rmSync(temporary, { recursive: true }))

/** An empty folder, which is gone after the tests. */
export const emptyFolder = (): string => mkdtempSync(join(temporary, 'folder-'))

/** A folder with this configuration and these tensors. */
export function write(config: Config, tensors: Tensors): string {
  const folder = emptyFolder()
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  writeFileSync(join(folder, 'model.safetensors'), safetensorsBytes(tensors))
  return folder
}

/** Matrices of one shape as a stack; each of several parts, so that gates and ups stand below one another. */
function stack(parts: readonly GoldenTensor[][]): GoldenTensor {
  const [rows, width] = parts[0]![0]!.shape as [number, number]
  const data = parts.flatMap((matrices) => matrices.flatMap(({ data: values }) => [...values]))
  return { shape: [parts.length, rows * parts[0]!.length, width], data: Float32Array.from(data) }
}

/** The tensors of a file under the names, and in the form, that the modules of transformers 5 have. */
export function stacked(family: string, tensors: Readonly<Record<string, GoldenTensor>>): Tensors {
  const [gate, up, down] = separate[family]!
  const found: Tensors = {}
  for (const [name, value] of Object.entries(tensors)) {
    const own = name.replace('block_sparse_moe', 'mlp')
    const match = /^(.*\.experts)\.0\.(.*)\.weight$/.exec(name)
    if (match === null && !/\.experts\.\d+\./.test(name)) found[own] = value
    if (match?.[2] !== gate && match?.[2] !== down) continue
    const parts: GoldenTensor[][] = []
    for (let e = 0; tensors[`${match[1]}.${e}.${gate}.weight`] !== undefined; e++) {
      const names = match[2] === gate ? [gate, up] : [down]
      parts.push(names.map((part) => tensors[`${match[1]}.${e}.${part}.weight`]!))
    }
    const to = match[2] === gate ? 'gate_up_proj' : 'down_proj'
    found[`${match[1]!.replace('block_sparse_moe', 'mlp')}.${to}`] = stack(parts)
  }
  return found
}
