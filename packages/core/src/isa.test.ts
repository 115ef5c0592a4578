// A file of its own, so a process of its own: what TINY_ISA says counts once, at the first use of the kernels.
import { afterAll, describe, expect, it } from 'vitest'
import { OptionError } from './errors.js'
import { cpu, tensor } from './index.js'

const original = process.env.TINY_ISA

describe('TINY_ISA', () => {
  afterAll(() => {
    if (original === undefined) delete process.env.TINY_ISA
    else process.env.TINY_ISA = original
  })

  it('that names nothing usable is an OptionError wherever kernels are asked for, and can be corrected', async () => {
    process.env.TINY_ISA = 'avx9'
    expect(() => cpu.isa()).toThrow(OptionError)
    expect(() => cpu.info()).toThrow(/TINY_ISA=avx9 is not among what this machine runs: .*scalar/)
    await expect(
      tensor([1, 2])
        .add(tensor([3, 4]))
        .data(),
    ).rejects.toThrow(OptionError)

    process.env.TINY_ISA = 'scalar'
    expect(cpu.isa()).toBe('scalar')
    expect(cpu.info().isas).toEqual(['scalar'])
    expect(
      await tensor([1, 2])
        .add(tensor([3, 4]))
        .data(),
    ).toEqual(Float32Array.of(4, 6))
  })
})
