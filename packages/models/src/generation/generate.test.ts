import { memory } from '@tiny/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goldenFolder } from '../../test/golden.js'
import { AutoModelForCausalLM, AutoModelForSeq2SeqLM } from '../auto.js'
import { AutoTokenizer, type Tokenizer } from '../tokenizer/index.js'
import type { GenerativeModel } from './generative-model.js'

const gpt2Config = {
  model_type: 'gpt2',
  vocab_size: 60,
  n_embd: 32,
  n_layer: 2,
  n_head: 4,
  n_positions: 700,
  initializer_range: 0.4,
  eos_token_id: null,
}
const t5Config = {
  model_type: 't5',
  vocab_size: 60,
  d_model: 32,
  d_kv: 8,
  d_ff: 64,
  num_layers: 2,
  num_heads: 4,
  decoder_start_token_id: 0,
  eos_token_id: null,
}
const row = (length: number, first: number) =>
  Array.from({ length }, (_, i) => 1 + ((first * (i + 2) + i * i) % 59))
const prompts = [row(3, 5), row(70, 7), row(1, 2), row(20, 11)]

let gpt2: GenerativeModel
let t5: GenerativeModel
let tokenizer: Tokenizer
beforeAll(async () => {
  gpt2 = await AutoModelForCausalLM.fromConfig(gpt2Config, { seed: 8 })
  t5 = await AutoModelForSeq2SeqLM.fromConfig(t5Config, { seed: 9 })
  tokenizer = await AutoTokenizer.fromPretrained(goldenFolder('tokenizers/bpe-roberta'))
})
afterAll(async () => {
  await gpt2.dispose()
  await t5.dispose()
})

/** Greedy tokens by running the whole text anew for each of them. */
async function slowly(model: GenerativeModel, prompt: number[], count: number): Promise<number[]> {
  const pair = model === t5
  const ids = pair ? [0] : [...prompt]
  for (let i = 0; i < count; i++) {
    const inputs = pair ? { inputIds: [prompt], decoderInputIds: [ids] } : { inputIds: [ids] }
    const { data } = (await model.run(inputs, { outputLogits: 'last' })).logits!
    ids.push(data.indexOf(Math.max(...data)))
  }
  return ids
}

