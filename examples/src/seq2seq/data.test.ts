import { expect, it } from 'vitest'
import { readWords, splitWords, stemOf } from './data.js'
import { errorRates } from './metrics.js'

it('joins variants and drops comments, stress and abbreviations', () => {
  const words = readWords({
    read: 'R EH1 D',
    'read(2)': 'R IY1 D # present',
    'read(3)': 'R IY0 D',
    a: 'AH0',
    "'bout": 'B AW1 T',
    'a.m.': 'EY2 EH1 M',
    '3d': 'TH R IY1 D IY2',
  })
  expect(words).toEqual([
    {
      spelling: 'read',
      pronunciations: [
        ['R', 'EH', 'D'],
        ['R', 'IY', 'D'],
      ],
    },
    { spelling: "'bout", pronunciations: [['B', 'AW', 'T']] },
  ])
})

it('keeps plurals and possessives on one side', () => {
  expect(["smith's", "smiths'", 'smiths', 'smith'].map(stemOf)).toEqual(['smith', 'smith', 'smith', 'smith'])
  expect(['gas', 'bus'].map(stemOf)).toEqual(['gas', 'bus'])
  const words = readWords()
  expect(words.length).toBeGreaterThan(100_000)
  const { train, test } = splitWords(words, 1000, 1)
  expect(test.length).toBeGreaterThanOrEqual(1000)
  const known = new Set(train.map(({ spelling }) => stemOf(spelling)))
  expect(test.filter(({ spelling }) => known.has(stemOf(spelling)))).toEqual([])
})

it('counts errors to the nearest pronunciation', () => {
  const right = [
    [
      ['A', 'B', 'C', 'D'],
      ['A', 'B'],
    ],
    [['X', 'Y']],
  ]
  // One phoneme too many beside the second variant; the other word is right.
  const guesses = [
    ['A', 'B', 'E'],
    ['X', 'Y'],
  ]
  expect(errorRates(guesses, right)).toEqual({ phonemes: 1 / 4, words: 1 / 2 })
  expect(() => errorRates([], [])).toThrow(RangeError)
  expect(() => errorRates([['A']], right)).toThrow(RangeError)
})
