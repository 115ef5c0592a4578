import { describe, expect, it } from 'vitest'
import { createConfig } from '../config/config.js'
import { gpt2 } from '../decoder/gpt2.js'
import { readSettings, type GenerateOptions } from './options.js'

const config = createConfig(gpt2.schema, { eos_token_id: 7 })
const read = (options: object | null = {}, file: Record<string, unknown> = {}) =>
  readSettings(options as GenerateOptions, file, config, 40)

describe('options', () => {
  it('stand over the file; the configuration names no end', () => {
    expect(read()).toMatchObject({
      maxNewTokens: undefined,
      eosTokenIds: [],
      processors: { minNewTokens: 0, repetitionPenalty: 1, badWordsIds: [] },
      onAbort: 'reject',
    })
    expect(read({}, { max_new_tokens: 9, eos_token_id: [1, 2] })).toMatchObject({
      maxNewTokens: 9,
      eosTokenIds: [1, 2],
    })
    expect(read({ maxNewTokens: 3, eosTokenId: [] }, { max_new_tokens: 9, eos_token_id: 1 })).toMatchObject({
      maxNewTokens: 3,
      eosTokenIds: [],
    })
    expect(read({ maxLength: 5 }, { max_new_tokens: 9 })).toMatchObject({
      maxNewTokens: undefined,
      maxLength: 5,
    })
  })

  it('forget an end that the vocabulary does not have', () => {
    expect(read({}, { eos_token_id: [3, 50256] }).eosTokenIds).toEqual([3])
  })

  it.each([
    ['doSample', true],
    ['numBeams', 4],
    ['numReturnSequences', 2],
    ['temperature', 0.7],
    ['topK', 5],
    ['guidanceScale', 1.5],
    ['assistantModel', {}],
    ['jsonSchema', {}],
    ['seed', 1],
  ])('%s is not there yet, and says so', (option, value) => {
    expect(() => read({ [option]: value })).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', option }))
  })

  it('that switch such a mode off, or change no greedy choice, are taken', () => {
    expect(() =>
      read({ doSample: false, numBeams: 1, repetitionPenalty: 1, badWordsIds: [], temperature: undefined }),
    ).not.toThrow()
    expect(() => read({ renormalizeLogits: true }, { renormalize_logits: true })).not.toThrow()
  })

  it('of the file that would change the tokens are refused, unless the call says otherwise', () => {
    expect(() => read({}, { do_sample: true })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', option: 'doSample' }),
    )
    expect(() => read({ doSample: false }, { do_sample: true, temperature: 0.6, top_p: 0.9 })).not.toThrow()
    expect(() => read({}, { num_beams: 4 })).toThrow(/generation_config\.json asks for numBeams/)
    expect(() =>
      read({}, { _from_model_config: true, transformers_version: '5', use_cache: true }),
    ).not.toThrow()
  })

  it('that change scores stand over the file, which null switches off', () => {
    const file = {
      eos_token_id: 7,
      repetition_penalty: 1.1,
      forced_bos_token_id: 5,
      bad_words_ids: [[7], [3], [7, 7]],
    }
    expect(read({}, file).processors).toMatchObject({
      repetitionPenalty: 1.1,
      forcedBosTokenId: 5,
      // An end alone is no bad word.
      badWordsIds: [[3], [7, 7]],
    })
    expect(
      read({ repetitionPenalty: 2, forcedBosTokenId: null, badWordsIds: [] }, file).processors,
    ).toMatchObject({ repetitionPenalty: 2, forcedBosTokenId: undefined, badWordsIds: [] })
  })

  it('of the least length are one: minNewTokens, or else minLength', () => {
    expect(read({ minLength: 9 }).processors).toMatchObject({ minLength: 9, minNewTokens: 0 })
    expect(read({ minLength: 9, minNewTokens: 2 }).processors).toMatchObject({
      minLength: 0,
      minNewTokens: 2,
    })
  })

  it.each([
    ['repetitionPenalty', 0],
    ['encoderRepetitionPenalty', -1],
    ['noRepeatNgramSize', 1.5],
    ['badWordsIds', [[]]],
    ['badWordsIds', [[1, 40]]],
    ['sequenceBias', [[1, 2]]],
    ['sequenceBias', [[[40], 2]]],
    ['minLength', -1],
    ['forcedBosTokenId', 40],
    ['forcedEosTokenId', 'x'],
    ['exponentialDecayLengthPenalty', [3]],
    ['suppressTokens', 3],
    ['removeInvalidValues', 1],
  ])('%s cannot be %j', (option, value) => {
    expect(() => read({ [option]: value })).toThrow(expect.objectContaining({ code: 'OPTION', option }))
    const key = option.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    expect(() => read({}, { [key]: value })).toThrow(expect.objectContaining({ code: 'OPTION', option }))
  })

  it.each([
    [{ max_new_tokens: 5 }, /use maxNewTokens/],
    [{ maxNewToken: 5 }, /did you mean maxNewTokens/],
    [{ maxNewTokens: 0 }, /at least 1/],
    [{ maxNewTokens: 1.5 }, /integer/],
    [{ eosTokenId: -1 }, /eosTokenId/],
    [{ eosTokenId: [1, 40] }, /outside the vocabulary of 40/],
    [{ stopStrings: ['a'] }, /tokenizer/],
    [{ onAbort: 'later' }, /onAbort/],
    [{ maxNewTokens: Number.NaN }, /not NaN/],
    [{ eosTokenId: 'x' }, /eosTokenId/],
    [{ stopStrings: [3] }, /stopStrings/],
    [{ signal: {} }, /AbortSignal/],
    [null, /an object of options/],
  ])('%j: %s', (options, message) => {
    expect(() => read(options)).toThrow(message)
  })
})
