import { describe, expect, it } from 'vitest'
import { Dim, formatShape } from './dim.js'
import { ShapeError } from './errors.js'

const tokens = Dim.of('tokens')

describe('Dim', () => {
  it.each([
    ['tokens', 'tokens'],
    ['sequences+1', 'sequences + 1'],
    [' 2*tokens - 3 ', '2*tokens - 3'],
    ['1 + tokens + sequences', 'tokens + sequences + 1'],
    ['tokens - tokens', '0'],
    ['-tokens + 4', '-tokens + 4'],
    ['2*3', '6'],
    ['12', '12'],
    [7, '7'],
  ])('reads %s', (size, text) => {
    expect(String(Dim.of(size))).toBe(text)
  })

  it.each(['', 'tokens sequences', 'tokens*2', '2**3', 'a/b', 'tokens +', '1.5', 'ß'])(
    'refuses %j',
    (text) => {
      expect(() => Dim.of(text)).toThrow(ShapeError)
    },
  )

  it('adds, subtracts and scales', () => {
    expect(String(tokens.add(1).mul(3).sub('tokens'))).toBe('2*tokens + 3')
    expect(tokens.sub('tokens').symbolic).toBe(false)
    expect(tokens.sub('tokens').value).toBe(0)
    expect(String(new Dim(3).mul(tokens))).toBe('3*tokens')
    expect(tokens.add('sequences').equals('sequences + tokens')).toBe(true)
    expect(tokens.equals(5)).toBe(false)
    expect(() => tokens.mul('sequences')).toThrow('no affine form')
  })

  it('binds to the sizes of a call', () => {
    expect(Dim.of('2*tokens + sequences - 1').bind({ tokens: 5, sequences: 2 })).toBe(11)
    expect(() => tokens.bind({ sequences: 2 })).toThrow("the size 'tokens' was not given")
  })

  it('has no value, order or arithmetic while symbolic', () => {
    expect(() => tokens.value).toThrow(/'tokens' is symbolic inside compile/)
    expect(() => (tokens as unknown as number) > 3).toThrow(ShapeError)
    expect(() => (tokens as unknown as number) + 1).toThrow('use add, sub and mul')
    expect(() => (new Dim(4) as unknown as number) < 5).toThrow(ShapeError)
  })

  it('crosses into native code as a number or a form', () => {
    expect(new Dim(4).toNative()).toBe(4)
    const form = { constant: 1, terms: [['tokens', 2]] as [string, number][] }
    expect(Dim.of('2*tokens+1').toNative()).toEqual(form)
    expect(String(Dim.fromNative(form))).toBe('2*tokens + 1')
    expect(() => new Dim(1.5)).toThrow('must be an integer')
  })

  it('writes shapes as native messages do', () => {
    expect(formatShape([tokens, 768])).toBe('[tokens, 768]')
    expect(formatShape([])).toBe('[]')
  })
})
