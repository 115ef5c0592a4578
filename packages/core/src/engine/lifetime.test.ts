import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, it } from 'vitest'
import { evaluate, memory, tensor } from '../index.js'
import { settledMemory } from '../../test/settled-memory.js'

const busy = fileURLToPath(new URL('../../test/busy.mjs', import.meta.url))

function inProcess(ending: string): Promise<{ code: number | null; signal: string | null; output: string }> {
  const child = spawn(process.execPath, [busy, ending], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (text: Buffer) => (output += text.toString()))
  child.stderr.on('data', (text: Buffer) => (output += text.toString()))
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, output })))
}

async function busyWorker(ending: string): Promise<Worker> {
  const worker = new Worker(busy, { workerData: ending })
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  return worker
}

describe('a worker that is terminated while the engine works for it', () => {
  const workers: Worker[] = []
  afterAll(() => Promise.all(workers.map((worker) => worker.terminate())))

  it.each(['wait', 'spin'])(
    'takes its work with it, all of its memory, and nothing else (%s)',
    async (ending) => {
      const own = tensor([1, 2])
      await evaluate(own)
      const before = await settledMemory()
      for (let i = 0; i < 3; i++) {
        const worker = await busyWorker(ending)
        workers.push(worker)
        await new Promise((resolve) => setTimeout(resolve, 15 * i))
        expect(await worker.terminate()).toBe(1)
        expect(memory.stats().live).toBe(before)
      }
      expect(await own.scale(2).data()).toEqual(Float32Array.of(2, 4))
    },
  )

  it('shares the engine with those that go on', async () => {
    const [first, second] = [await busyWorker('wait'), await busyWorker('wait')]
    workers.push(first, second)
    const waiting = tensor([3]).square().data()
    await first.terminate()
    await second.terminate()
    expect(await waiting).toEqual(Float32Array.of(9))
  })
})

describe('a process that ends while the engine is busy', () => {
  it.each([
    ['exit', 7],
    ['exit-at-once', 7],
    ['throw', 1],
  ])('ends as it should (%s)', async (ending, expected) => {
    const { code, signal } = await inProcess(ending)
    expect({ code, signal }).toEqual({ code: expected, signal: null })
  })
})

describe('a process', () => {
  it('lives until its results are there and no longer', async () => {
    expect(await inProcess('finish')).toEqual({ code: 0, signal: null, output: 'read 3\n' })
  })

  it('may load the binary in workers only, one after the other', async () => {
    expect(await inProcess('worker-only')).toEqual({ code: 0, signal: null, output: 'live 0\n' })
  })
})
