// Reading how many test cases passed and failed out of what the test programs print.
import { stripVTControlCharacters } from 'node:util'

/** Sum of doctest's summary lines: `[doctest] test cases:  5 |  4 passed | 1 failed | 0 skipped`. */
export function countDoctest(output) {
  let passed = 0
  let failed = 0
  const line = /^\[doctest\] test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed/gm
  for (const match of stripVTControlCharacters(output).matchAll(line)) {
    passed += Number(match[1])
    failed += Number(match[2])
  }
  return { passed, failed }
}

/** Of vitest's JSON report: cases, and one failure for each file that could not be loaded. */
export function countVitest(report) {
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  )
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length }
}

/** Rows of `{ passed, failed }`, added up. */
export function total(rows) {
  return {
    passed: rows.reduce((sum, row) => sum + row.passed, 0),
    failed: rows.reduce((sum, row) => sum + row.failed, 0),
  }
}
