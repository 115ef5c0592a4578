import { describe, expect, it } from 'vitest'
import { OptionError } from './errors.js'
import { checkOptions, nearestName } from './options.js'

const allowed = ['maxNewTokens', 'doSample', 'temperature', 'topK']
const refusal = (option: string): unknown => {
  try {
    checkOptions({ temperature: 1, [option]: 1 }, allowed, 'generate')
  } catch (error) {
    return error
  }
  return undefined
}

describe('checkOptions', () => {
  it('takes what is allowed', () => {
    expect(() => checkOptions({ maxNewTokens: 3, topK: undefined }, allowed, 'generate')).not.toThrow()
  })

  it("answers Python's spelling with the right one", () => {
    expect(refusal('max_new_tokens')).toMatchObject({
      code: 'OPTION',
      option: 'max_new_tokens',
      where: 'generate',
      message: "generate has no option 'max_new_tokens': use maxNewTokens",
    })
    expect(refusal('top_k')).toMatchObject({ message: expect.stringContaining('use topK') })
  })

  it('suggests the nearest, in either spelling', () => {
    expect(refusal('temprature')).toMatchObject({
      message: expect.stringContaining('did you mean temperature?'),
    })
    expect(refusal('max_newtokens')).toMatchObject({
      message: expect.stringContaining('did you mean maxNewTokens?'),
    })
  })

  it('lists what there is where nothing is near', () => {
    expect(refusal('banana')).toBeInstanceOf(OptionError)
    expect(refusal('banana')).toMatchObject({
      message: expect.stringContaining('it takes maxNewTokens, doSample'),
    })
    expect(() => checkOptions({ x: 1 }, [], 'nothing')).toThrow('it takes none')
  })
})

describe('what is no object', () => {
  it.each([null, undefined, 3, 'maxNewTokens'])('%s is refused', (options) => {
    expect(() => checkOptions(options as never, allowed, 'generate')).toThrow(OptionError)
  })
})

describe('nearestName', () => {
  it('finds names a few edits away and no others', () => {
    expect(nearestName('encoder.layer.0.query', ['encoder.layer.0.key', 'encoder.layers.0.query'])).toBe(
      'encoder.layers.0.query',
    )
    expect(nearestName('a', ['b'])).toBe('b')
    expect(nearestName('bias', ['weight'])).toBeUndefined()
    expect(nearestName('bias', [])).toBeUndefined()
  })
})
