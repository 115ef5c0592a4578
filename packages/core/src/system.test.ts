import { afterEach, describe, expect, it } from 'vitest'
import { OptionError, OutOfMemoryError } from './errors.js'
import { cpu, evaluate, matmul, memory, parameter, profile, tensor, threads, zeros } from './index.js'
import { settledMemory } from '../test/settled-memory.js'

const wide = () => matmul(zeros([512, 512]), zeros([512, 512]))

describe('memory', () => {
  afterEach(() => {
    memory.limit = 0
  })

  it('counts what is held, and its peak', async () => {
    const small = tensor([1])
    const before = await settledMemory()
    const y = wide()
    await evaluate(y)
    expect(memory.stats().live - before).toBe(2 ** 20)
    y.dispose()
    await evaluate(small)
    expect(memory.stats().live).toBe(before)
    expect(memory.stats().peak).toBeGreaterThanOrEqual(before + 2 ** 20)
    memory.resetPeak()
    expect(memory.stats().peak).toBeLessThan(before + 2 ** 20)
  })

  it('has a limit, beyond which an evaluation rejects with what it asked for', async () => {
    memory.limit = memory.stats().live + 1000
    const error: unknown = await evaluate(wide()).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(OutOfMemoryError)
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', limit: memory.limit, requested: expect.any(Number) })
    expect(() => parameter('w', null, { shape: [512, 512] })).toThrow(OutOfMemoryError)
    memory.limit = 0
    await evaluate(wide())
    expect(() => (memory.limit = -1)).toThrow(OptionError)
  })
})

describe('threads', () => {
  it('are as many as asked for, and results do not depend on them', async () => {
    const original = threads.get()
    const values = tensor(
      Float32Array.from({ length: 64 * 300 }, (_, i) => Math.sin(i)),
      { shape: [64, 300] },
    )
    const results = []
    for (const count of [1, 2, 3]) {
      threads.set(count)
      expect(threads.get()).toBe(count)
      results.push(await matmul(values, values, { transposeB: true }).sum().data())
    }
    threads.set(original)
    expect(results[1]).toEqual(results[0])
    expect(results[2]).toEqual(results[0])
    for (const count of [0, -1, 1.5, NaN]) expect(() => threads.set(count)).toThrow(OptionError)
  })
})

describe('cpu and profile', () => {
  it('name the kernels in use', () => {
    const { isa, isas, processors, caches } = cpu.info()
    expect(isas).toContain(isa)
    expect(isas).toContain('scalar')
    expect(cpu.isa()).toBe(isa)
    expect(processors).toBeGreaterThan(0)
    expect(caches.l1).toBeGreaterThan(0)
  })

  it('count the calls of each op while they are on', async () => {
    profile.start()
    await evaluate(wide())
    profile.stop()
    await evaluate(wide())
    const times = new Map(profile.read().map(({ op, calls, seconds }) => [op, { calls, seconds }]))
    expect(times.get('matmul')).toEqual({ calls: 1, seconds: expect.any(Number) })
    expect(times.get('matmul')!.seconds).toBeGreaterThan(0)
  })
})
