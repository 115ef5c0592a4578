import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { classFor, converted, families, fresh, inputs, logitsOf, source } from '../../test/seq2seq-models.js'
import * as auto from '../auto.js'
import type { GenerativeModel } from '../generation/generative-model.js'
import { familyOf } from '../registry.js'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'tiny-seq2seq-'))))
afterAll(() => rm(folder, { recursive: true }))

describe.each(Object.entries(families))('%s', (modelType, { classes }) => {
  it('has the classes of transformers', async () => {
    expect((await familyOf(modelType, 'this test')).classes).toEqual(classes)
  })

  it.each(Object.keys(classes))('runs, saves and loads again: %s', async (task) => {
    await using model = await fresh(task, modelType)
    const { loss, logits, startLogits, lastHiddenState } = await model.run(inputs[task]!)
    const results = [logits, startLogits, lastHiddenState].filter((result) => result !== undefined)
    expect(results).toHaveLength(1)
    expect(loss === undefined || loss > 0).toBe(true)
    const place = await mkdtemp(join(folder, 'saved-'))
    await model.savePretrained(place)
    await using again = await classFor(task).fromPretrained(place)
    expect(again.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
    expect(await again.run(inputs[task]!)).toEqual(await model.run(inputs[task]!))
  })

  it('writes what running the whole text for every token gives', async () => {
    await using model = (await fresh('Seq2SeqLM', modelType, { pad_token_id: 22 })) as GenerativeModel
    const { sequences } = await model.generate(
      { inputIds: source },
      {
        maxNewTokens: 6,
        eosTokenId: [],
        suppressTokens: [22],
        forcedEosTokenId: null,
        encoderNoRepeatNgramSize: 0,
      },
    )
    for (const [row, ids] of sequences.entries()) {
      const decoderInputIds = [ids.slice(0, -1)]
      const { data, shape } = (await model.run({ inputIds: [source[row]!], decoderInputIds })).logits!
      const chosen = decoderInputIds[0]!.map((_, i) => {
        const scores = data.slice(i * shape[2]!, (i + 1) * shape[2]!)
        scores[22] = -Infinity
        return scores.indexOf(Math.max(...scores))
      })
      expect(ids.slice(1)).toEqual(chosen)
    }
  })
})

it.each(['bart', 't5'])('%s gives its body to the class of any other task', async (modelType) => {
  const { classes } = families[modelType]!
  await using model = await fresh('Seq2SeqLM', modelType)
  const place = await converted(folder, model, {})
  for (const task of Object.keys(classes).filter((one) => one !== 'Seq2SeqLM')) {
    await using other = await classFor(task).fromPretrained(place, { newHead: true })
    expect(other.loadReport.drawn.every((name) => /^(class|qa_)/.test(name))).toBe(true)
    const again = await converted(folder, other, {})
    if (['TextEncoding', 'TokenClassification', 'CausalLM'].includes(task)) continue // one of two stacks
    await using back = await auto.AutoModelForSeq2SeqLM.fromPretrained(again)
    expect(await logitsOf(back, 'Seq2SeqLM')).toEqual(await logitsOf(model, 'Seq2SeqLM'))
  }
})
