// Loads the core's binary alone and keeps the engine busy, as a worker or as a process of its own. How it then ends is
// its workerData or first argument.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parentPort, Worker, workerData } from 'node:worker_threads'

const self = fileURLToPath(import.meta.url)
const load = () =>
  createRequire(import.meta.url)('node-gyp-build')(fileURLToPath(new URL('..', import.meta.url)))

/** Some seconds of matrix products, by hand and compiled, with a variable that every call writes. */
function occupy(native) {
  const ones = () => native.apply('full', [], { shape: [256, 256], value: 1 / 256, dtype: 'float32' })[0]
  let product = ones()
  for (let i = 0; i < 2000; i++) product = native.apply('matmul', [product, ones()], {})[0]
  const settled = [native.read(product)]

  const state = native.createVariable('state', 'float32', [256, 256], null)
  native.beginTrace()
  const x = native.placeholder(0, 'float32', [256, 256])
  const [sum] = native.apply('add', [native.apply('matmul', [x, state], {})[0], x], {})
  native.apply('assign', [state, sum], {})
  const plan = native.endTrace([sum, sum], ['host', 'native'])
  const data = new Float32Array(256 * 256)
  for (let i = 0; i < 20; i++) settled.push(native.run(plan, [data], {}, null).done)
  for (const promise of settled) promise.catch(() => {})
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 30))

const endings = {
  /** Waits to be terminated, with work queued. */
  async wait() {
    occupy(load())
    parentPort.postMessage('busy')
  },
  /** The same, while JavaScript never comes to rest. */
  async spin() {
    const native = load()
    occupy(native)
    parentPort.postMessage('busy')
    for (;;) native.apply('full', [], { shape: [4], value: 0, dtype: 'float32' })
  },
  async exit() {
    occupy(load())
    await soon()
    process.exit(7)
  },
  async 'exit-at-once'() {
    occupy(load())
    process.exit(7)
  },
  async throw() {
    occupy(load())
    await soon()
    throw new Error('thrown while the engine is busy')
  },
  /** Pending work keeps the process alive until it is done; an engine that was used does not. */
  async finish() {
    const native = load()
    const [sum] = native.apply('full', [], { shape: [1], value: 3, dtype: 'float32' })
    native.read(sum).then(([value]) => console.log(`read ${value}`))
  },
  /** A process in which only a worker ever loads the binary, and ends; then another one does. */
  async 'worker-only'() {
    for (let i = 0; i < 2; i++) {
      const worker = new Worker(self, { workerData: 'wait' })
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
      await worker.terminate()
    }
    await soon()
    console.log(`live ${load().memoryStats().live}`)
  },
}

await endings[workerData ?? process.argv[2]]()
