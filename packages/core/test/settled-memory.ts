import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memory } from '../src/memory.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Live bytes once the garbage of earlier tests is gone, so that a collection in between cannot change the count. */
export async function settledMemory(): Promise<number> {
  for (let i = 0; i < 2; i++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return memory.stats().live
}
