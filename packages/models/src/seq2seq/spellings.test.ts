import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { converted, fresh, inputs, logitsOf, type Tensors } from '../../test/seq2seq-models.js'
import * as auto from '../auto.js'
import type { PreTrainedModel } from '../model.js'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'tiny-seq2seq-'))))
afterAll(() => rm(folder, { recursive: true }))

const loaded = (place: string) => auto.AutoModelForSeq2SeqLM.fromPretrained(place)
const namesOf = (model: PreTrainedModel) => [...model.namedParameters()].map(([name]) => name)

describe.each([
  ['bart', 'model.'],
  ['t5', ''],
])('tables of tokens of %s', (modelType, prefix) => {
  const shared = `${prefix}shared.weight`
  const side = (name: string) => `${prefix}${name}.embed_tokens.weight`
  const moved = (tensors: Tensors, by: number) => ({
    shape: tensors[shared]!.shape,
    data: Float32Array.from(tensors[shared]!.data, (x) => x + by),
  })

  it('that repeat the shared one are the shared one', async () => {
    await using model = await fresh('Seq2SeqLM', modelType)
    const place = await converted(folder, model, {}, (tensors) => ({
      ...tensors,
      [side('encoder')]: tensors[shared]!,
      [side('decoder')]: tensors[shared]!,
    }))
    await using again = await loaded(place)
    expect(namesOf(again)).toEqual(namesOf(model))
    expect(again.loadReport.unread).toEqual([])
  })

  it.each(['encoder', 'decoder'])('that differ are the %s’s own', async (name) => {
    await using model = await fresh('Seq2SeqLM', modelType)
    const place = await converted(folder, model, {}, (tensors) => ({
      ...tensors,
      [side(name)]: moved(tensors, 0.5),
    }))
    await using apart = await loaded(place)
    expect(namesOf(apart).filter((one) => /shared|embed_tokens|lm_head/.test(one))).toEqual([
      shared,
      side(name),
    ])
    // The other side still reads the shared table, and so does the head.
    const other = name === 'encoder' ? 'decoder' : 'encoder'
    const swapped = await converted(folder, apart, {}, (tensors) => ({
      ...tensors,
      [shared]: tensors[side(name)]!,
      [side(other)]: tensors[shared]!,
      'lm_head.weight': tensors[shared]!,
      [side(name)]: tensors[side(name)]!,
    }))
    await using same = await loaded(swapped)
    expect(await logitsOf(same, 'Seq2SeqLM')).toEqual(await logitsOf(apart, 'Seq2SeqLM'))
    expect(await logitsOf(apart, 'Seq2SeqLM')).not.toEqual(await logitsOf(model, 'Seq2SeqLM'))
    await using back = await loaded(await converted(folder, apart, {}))
    expect(await logitsOf(back, 'Seq2SeqLM')).toEqual(await logitsOf(apart, 'Seq2SeqLM'))
  })
})

describe('T5', () => {
  it('reads the activation and the gate that a file names beside feed_forward_proj', async () => {
    await using gated = await fresh('Seq2SeqLM', 't5', { feed_forward_proj: 'gated-silu' })
    const changes = { feed_forward_proj: 'relu', dense_act_fn: 'silu', is_gated_act: true }
    await using same = await loaded(await converted(folder, gated, changes))
    expect(await logitsOf(same, 'Seq2SeqLM')).toEqual(await logitsOf(gated, 'Seq2SeqLM'))
    await using other = await loaded(await converted(folder, gated, { dense_act_fn: 'relu' }))
    expect(await logitsOf(other, 'Seq2SeqLM')).not.toEqual(await logitsOf(gated, 'Seq2SeqLM'))
  })
})

describe('what generation begins with', () => {
  it('is what config.json says where there is no generation_config.json, without defaults', async () => {
    await using model = await fresh('Seq2SeqLM', 'bart')
    expect(model.generationConfig).toMatchObject({ forced_eos_token_id: 2 })
    const place = await converted(folder, model, { no_repeat_ngram_size: 3 })
    await rm(join(place, 'generation_config.json'))
    await using again = await loaded(place)
    expect(again.generationConfig).toMatchObject({ no_repeat_ngram_size: 3, decoder_start_token_id: 2 })
    expect(again.generationConfig).not.toHaveProperty('forced_eos_token_id')
    const config = JSON.parse(await readFile(join(place, 'config.json'), 'utf8')) as object
    await writeFile(join(place, 'config.json'), JSON.stringify({ ...config, forced_eos_token_id: 9 }))
    await using forced = await loaded(place)
    const { sequences } = await forced.generate({ inputIds: inputs['Seq2SeqLM']!.inputIds as number[][] })
    expect(sequences.every((row) => row.at(-1) === 9 || row.at(-1) === 2)).toBe(true)
  })
})