describe.each(['gpt2', 't5'])('%s', (name) => {
  const model = () => (name === 'gpt2' ? gpt2 : t5)

  it('writes what running the whole text for every token gives', async () => {
    const { sequences, finishReasons } = await model().generate({ inputIds: prompts }, { maxNewTokens: 12 })
    for (const [s, prompt] of prompts.entries())
      expect(sequences[s]).toEqual(await slowly(model(), prompt, 12))
    expect(finishReasons).toEqual(prompts.map(() => 'length'))
  })

  it('writes the same tokens alone, in company and padded on either side', async () => {
    const { sequences } = await model().generate({ inputIds: prompts }, { maxNewTokens: 30 })
    const made = sequences.map((ids) => ids.slice(-30))
    for (const [s, prompt] of prompts.entries()) {
      const alone = await model().generate({ inputIds: [prompt] }, { maxNewTokens: 30 })
      expect(alone.sequences[0]!.slice(-30)).toEqual(made[s])
    }
    for (const left of [true, false]) {
      const pad = (ids: number[], one: boolean) => {
        const padding = Array.from({ length: 70 - ids.length }, () => 0)
        const values = one ? ids.map(() => 1) : ids
        return left ? [...padding, ...values] : [...values, ...padding]
      }
      const padded = {
        inputIds: prompts.map((ids) => pad(ids, false)),
        attentionMask: prompts.map((ids) => pad(ids, true)),
      }
      const out = await model().generate(padded, { maxNewTokens: 30 })
      expect(out.sequences.map((ids) => ids.slice(-30))).toEqual(made)
      const before = name === 'gpt2' ? padded.inputIds : prompts.map(() => [0])
      expect(out.sequences.map((ids) => ids.slice(0, -30))).toEqual(before)
    }
  })

  it('ends rows at any of the end tokens, and goes on with the others', async () => {
    const { sequences } = await model().generate({ inputIds: prompts }, { maxNewTokens: 40 })
    const made = sequences.map((ids) => ids.slice(-40))
    const ends = [made[0]![2]!, made[3]![5]!]
    const cut = made.map((ids) => {
      const at = ids.findIndex((id) => ends.includes(id))
      return at < 0 ? ids : ids.slice(0, at + 1)
    })
    const out = await model().generate({ inputIds: prompts }, { maxNewTokens: 40, eosTokenId: ends })
    const before = name === 'gpt2' ? prompts.map(({ length }) => length) : prompts.map(() => 1)
    expect(out.sequences.map((ids, s) => ids.slice(before[s]))).toEqual(cut)
    expect(out.finishReasons).toEqual(cut.map((ids) => (ends.includes(ids.at(-1)!) ? 'eos' : 'length')))
    expect(new Set(cut.map(({ length }) => length)).size).toBeGreaterThan(1)
  })

  it('penalises repetitions as a slow loop does, alone and in company', async () => {
    const options = { maxNewTokens: 20, repetitionPenalty: 1.4, noRepeatNgramSize: 2, suppressTokens: [5, 9] }
    const { sequences } = await model().generate({ inputIds: prompts }, options)
    const plain = await model().generate({ inputIds: prompts }, { maxNewTokens: 20 })
    expect(sequences).not.toEqual(plain.sequences)
    for (const [s, prompt] of prompts.entries()) {
      const pair = name === 't5'
      const ids = pair ? [0] : [...prompt]
      while (ids.length < sequences[s]!.length) {
        const inputs = pair ? { inputIds: [prompt], decoderInputIds: [ids] } : { inputIds: [ids] }
        const scores = (await model().run(inputs, { outputLogits: 'last' })).logits!.data
        for (const id of new Set(ids))
          scores[id] =
            scores[id]! < 0 ? Math.fround(scores[id]! * Math.fround(1.4)) : scores[id]! / Math.fround(1.4)
        ids.forEach((id, i) => {
          if (id === ids.at(-1) && i + 1 < ids.length) scores[ids[i + 1]!] = -Infinity
        })
        for (const id of [5, 9]) scores[id] = -Infinity
        ids.push(scores.indexOf(Math.max(...scores)))
      }
      expect(sequences[s]).toEqual(ids)
      const alone = await model().generate({ inputIds: [prompt] }, options)
      expect(alone.sequences[0]).toEqual(ids)
    }
  })

  it('forces the first and the last token', async () => {
    const { sequences } = await model().generate(
      { inputIds: [prompts[2]!, prompts[0]!] },
      { maxNewTokens: 5, forcedBosTokenId: 7, forcedEosTokenId: 11, eosTokenId: [] },
    )
    const made = sequences.map((ids) => ids.slice(-5))
    expect(made.map((ids) => ids.at(-1))).toEqual([11, 11])
    // A decoder's prompt of several tokens is past its first.
    expect(made.map(([first]) => first === 7)).toEqual([true, name === 't5'])
  })

  it('does not end before minNewTokens', async () => {
    const plain = await model().generate({ inputIds: [prompts[0]!] }, { maxNewTokens: 8 })
    const eosTokenId = plain.sequences[0]!.at(-8)!
    const out = await model().generate(
      { inputIds: [prompts[0]!] },
      { maxNewTokens: 8, minNewTokens: 4, eosTokenId },
    )
    expect(out.sequences[0]!.slice(plain.sequences[0]!.length - 8).slice(0, 4)).not.toContain(eosTokenId)
  })

  it('counts maxLength over everything', async () => {
    const { sequences } = await model().generate({ inputIds: [prompts[0]!] }, { maxLength: 10 })
    expect(sequences[0]!.length).toBe(10)
    const standard = await model().generate({ inputIds: [prompts[0]!] })
    expect(standard.sequences[0]!.length).toBe(20 + (name === 'gpt2' ? 3 : 1))
  })

  it.each([{}, { repetitionPenalty: 1.5 }])('frees its cache with %j', async (options) => {
    await model().generate({ inputIds: prompts }, { maxNewTokens: 3, ...options })
    const before = memory.stats().live
    await model().generate({ inputIds: prompts }, { maxNewTokens: 3, ...options })
    // The engine lets go of a last result of some bytes with its next job.
    expect(memory.stats().live).toBeLessThan(before + 1024)
  })
})

