import { describe, expect, it } from 'vitest'
import { OptionError } from './errors.js'
import { hasRandomKey, nextRandomSite, randomKey, withRandomKey } from './random-key.js'
import { Tensor } from './tensor.js'

describe('withRandomKey', () => {
  const key = new Tensor()

  it('numbers the sites of each run from zero', () => {
    const sites = () => withRandomKey(key, () => [nextRandomSite('a'), nextRandomSite('b')])
    expect(sites()).toEqual([
      { key, site: 0 },
      { key, site: 1 },
    ])
    expect(sites()[0]).toEqual({ key, site: 0 })
  })

  it('ends with its function, also when that throws', () => {
    expect(() =>
      withRandomKey(key, () => {
        throw new Error('inside')
      }),
    ).toThrow('inside')
    expect(hasRandomKey()).toBe(false)
    expect(() => nextRandomSite('Dropout')).toThrow(OptionError)
    expect(() => nextRandomSite('Dropout')).toThrow(/Dropout needs a random key/)
  })

  it('nests', () => {
    const inner = new Tensor()
    withRandomKey(key, () => {
      nextRandomSite('a')
      expect(withRandomKey(inner, () => nextRandomSite('b'))).toEqual({ key: inner, site: 0 })
      expect(nextRandomSite('c')).toEqual({ key, site: 1 })
    })
  })

  it('makes keys of seed and step', () => {
    expect(randomKey(7, 3)).toMatchObject({ dtype: 'int32', data: Int32Array.of(7, 3) })
  })
})
