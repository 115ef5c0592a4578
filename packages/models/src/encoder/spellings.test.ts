import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goldenFolder, readGolden, safetensorsBytes, type GoldenTensor } from '../../test/golden.js'
import { AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification } from '../auto.js'

// How files of these families may be spelled: the same model comes out.
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tiny-spellings-'))
})
afterAll(() => rm(folder, { recursive: true }))

type Tensors = Record<string, GoldenTensor>
const inputs = {
  inputIds: [
    [5, 9, 13, 1],
    [2, 30],
  ],
}
let made = 0

async function variant(
  name: string,
  change: (tensors: Tensors) => Tensors,
  config: Record<string, unknown> = {},
): Promise<string> {
  const to = join(folder, `${made++}`)
  await cp(goldenFolder(`encoder/${name}`), to, { recursive: true })
  const tensors = change(readGolden(join(to, 'model.safetensors')))
  await writeFile(join(to, 'model.safetensors'), safetensorsBytes(tensors))
  const json = JSON.parse(await readFile(join(to, 'config.json'), 'utf8')) as object
  await writeFile(join(to, 'config.json'), JSON.stringify({ ...json, ...config }))
  return to
}

const renamed = (tensors: Tensors, rename: (name: string) => string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]))

async function logitsOf(path: string): Promise<Float32Array> {
  await using model = await AutoModelForMaskedLM.fromPretrained(path)
  expect(model.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
  return (await model.run(inputs)).logits!.data
}

const families = [
  { name: 'albert', prefix: 'albert', decoder: 'predictions.decoder', bias: 'predictions.bias' },
  { name: 'bert', prefix: 'bert', decoder: 'cls.predictions.decoder', bias: 'cls.predictions.bias' },
  { name: 'distilbert', prefix: 'distilbert', decoder: 'vocab_projector', bias: 'vocab_projector.bias' },
  { name: 'electra', prefix: 'electra', decoder: 'generator_lm_head', bias: 'generator_lm_head.bias' },
  { name: 'mpnet', prefix: 'mpnet', decoder: 'lm_head.decoder', bias: 'lm_head.bias' },
  { name: 'roberta', prefix: 'roberta', decoder: 'lm_head.decoder', bias: 'lm_head.bias' },
]

describe.each(families)('$name', ({ name, prefix, decoder, bias }) => {
  const table = `${prefix}.embeddings.word_embeddings.weight`
  const plain = () => logitsOf(goldenFolder(`encoder/${name}`))

  it('loads without and with a prefix too many, and with the norms of older files', async () => {
    const want = await plain()
    for (const rename of [
      (key: string) => key.replace(new RegExp(`^${prefix}\\.`), ''),
      (key: string) => (key.startsWith(`${prefix}.`) ? key : `${prefix}.${key}`),
      (key: string) =>
        key.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
    ]) {
      expect(await logitsOf(await variant(name, (tensors) => renamed(tensors, rename)))).toEqual(want)
    }
  })

  it('loads with the head as another name of the table, or the table as one of the head', async () => {
    const want = await plain()
    const both = await variant(name, (tensors) => ({ ...tensors, [`${decoder}.weight`]: tensors[table]! }))
    const swapped = await variant(name, (tensors) =>
      renamed(tensors, (key) => (key === table ? `${decoder}.weight` : key)),
    )
    const bothBiases = await variant(name, (tensors) => ({ ...tensors, [`${decoder}.bias`]: tensors[bias]! }))
    for (const path of [both, swapped, bothBiases]) expect(await logitsOf(path)).toEqual(want)
  })

  it('reads the decoder that its file has where the weights are not tied', async () => {
    const want = await plain()
    const untied = (tensors: Tensors, own: string): Tensors => ({
      ...tensors,
      [`${decoder}.weight`]: negated(tensors[table]!),
      [own]: negated(tensors[bias]!),
    })
    const path = await variant(name, (tensors) => untied(tensors, `${decoder}.bias`), {
      tie_word_embeddings: false,
    })
    expect([...(await logitsOf(path))]).toEqual([...want].map((x) => (x === 0 ? x : -x)))
    await using model = await AutoModelForMaskedLM.fromPretrained(path)
    const names = [...model.namedParameters()].map(([parameter]) => parameter)
    expect(names).toContain(`${decoder}.weight`)
    expect(names).toContain(`${decoder}.bias`)
    const to = join(folder, `${made++}`)
    await model.savePretrained(to)
    expect(await logitsOf(to)).toEqual(await logitsOf(path))
    // A file that differs in its head is not tied, whatever the configuration says.
    const differs = await variant(name, (tensors) => ({
      ...tensors,
      [`${decoder}.weight`]: negated(tensors[table]!),
      [bias]: negated(tensors[bias]!),
    }))
    expect([...(await logitsOf(differs))]).toEqual([...want].map((x) => (x === 0 ? x : -x)))
  })

  it('gives its body to other models, and saves what was stored', async () => {
    const path = goldenFolder(`encoder/${name}`)
    await using base = await AutoModel.fromPretrained(path)
    expect(base.loadReport.drawn).toEqual([])
    expect((await base.run(inputs)).lastHiddenState!.shape[0]).toBe(2)
    await expect(AutoModelForSequenceClassification.fromPretrained(path)).rejects.toThrow(/lacks the tensor/)
    await using fresh = await AutoModelForSequenceClassification.fromPretrained(path, { numLabels: 3 })
    expect(fresh.loadReport.drawn.length).toBeGreaterThan(0)
    expect((await fresh.run(inputs)).logits!.shape).toEqual([2, 3])
    await using model = await AutoModelForMaskedLM.fromPretrained(path)
    const to = join(folder, `${made++}`)
    await model.savePretrained(to)
    expect(readGolden(join(to, 'model.safetensors'))).toEqual(readGolden(join(path, 'model.safetensors')))
  })
})

const negated = ({ shape, data }: GoldenTensor): GoldenTensor => ({
  shape,
  data: Float32Array.from(data, (x) => -x),
})
