import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readJson, readJsonList } from './files.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tiny-files-'))
})
afterAll(() => rm(folder, { recursive: true }))

const read = async (text: string) => {
  await writeFile(join(folder, 'config.json'), text)
  return readJson(folder, 'config.json')
}

describe('JSON files', () => {
  it('may have the infinities and NaN that Python writes; strings stay as they are', async () => {
    expect(
      await read(String.raw`{ "limit": [0.0, Infinity, -Infinity, NaN], "a \"NaN\" b": "Infinity" }`),
    ).toEqual({
      limit: [0, { __float__: 'Infinity' }, { __float__: '-Infinity' }, { __float__: 'NaN' }],
      'a "NaN" b': 'Infinity',
    })
  })

  it('are named where they are not there, no JSON, or something else', async () => {
    expect(await readJson(folder, 'missing.json')).toBeUndefined()
    expect(await readJsonList(folder, 'missing.json')).toBeUndefined()
    await expect(read('{ "a": }')).rejects.toThrow(/config\.json is not JSON/)
    await expect(read('[1]')).rejects.toThrow(/config\.json must hold an object/)
    await expect(readJsonList(folder, 'config.json')).rejects.toThrow(/must hold a list of objects/)
  })
})
