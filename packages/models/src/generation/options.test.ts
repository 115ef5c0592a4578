import { describe, expect, it } from 'vitest'
import { createConfig } from '../config/config.js'
import { gpt2 } from '../decoder/gpt2.js'
import { readSettings, type GenerateOptions } from './options.js'

const config = createConfig(gpt2.schema, { eos_token_id: 7 })
const read = (options: object | null = {}, file: Record<string, unknown> = {}) =>
  readSettings(options as GenerateOptions, file, config, 40)

describe('options', () => {
  it('stand over the file, which stands over the configuration', () => {
    expect(read()).toMatchObject({
      maxNewTokens: undefined,
      eosTokenIds: [7],
      minNewTokens: 0,
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
    ['repetitionPenalty', 1.3],
    ['noRepeatNgramSize', 2],
    ['badWordsIds', [[1]]],
    ['assistantModel', {}],
    ['jsonSchema', {}],
    ['seed', 1],
  ])('%s is not there yet, and says so', (option, value) => {
    expect(() => read({ [option]: value })).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', option }))
  })

  it('that switch such a mode off are taken', () => {
    expect(() =>
      read({ doSample: false, numBeams: 1, repetitionPenalty: 1, badWordsIds: [], temperature: undefined }),
    ).not.toThrow()
  })

  it('of the file that would change the tokens are refused, unless the call says otherwise', () => {
    expect(() => read({}, { do_sample: true })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', option: 'doSample' }),
    )
    expect(() => read({ doSample: false }, { do_sample: true, temperature: 0.6, top_p: 0.9 })).not.toThrow()
    expect(() => read({}, { repetition_penalty: 1.1 })).toThrow(
      /generation_config\.json asks for repetitionPenalty/,
    )
    expect(() =>
      read({}, { _from_model_config: true, transformers_version: '5', use_cache: true }),
    ).not.toThrow()
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