describe('the cache', () => {
  it.each([{}, { repetitionPenalty: 1.2 }])(
    'grows beyond what a row begins with, with %j',
    async (options) => {
      const long = await gpt2.generate(
        { inputIds: [prompts[0]!, prompts[2]!] },
        { maxNewTokens: 330, ...options },
      )
      const short = await gpt2.generate(
        { inputIds: [long.sequences[0]!.slice(0, 320)] },
        { maxNewTokens: 13, ...options },
      )
      expect(long.sequences.map(({ length }) => length)).toEqual([333, 331])
      expect(short.sequences[0]).toEqual(long.sequences[0])
    },
  )
})

describe('a model that is disposed of', () => {
  it('waits for a generation, not for a stream that nobody reads', async () => {
    const model = await AutoModelForCausalLM.fromConfig(
      { ...gpt2Config, vocab_size: tokenizer.vocabSize },
      { seed: 3 },
    )
    const stream = model.stream('the cat', { tokenizer, maxNewTokens: 300 })
    await stream.next()
    const generating = model.generate({ inputIds: [[1]] }, { maxNewTokens: 5 })
    await model.dispose()
    expect((await generating).sequences[0]!.length).toBe(6)
    const reading = (async () => {
      for await (const piece of stream) void piece
    })()
    await expect(reading).rejects.toMatchObject({ code: 'DISPOSED' })
  })
})

describe('an abort', () => {
  it.each([{}, { noRepeatNgramSize: 3 }])(
    'rejects with its reason, or gives what there is, with %j',
    async (options) => {
      const reason = new Error('enough')
      const inputs = { inputIds: [prompts[0]!] }
      await expect(
        gpt2.generate(inputs, { ...options, maxNewTokens: 500, signal: AbortSignal.abort(reason) }),
      ).rejects.toBe(reason)
      const timer = new AbortController()
      setTimeout(() => timer.abort(reason), 15)
      await expect(
        gpt2.generate(inputs, { ...options, maxNewTokens: 690, signal: timer.signal }),
      ).rejects.toBe(reason)
      const early = { ...options, signal: AbortSignal.abort(reason), onAbort: 'return' as const }
      expect(await t5.generate(inputs, early)).toEqual({ sequences: [[0]], finishReasons: ['abort'] })
      const later = new AbortController()
      setTimeout(() => later.abort(reason), 15)
      const { sequences, finishReasons } = await gpt2.generate(inputs, {
        ...options,
        maxNewTokens: 690,
        signal: later.signal,
        onAbort: 'return',
      })
      expect(finishReasons).toEqual(['abort'])
      const made = sequences[0]!.length - prompts[0]!.length
      expect(made).toBeLessThan(690)
      expect(
        (await gpt2.generate(inputs, { ...options, maxNewTokens: Math.max(1, made) })).sequences[0]!.slice(
          0,
          made + 3,
        ),
      ).toEqual(sequences[0])
    },
  )
})

