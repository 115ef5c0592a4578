import { compile, editScores, input, type ScoreEdits, type Tensor } from '@tiny/core'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { goldenFolder, readGolden } from '../../test/golden.js'
import { RowProcessors, type ProcessedRow } from './decode-processors.js'
import { readProcessorSettings, type ProcessorOptions, type ProcessorSettings } from './processor-options.js'
import { EditList } from './score-edits.js'

const folder = goldenFolder('processors')
const golden = readGolden(`${folder}/expected.safetensors`)
const cases = JSON.parse(readFileSync(`${folder}/case.json`, 'utf8')) as Record<string, Record<string, never>>
const [rows, vocabSize] = golden['input.scores']!.shape as [number, number]
const length = golden['input.input_ids']!.shape[1]!
const text = (row: number) =>
  Array.from(golden['input.input_ids']!.data).slice(row * length, (row + 1) * length)

const settingsOf = (options: ProcessorOptions, ends: number[] = []): ProcessorSettings =>
  readProcessorSettings((name) => options[name], vocabSize, ends)

const run = compile(({ scores, edits }: { scores: Tensor; edits: ScoreEdits }) => editScores(scores, edits))

const given = input('float32', ['rows', vocabSize], golden['input.scores']!.data as Float32Array)

/** Scores behind `made` new tokens of each text. */
async function process(
  settings: ProcessorSettings,
  made: number,
  row: Partial<ProcessedRow> = {},
): Promise<Float32Array> {
  const edits = new EditList()
  for (let r = 0; r < rows; r++) {
    const all = text(r)
    const before = all.slice(0, all.length - made)
    const processors = new RowProcessors(settings, { before, source: before, limit: 99, vocabSize, ...row })
    for (const id of all.slice(before.length)) processors.push(id)
    processors.write(edits, made)
  }
  const { data } = await run({ scores: given, edits: edits.inputs('rows') })
  return data as Float32Array
}

interface Golden {
  options: ProcessorOptions
  ends?: number[]
  made?: number
  row?: Partial<ProcessedRow>
}

/** How the golden cases, made by transformers' processors one by one, are asked for here. */
const asked: Record<string, (settings: Record<string, never>) => Golden> = {
  repetition_penalty: ({ penalty }) => ({ options: { repetitionPenalty: penalty } }),
  no_repeat_ngram: ({ ngram_size: size }) => ({ options: { noRepeatNgramSize: size } }),
  bad_words: ({ bad_words_ids: badWordsIds, eos_token_id: end }) => ({
    options: { badWordsIds },
    ends: [end],
  }),
  min_length: ({ min_length: minLength, eos_token_id: end }) => ({ options: { minLength }, ends: [end] }),
  min_new_tokens: ({ min_new_tokens: minNewTokens, eos_token_id: end, prompt_length_to_skip: prompt }) => ({
    options: { minNewTokens },
    ends: [end],
    made: length - prompt,
  }),
  forced_bos: ({ bos_token_id: forcedBosTokenId }) => ({ options: { forcedBosTokenId } }),
  forced_eos: ({ max_length: most, eos_token_id: forcedEosTokenId }) => ({
    options: { forcedEosTokenId },
    made: 4,
    row: { limit: most - (length - 4) },
  }),
  sequence_bias: ({ sequence_bias: sequenceBias }) => ({ options: { sequenceBias } }),
  suppress: ({ suppress_tokens: suppressTokens }) => ({ options: { suppressTokens } }),
  begin_suppress: ({ begin_suppress_tokens: beginSuppressTokens }) => ({ options: { beginSuppressTokens } }),
  exponential_decay_length: (settings) => ({
    options: { exponentialDecayLengthPenalty: settings['exponential_decay_length_penalty'] },
    ends: [settings['eos_token_id']!],
    made: length - settings['input_ids_seq_length']!,
  }),
  encoder_repetition: ({ penalty }) => ({ options: { encoderRepetitionPenalty: penalty } }),
  encoder_no_repeat_ngram: ({ encoder_ngram_size: size }) => ({
    options: { encoderNoRepeatNgramSize: size },
  }),
}

describe('processors', () => {
  it.each(Object.keys(asked))('%s changes scores as transformers does', async (name) => {
    const settings = cases[name]!
    const { options, ends, made = 0, row } = asked[name]!(settings)
    const sources = settings['encoder_input_ids'] as number[][] | undefined
    const want = golden[`out.${name}`]!.data as Float32Array
    for (let r = 0; r < (sources ? rows : 1); r++) {
      const got = await process(settingsOf(options, ends), made, {
        ...row,
        ...(sources && { source: sources[r] }),
      })
      const [from, to] = sources ? [r * vocabSize, (r + 1) * vocabSize] : [0, rows * vocabSize]
      expect(got.subarray(from, to)).toEqual(want.subarray(from, to))
    }
  })

  it('work in the order of transformers', async () => {
    const scores = golden['input.scores']!.data as Float32Array
    const seen = text(0)[0]!
    const chained = await process(
      settingsOf({
        sequenceBias: [[[seen], 3]],
        repetitionPenalty: 2,
        forcedBosTokenId: 4,
        removeInvalidValues: true,
        suppressTokens: [4],
      }),
      0,
      { before: [] },
    )
    // Nothing is forced before the first token.
    expect(chained[seen]).toBe(Math.fround(Math.fround(scores[seen]! + 3)))
    expect(chained[4]).toBe(-Infinity)
    const begun = await process(settingsOf({ forcedBosTokenId: 4, removeInvalidValues: true }), 0, {
      before: [seen],
    })
    // What was forbidden is cleaned afterwards.
    expect([begun[4], begun[5]]).toEqual([0, Math.fround(-3.4028234663852886e38)])
    const biased = await process(settingsOf({ sequenceBias: [[[seen], 3]], repetitionPenalty: 2 }), 0, {
      before: [seen],
    })
    const sum = Math.fround(scores[seen]! + 3)
    expect(biased[seen]).toBe(sum < 0 ? Math.fround(sum * 2) : Math.fround(sum / 2))
  })

  it('say whether they have to wait for the tokens before', () => {
    const waits = (options: ProcessorOptions) =>
      new RowProcessors(settingsOf(options, [1]), { before: [3], source: [3], limit: 9, vocabSize }).remembers
    expect(
      waits({ minNewTokens: 3, suppressTokens: [2], sequenceBias: [[[2], 1]], forcedBosTokenId: 2 }),
    ).toBe(false)
    for (const options of [
      { repetitionPenalty: 1.1 },
      { noRepeatNgramSize: 2 },
      { badWordsIds: [[2, 3]] },
      { encoderNoRepeatNgramSize: 2 },
    ]) {
      expect(waits(options)).toBe(true)
    }
    expect(new RowProcessors(settingsOf({}), { before: [3], source: [3], limit: 9, vocabSize }).any).toBe(
      false,
    )
  })

  it('forbid a sequence only behind a text that is longer than its beginning, as transformers does', async () => {
    const [first, second] = text(0)
    const settings = settingsOf({ badWordsIds: [[first!, second!]] })
    const banned = async (before: number[]) => (await process(settings, 0, { before }))[second!] === -Infinity
    expect(await banned([first!])).toBe(false)
    expect(await banned([second!, first!])).toBe(true)
    expect(await banned([first!, second!])).toBe(false)
  })
})
