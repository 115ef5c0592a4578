// npm test [-- --only cpp,ts --strict --list]: installs, builds, and runs every test leg that this system supports.
//   --only a,b   these legs, or groups: `cpp` is cpp and every cpp-…
//   --strict     a leg that lacks its tool is a failure
//   --list       names the legs
//   --no-build   what is installed and built already is tested
// The last line is `N passed, N failed`, the sum of all test cases over the legs.
import { parseArgs } from 'node:util'
import { total } from './testing/count.mjs'
import { legs } from './testing/legs.mjs'
import { Session } from './testing/session.mjs'
import { build, install } from './tools.mjs'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    strict: { type: 'boolean' },
    list: { type: 'boolean' },
    'no-build': { type: 'boolean' },
  },
})
const wanted = values.only?.split(',')
const unknown = wanted?.filter(
  (name) => !legs.some((leg) => leg.name === name || leg.name.startsWith(`${name}-`)),
)
if (unknown?.length) {
  console.error(`no such leg: ${unknown.join(', ')}; npm test -- --list names them`)
  process.exit(2)
}
const chosen = legs.filter(
  ({ name }) => !wanted || wanted.some((want) => name === want || name.startsWith(`${want}-`)),
)

if (values.list) {
  for (const leg of chosen) console.log(`${leg.name.padEnd(16)} ${leg.about}`)
  process.exit(0)
}

const line = (name, result, note = '') => console.log(`${name.padEnd(16)} ${result.padEnd(26)} ${note}`)
const seconds = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`

async function step(name, work) {
  const start = performance.now()
  const session = new Session(name)
  let row
  try {
    row = await work(session)
  } catch (error) {
    session.write(error.stack)
    row = { passed: 0, failed: 1 }
  }
  const tail = await session.close()
  if (row.failed > 0) console.log(tail)
  line(name, `${row.passed} passed, ${row.failed} failed`, seconds(start))
  return row
}

const rows = []
try {
  if (!values['no-build']) {
    install()
    build()
  }
} catch (error) {
  console.error(error.message)
  line('build', '0 passed, 1 failed')
  rows.push({ passed: 0, failed: 1 })
}

const lacking = []
for (const leg of rows.length > 0 ? [] : chosen) {
  const missing = (leg.needs ?? []).filter((need) => !need.there())
  if (missing.length > 0) {
    lacking.push(leg.name)
    line(leg.name, 'lacking', missing.map((need) => `${need.name}: ${need.get}`).join('; '))
    if (values.strict) rows.push({ passed: 0, failed: 1 })
    continue
  }
  rows.push(await step(leg.name, leg.run))
}

const sum = total(rows)
if (lacking.length > 0) console.log(`not run for want of a tool: ${lacking.join(', ')}`)
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0
console.log(`${sum.passed} passed, ${sum.failed} failed`)
