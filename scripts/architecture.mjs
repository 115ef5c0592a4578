// The architecture test as a command: prints file, line and rule of every violation and ends with 1 if there is one.
import { checkArchitecture } from './architecture/check.mjs'
import { root } from './tools.mjs'

const violations = checkArchitecture(root)
for (const { path, line, rule, what } of violations)
  console.error(`${path}:${line}: ${what}\n    rule: ${rule}`)
process.exitCode = violations.length > 0 ? 1 : 0
