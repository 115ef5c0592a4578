import { memory } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import * as auto from './auto.js'
import { GenerativeModel } from './generation/generative-model.js'
import type { ModelInputs } from './inputs/pack.js'
import type { PreTrainedModel } from './model.js'
import { packTrainingBatch } from './training.js'

const bert = {
  model_type: 'bert',
  vocab_size: 30,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 24,
}
const gpt2 = { model_type: 'gpt2', vocab_size: 30, n_embd: 16, n_layer: 1, n_head: 2 }
const t5 = {
  model_type: 't5',
  vocab_size: 30,
  d_model: 16,
  d_kv: 8,
  d_ff: 24,
  num_layers: 1,
  num_heads: 2,
  decoder_start_token_id: 0,
}
const inputIds = [[4, 5, 6], [7]]
const families = [
  ['BERT', auto.AutoModelForMaskedLM, bert],
  ['GPT-2', auto.AutoModelForCausalLM, gpt2],
  ['T5', auto.AutoModelForSeq2SeqLM, t5],
] as const

describe('disposal', () => {
  it.each(families)('of %s gives all memory back', async (_, AutoClass, config) => {
    const before = memory.stats().live
    const model = await AutoClass.fromConfig(config)
    await model.run({ inputIds, labels: inputIds }, { outputHiddenStates: true, outputAttentions: true })
    if (model instanceof GenerativeModel) await model.generate({ inputIds }, { maxNewTokens: 3 })
    expect(memory.stats().live).toBeGreaterThan(before)
    await model.dispose()
    // Arrays of results count until they are collected; weights, plans and tables are more than a kilobyte.
    expect(memory.stats().live - before).toBeLessThan(1000)
  })

  it('waits for work of others, and tells them', async () => {
    const model = await auto.AutoModelForMaskedLM.fromConfig(bert)
    const events: string[] = []
    let finish = (): void => {}
    const work = new Promise<void>((resolve) => (finish = resolve)).then(() => void events.push('work'))
    void model.track(work)
    model.onDispose(() => events.push('released'))
    const disposed = model.dispose().then(() => events.push('disposed'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(events).toEqual([])
    finish()
    await disposed
    await model.dispose()
    expect(events).toEqual(['work', 'released', 'disposed'])
    const batch = { inputIds, labels: inputIds }
    expect(() => packTrainingBatch(model, batch)).toThrow(expect.objectContaining({ code: 'DISPOSED' }))
  })
})

describe('what callers without types hand over', () => {
  const refused = async (call: (model: PreTrainedModel) => Promise<unknown>) => {
    await using model = await auto.AutoModelForMaskedLM.fromConfig(bert)
    return call(model).then(
      () => undefined,
      (error: unknown) => error,
    )
  }

  it.each([
    ['inputs', (model: PreTrainedModel) => model.run(null as never)],
    ['no inputs', (model: PreTrainedModel) => model.run(undefined as never)],
    ['options', (model: PreTrainedModel) => model.run({ inputIds }, null as never)],
    ['a flag', (model: PreTrainedModel) => model.run({ inputIds }, { outputHiddenStates: 'yes' as never })],
    ['a signal', (model: PreTrainedModel) => model.run({ inputIds }, { signal: {} as never })],
    ['labels', (model: PreTrainedModel) => model.run({ inputIds, labels: 5 as never })],
    ['a folder', (model: PreTrainedModel) => model.savePretrained(undefined as never)],
  ])('%s that cannot be: refused by name', async (_, call) => {
    expect(await refused(call)).toMatchObject({ code: 'OPTION' })
  })

  it("a tokenizer's result goes in as it is", async () => {
    await using model = await auto.AutoModelForCausalLM.fromConfig(gpt2)
    const encoded = { inputIds, offsets: [], sequenceIds: [], overflowToSampleMapping: [0, 1] }
    const { logits } = await model.run(encoded)
    const plain = await model.run({ inputIds } satisfies ModelInputs)
    expect(logits).toEqual(plain.logits)
    expect((await model.generate(encoded, { maxNewTokens: 2 })).sequences).toHaveLength(2)
  })

  it.each([
    [{ torch_dtype: 'float32' }, 'OPTION', /use dtype/],
    [{ local_files_only: true }, 'OPTION', /localFilesOnly/],
    [{ num_labels: 2 }, 'OPTION', /use numLabels/],
    [{ seed: 1.5 }, 'OPTION', /seed/],
    [{ newHead: 'yes' }, 'OPTION', /newHead/],
  ])('fromPretrained(folder, %j) says what is right', async (options, code, message) => {
    const load = auto.AutoModel.fromPretrained('anywhere', options as never)
    await expect(load).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string })
  })

  it.each([null, undefined, 'bert'])('fromConfig(%s) asks for a configuration', async (config) => {
    await expect(auto.AutoModel.fromConfig(config as never)).rejects.toMatchObject({ code: 'CONFIG' })
  })
})