describe('prompts that cannot be', () => {
  it('have no start token of a decoder of its own', async () => {
    await expect(gpt2.generate({ inputIds: [[1]] }, { decoderStartTokenId: 1 })).rejects.toMatchObject({
      code: 'OPTION',
      option: 'decoderStartTokenId',
    })
  })

  it.each([
    [
      'beyond the positions',
      { inputIds: [prompts[0]!] },
      { maxNewTokens: 700 },
      { code: 'OPTION', option: 'maxNewTokens', maxPositions: 700 },
    ],
    [
      'as long as maxLength',
      { inputIds: [prompts[1]!] },
      { maxLength: 70 },
      { code: 'OPTION', option: 'maxLength', row: 0 },
    ],
    ['outside the vocabulary', { inputIds: [[1], [60]] }, {}, { code: 'INDEX', row: 1, column: 0, id: 60 }],
    ['empty', { inputIds: [[]] }, {}, { code: 'SHAPE', row: 0 }],
    [
      'an end outside the vocabulary',
      { inputIds: [[1]] },
      { eosTokenId: 60 },
      { code: 'OPTION', option: 'eosTokenId' },
    ],
    ['with labels', { inputIds: [[1]], labels: [[1]] }, {}, { code: 'OPTION' }],
  ])('%s: named', async (_, inputs, options, facts) => {
    await expect(gpt2.generate(inputs as never, options)).rejects.toMatchObject(facts)
  })
})

describe('text', () => {
  let model: GenerativeModel
  beforeAll(async () => {
    model = await AutoModelForCausalLM.fromConfig(
      { ...gpt2Config, vocab_size: tokenizer.vocabSize },
      { seed: 5 },
    )
  })
  afterAll(() => model.dispose())

  it('is streamed piece by piece, and is that of generate', async () => {
    const { sequences } = await model.generate(
      { inputIds: [await tokenizer.encode('the cat')] },
      { maxNewTokens: 40 },
    )
    const expected = await tokenizer.decode(sequences[0]!.slice(-40), { skipSpecialTokens: true })
    let text = ''
    let pieces = 0
    const tokens: number[] = []
    for await (const piece of model.stream('the cat', { tokenizer, maxNewTokens: 40 })) {
      text += piece.text
      tokens.push(...piece.tokenIds)
      pieces++
    }
    expect(text).toBe(expected)
    expect(tokens).toEqual(sequences[0]!.slice(-40).slice(0, tokens.length))
    expect(pieces).toBeGreaterThan(5)
  })

  it('ends at a stop string', async () => {
    const inputs = { inputIds: [await tokenizer.encode('the cat')] }
    const before = inputs.inputIds[0]!.length
    const whole = await model.generate(inputs, { maxNewTokens: 20 })
    const text = await tokenizer.decode(whole.sequences[0]!.slice(before))
    const stop = text.slice(8, 11)
    const { sequences, finishReasons } = await model.generate(inputs, {
      maxNewTokens: 20,
      stopStrings: stop,
      tokenizer,
    })
    const stopped = await tokenizer.decode(sequences[0]!.slice(before))
    expect(finishReasons).toEqual(['stop'])
    expect(stopped).toContain(stop)
    expect(await tokenizer.decode(sequences[0]!.slice(before, -1))).not.toContain(stop)
  })

  it('stops when the loop is left, and gives what there is before it throws for an abort', async () => {
    const live = memory.stats().live
    for await (const piece of model.stream('the cat', { tokenizer, maxNewTokens: 600 }))
      if (piece.text !== '') break
    expect(memory.stats().live).toBeLessThan(live + 1024)
    const controller = new AbortController()
    const reason = new Error('enough')
    const seen: string[] = []
    const reading = (async () => {
      for await (const { text } of model.stream('the cat', {
        tokenizer,
        maxNewTokens: 600,
        signal: controller.signal,
      })) {
        seen.push(text)
        if (seen.length === 3) controller.abort(reason)
      }
    })()
    await expect(reading).rejects.toBe(reason)
    expect(seen.length).toBeGreaterThanOrEqual(3)
  })

  it('needs a text and the tokenizer', async () => {
    const first = (stream: AsyncGenerator<unknown>) => stream.next()
    await expect(
      first(model.stream([{ role: 'user', content: 'x' }] as never, { tokenizer })),
    ).rejects.toThrow(/no chat template/)
    await expect(first(model.stream('x', {} as never))).rejects.toMatchObject({ option: 'tokenizer' })
  })
})
