import { describe, expect, it } from 'vitest'
import { countDoctest, countVitest, total } from './count.mjs'

describe('counting test cases', () => {
  it('adds up the summaries of several doctest programs, coloured or not', () => {
    const output = [
      '[doctest] test cases:   5 |   4 passed | 1 failed | 0 skipped',
      '[doctest] assertions: 900 | 899 passed | 1 failed |',
      '\x1b[0;36m[doctest] \x1b[0mtest cases: \x1b[0m 12\x1b[0m | \x1b[0;32m 12 passed\x1b[0m | \x1b[0m0 failed\x1b[0m | 0 skipped',
    ].join('\n')
    expect(countDoctest(output)).toEqual({ passed: 16, failed: 1 })
  })

  it('counts a vitest file that did not load as a failure', () => {
    const report = {
      numPassedTests: 3,
      numFailedTests: 1,
      testResults: [
        { status: 'failed', assertionResults: [{}, {}, {}, {}] },
        { status: 'failed', assertionResults: [] },
      ],
    }
    expect(countVitest(report)).toEqual({ passed: 3, failed: 2 })
  })

  it('adds up legs', () => {
    expect(
      total([
        { passed: 1, failed: 0 },
        { passed: 2, failed: 3 },
      ]),
    ).toEqual({ passed: 3, failed: 3 })
    expect(total([])).toEqual({ passed: 0, failed: 0 })
  })
})
