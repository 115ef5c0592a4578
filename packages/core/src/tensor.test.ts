import { describe, expect, it } from 'vitest'
import { DTypeError, DisposedError, OptionError, ShapeError } from './errors.js'
import { evaluate, matmul, tensor, zeros } from './index.js'

describe('tensor', () => {
  it('takes nested numbers, typed arrays and shaped data', async () => {
    const nested = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ])
    expect(nested).toMatchObject({ shape: [2, 3], dtype: 'float32', rank: 2 })
    expect(await nested.data()).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))

    expect(tensor(Int32Array.of(1, 2))).toMatchObject({ shape: [2], dtype: 'int32' })
    expect(tensor([1, 2, 3, 4], { shape: [2, 2], dtype: 'float64' })).toMatchObject({ shape: [2, 2] })
    expect(tensor({ shape: [1, 2], data: Float64Array.of(1, 2) })).toMatchObject({
      dtype: 'float64',
      shape: [1, 2],
    })
    expect(tensor(5).shape).toEqual([])
    expect(await tensor([[], []]).data()).toEqual(new Float32Array(0))
  })

  it('holds 64-bit integers and half floats as they are', async () => {
    expect(await tensor(BigInt64Array.of(2n ** 60n)).data<'int64'>()).toEqual(BigInt64Array.of(2n ** 60n))
    const half = tensor([1, -2], { dtype: 'bfloat16' })
    expect(await half.data()).toEqual(Uint16Array.of(0x3f80, 0xc000))
    expect(await tensor([0.5], { dtype: 'float16' }).item()).toBe(0.5)
    expect(await tensor(Uint16Array.of(0x3f80), { dtype: 'bfloat16' }).cast('float32').item()).toBe(1)
  })

  it('refuses what does not fit', () => {
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow('3 elements do not fill shape [2, 2]')
    expect(() => tensor([1, 2, 3], { shape: [-1, -3] })).toThrow(ShapeError)
    expect(() => tensor([[1], [2, 3]])).toThrow(ShapeError)
    expect(() => tensor([0.5], { dtype: 'int32' })).toThrow(DTypeError)
    expect(() => tensor(new Uint16Array(1))).toThrow('the dtype of a Uint16Array must be given')
    expect(() => tensor([1], { type: 'int32' } as object)).toThrow('did you mean dtype?')
  })

  it('copies its data when it is made', async () => {
    const data = Float32Array.of(1, 2)
    const made = tensor(data)
    data[0] = 9
    const read = await made.data()
    read[1] = 9
    expect(await made.data()).toEqual(Float32Array.of(1, 2))
  })
})

describe('a graph', () => {
  it('computes nothing until it is asked, then what was asked', async () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ])
    const y = x.matmul(tensor([[1, 0], [0, 2]])).add(tensor([10, 20])).scale(0.5) // prettier-ignore
    expect(await y.data()).toEqual(Float32Array.of(5.5, 12, 6.5, 14))
    expect(await y.sum().item()).toBe(38)
    expect(await y.max('last').data()).toEqual(Float32Array.of(12, 14))
    expect(await x.transpose().data()).toEqual(Float32Array.of(1, 3, 2, 4))
  })

  it('throws where it is built, naming the op and both shapes', () => {
    const a = zeros([2, 3])
    const b = zeros([4, 5])
    for (const build of [() => a.matmul(b), () => matmul(a, b, { transposeB: true }), () => a.add(b)]) {
      expect(build).toThrow(ShapeError)
      expect(build).toThrow(/\[2, 3\].*\[4, 5\]/)
    }
    expect(() => a.matmul(b)).toThrow('[matmul]')
    expect(() => a.reshape([4, 2])).toThrow(/\[2, 3\].*\[4, 2\]/)
    expect(() => a.dim(2)).toThrow('a tensor of shape [2, 3] has no dimension 2')
    expect(a.dim(-1).value).toBe(3)
  })

  it('promotes no dtype and ignores no option', () => {
    const a = zeros([2, 2])
    expect(() => a.add(zeros([2, 2], { dtype: 'float64' }))).toThrow(DTypeError)
    expect(() => matmul(a, a, { transposeC: true } as object)).toThrow(OptionError)
    expect(() => matmul(a, a, { transposeC: true } as object)).toThrow('transposeC')
    expect(() => matmul(a, a, { activation: 'swish' as 'silu' })).toThrow(/swish/)
  })

  it('reads one element and no more', async () => {
    expect(await tensor([[2.5]]).item()).toBe(2.5)
    await expect(zeros([2]).item()).rejects.toThrow('this tensor has shape [2]')
  })

  it('is described', () => {
    expect(String(zeros([2, 3]))).toBe('Tensor float32 [2, 3]')
  })
})

describe('dispose', () => {
  it('makes later use throw, and is harmless twice', async () => {
    const x = tensor([1, 2])
    const y = x.scale(2)
    x.dispose()
    x.dispose()
    expect(x.disposed).toBe(true)
    expect(() => x.add(x)).toThrow(DisposedError)
    await expect(x.data()).rejects.toThrow(DisposedError)
    await expect(y.data()).rejects.toThrow(DisposedError)
  })

  it('leaves what was computed before', async () => {
    const x = tensor([1, 2])
    const y = x.scale(2)
    await evaluate(y)
    x.dispose()
    expect(await y.data()).toEqual(Float32Array.of(2, 4))
  })

  it('follows a scope', () => {
    let escaped
    {
      using x = tensor([1])
      escaped = x
    }
    expect(escaped.disposed).toBe(true)
  })
})
