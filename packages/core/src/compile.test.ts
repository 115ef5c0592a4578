import { describe, expect, expectTypeOf, it } from 'vitest'
import { DisposedError, OptionError, ShapeError } from './errors.js'
import {
  cacheAppend,
  compile,
  dropout,
  evaluate,
  gatherRows,
  gradients,
  input,
  matmul,
  native,
  padRows,
  parameter,
  profile,
  randomKey,
  scalarInput,
  tensor,
  variable,
  zeros,
  type HostTensor,
  type Input,
  type Tensor,
} from './index.js'

const rows = (...values: number[]) => input('float32', ['rows', 2], values)

describe('compile', () => {
  it('traces once and serves every size with one crossing', async () => {
    const w = parameter('w', [[1, 2], [3, 4]]) // prettier-ignore
    let traces = 0
    const step = compile(({ x, lr }: { x: Tensor; lr: Tensor }) => {
      traces++
      return { y: matmul(x, w).mul(lr), same: 'kept', rows: [x.sum()] }
    })
    const first = await step({ x: rows(1, 0, 0, 1), lr: scalarInput(2) })
    expect(first).toEqual({
      y: { dtype: 'float32', shape: [2, 2], data: Float32Array.of(2, 4, 6, 8) },
      same: 'kept',
      rows: [{ dtype: 'float32', shape: [], data: Float32Array.of(2) }],
    })
    const args = { x: rows(1, 1), lr: scalarInput(-1) }
    const before = profile.crossings()
    const call = step(args)
    expect(profile.crossings() - before).toBe(1)
    expect((await call).y).toMatchObject({ shape: [1, 2], data: Float32Array.of(-4, -6) })
    expect((await step({ x: rows(), lr: scalarInput(1) })).y.shape).toEqual([0, 2])
    expect(profile.crossings() - before).toBe(2)
    expect(traces).toBe(1)
    expect(step.plans).toBe(1)
  })

  it('makes another plan for another structure, static value, dtype, declared size or key', async () => {
    let traces = 0
    const step = compile((args: { x: Tensor; bias?: Tensor; times?: number }) => {
      traces++
      const scaled = args.x.scale(args.times ?? 1)
      return args.bias ? scaled.add(args.bias) : scaled
    })
    const value = async (...call: Parameters<typeof step>) => (await step(...call)).data[0]
    expect(await value({ x: rows(1, 1) })).toBe(1)
    expect(await value({ x: rows(1, 1), times: 2 })).toBe(2)
    expect(await value({ x: rows(1, 1), times: 3 })).toBe(3)
    expect(await value({ x: rows(1, 1), times: 3, bias: scalarInput(1) })).toBe(4)
    expect(await value({ x: input('float64', ['rows', 2], [1, 1]), times: 3 })).toBe(3)
    expect(await value({ x: input('float32', [1, 2], [1, 1]) })).toBe(1)
    expect(await value({ x: rows(1, 1) }, { key: 'training' })).toBe(1)
    expect([traces, step.plans]).toEqual([7, 7])
    expect(await value({ times: 2, x: rows(4, 4), bias: undefined })).toBe(8)
    expect(await value({ x: tensor([[5, 1]]) })).toBe(5)
    expect([traces, step.plans]).toEqual([7, 7])
  })

  it("takes its key from the function's own state", async () => {
    let training = false
    const step = compile((x: Tensor) => x.scale(training ? 2 : 1), { key: () => String(training) })
    expect((await step(scalarInput(1))).data[0]).toBe(1)
    training = true
    expect((await step(scalarInput(1))).data[0]).toBe(2)
    expect(step.plans).toBe(2)
  })

  it('reads captured parameters anew, and runs updates with every call', async () => {
    const w = parameter('w', [1, 2])
    const constant = tensor([10, 10])
    const step = compile(({ lr }: { lr: Tensor }) => {
      const loss = w.mul(constant).sum()
      w.assign(w.sub(gradients(loss, [w]).get(w)!.mul(lr)))
      return { loss }
    })
    const losses = []
    for (let i = 0; i < 3; i++) losses.push(step({ lr: scalarInput(0.1) }))
    expect((await Promise.all(losses)).map(({ loss }) => loss.data[0])).toEqual([30, 10, -10])
    expect(await w.data()).toEqual(Float32Array.of(-2, -1))
    w.assign([1, 1])
    expect((await step({ lr: scalarInput(1) })).loss.data[0]).toBe(20)
  })

  it('keeps native results in native memory, usable before the call is done', async () => {
    const step = compile(({ x }: { x: Tensor }) => ({ next: native(x.scale(2)), sum: x.sum() }))
    const one = step.enqueue({ x: rows(1, 2, 3, 4) })
    const two = step.enqueue({ x: input('float32', ['rows', 2], one.results.next) })
    expect(two.results.next.shape).toEqual([2, 2])
    await two.done
    expect(two.results.sum.data).toEqual(Float32Array.of(20))
    expect(await two.results.next.data()).toEqual(Float32Array.of(4, 8, 12, 16))
    expect(step.plans).toBe(1)
    await one.done
  })

  it('copies inputs when it is called', async () => {
    const step = compile(({ x }: { x: Tensor }) => x.scale(1))
    const data = Float32Array.of(1, 2)
    const call = step({ x: input('float32', ['n'], data) })
    data.fill(9)
    expect((await call).data).toEqual(Float32Array.of(1, 2))
  })

  it('takes caches and parameters as arguments, so that one plan serves many', async () => {
    const append = compile(({ cache, row, slots }: { cache: Tensor; row: Tensor; slots: Tensor }) =>
      gatherRows(cacheAppend(cache, row, slots).reshape([128, 2]), slots),
    )
    for (const name of ['a', 'b']) {
      const cache = variable(name, null, { shape: [2, 64, 2] })
      const row = input('float32', ['tokens', 2], [1, 2])
      const result = await append({ cache, row, slots: input('int32', ['tokens'], [65]) })
      expect(result.data).toEqual(Float32Array.of(1, 2))
      expect((await cache.data())[130]).toBe(1)
    }
    expect(append.plans).toBe(1)
  })

  it('takes sizes that no argument determines', async () => {
    const pad = compile(({ x, offsets }: { x: Tensor; offsets: Tensor }) => padRows(x, offsets, 'length'))
    const offsets = input('int32', ['sequences + 1'], [0, 1, 3])
    const padded = await pad({ x: rows(1, 1, 2, 2, 3, 3), offsets }, { sizes: { length: 2 } })
    expect(padded).toMatchObject({ shape: [2, 2, 2], data: Float32Array.of(1, 1, 0, 0, 2, 2, 3, 3) })
    await expect(pad({ x: rows(1, 1, 2, 2, 3, 3), offsets })).rejects.toThrow(ShapeError)
    await expect(pad({ x: rows(1, 1, 2, 2, 3, 3), offsets })).rejects.toThrow(/'length'/)
  })

  it('drops by the key of the call', async () => {
    const drop = compile(({ x, key }: { x: Tensor; key: Tensor }) => dropout(x, key, { p: 0.5, site: 0 }))
    const x = input('float32', ['n'], new Float32Array(64).fill(1))
    const draw = async (seed: number, step: number) => (await drop({ x, key: randomKey(seed, step) })).data
    const first = await draw(1, 0)
    expect(await draw(1, 0)).toEqual(first)
    expect(await draw(1, 1)).not.toEqual(first)
    expect(drop.plans).toBe(1)
  })
})

describe('a trace', () => {
  const traced = (fn: (x: Tensor) => unknown) =>
    compile((x: Tensor) => fn(x) as Tensor, { name: 'f' })(rows(1, 2))

  it('has no sizes to read, compare or branch on', async () => {
    await expect(traced((x) => x.scale(x.shape[0]!))).rejects.toThrow(ShapeError)
    await expect(traced((x) => x.scale(x.shape[0]!))).rejects.toThrow(/'rows' is symbolic inside compile/)
    await expect(traced((x) => ((x.dim(0) as unknown as number) > 3 ? x : x.sum()))).rejects.toThrow(
      ShapeError,
    )
    expect((await traced((x) => x.reshape([x.dim(0).mul(2), 1]))).shape).toEqual([2, 1])
    expect((await traced((x) => x.sum('last').add(zeros(['rows'])))).shape).toEqual([1])
  })

  it('names both shapes, symbols included, where they do not fit', async () => {
    await expect(traced((x) => x.matmul(zeros([3, 3])))).rejects.toThrow(/\[rows, 2\].*\[3, 3\]/)
  })

  it('is synchronous and computes nothing', async () => {
    await expect(traced(async (x) => x)).rejects.toThrow('f returns a promise')
    let inside: Promise<unknown>[] = []
    const refused = (x: Tensor) => {
      const nested = compile((y: Tensor) => y)
      inside = [x.data(), evaluate(x), nested(x)]
      for (const promise of inside) promise.catch(() => {}) // awaited below
      return x
    }
    await traced(refused)
    for (const promise of inside) await expect(promise).rejects.toThrow('inside the compiled function f')
    expect(inside).toHaveLength(3)
  })

  it('is abandoned when its function throws, and leaves no plan', async () => {
    const w = parameter('w', [1])
    let fail = true
    const step = compile((x: Tensor) => {
      w.assign(w.scale(2))
      if (fail) throw new RangeError('inside')
      return x
    })
    await expect(step(scalarInput(1))).rejects.toThrow(RangeError)
    expect(step.plans).toBe(0)
    expect(await w.data()).toEqual(Float32Array.of(1))
    fail = false
    await step(scalarInput(1))
    expect(await w.data()).toEqual(Float32Array.of(2))
  })

  it('keeps its tensors to itself', async () => {
    let leaked: Tensor | undefined
    await traced((x) => (leaked = x))
    await expect(leaked!.data()).rejects.toThrow(ShapeError)
    await expect(leaked!.data()).rejects.toThrow(/'rows'/)
  })

  it('updates variables, not arguments', async () => {
    const w = variable('w', [1, 2])
    const step = compile((cache: Tensor) => (cache as typeof w).assign?.(zeros([2])) ?? cache.scale(1))
    expect((await step(w)).data).toEqual(Float32Array.of(1, 2))
  })
})

describe('a call', () => {
  const double = compile(
    ({ x, labels }: { x: Tensor; labels?: Tensor }) => (labels ? x.add(labels) : x.scale(2)),
    {
      name: 'double',
    },
  )

  it('throws where arguments contradict each other, naming them', async () => {
    await expect(double({ x: rows(1, 2, 3) })).rejects.toThrow(
      'args.x is declared as [rows, 2], but has 3 elements',
    )
    const labels = input('float32', ['rows', 2], [1, 2, 3, 4])
    await expect(double({ x: rows(1, 2), labels })).rejects.toThrow(
      /args\.x is declared as \[rows, 2\] = \[2, 2\]/,
    )
  })

  it('refuses options that it does not know', async () => {
    await expect(double({ x: rows(1, 2) }, { signals: 1 } as object)).rejects.toThrow('did you mean signal?')
    expect(() => compile((x: Tensor) => x, { names: 'f' } as object)).toThrow('did you mean name?')
  })

  it('rejects with the reason of its signal', async () => {
    const reason = new TypeError('enough')
    await expect(double({ x: rows(1, 2) }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await expect(double({ x: rows(1, 2) }, { signal: AbortSignal.abort('enough') })).rejects.toBe('enough')
    await expect(double({ x: rows(1, 2) }, { signal: AbortSignal.abort() })).rejects.toHaveProperty(
      'name',
      'AbortError',
    )
  })

  it('is stopped by its signal while it runs or waits, and leaves variables alone', async () => {
    const w = parameter('w', null, { shape: [256, 256] })
    const step = compile((x: Tensor) => {
      let y = x
      for (let i = 0; i < 200; i++) y = matmul(y, w)
      w.assign(w.add(tensor(1)))
      return y.sum()
    })
    const x = input('float32', ['n', 256], new Float32Array(256 * 256))
    const controller = new AbortController()
    const first = step(x)
    const second = step(x, { signal: controller.signal })
    controller.abort(new RangeError('stop'))
    await expect(second).rejects.toThrow('stop')
    await first
    expect((await w.data())[0]).toBe(1)
    // A signal that never fires is let go of, and its call is one crossing.
    const args = x
    const signal = new AbortController().signal
    await step(args, { signal })
    const before = profile.crossings()
    await step(args, { signal })
    expect(profile.crossings() - before).toBe(1)
  })

  it('fails after dispose(); what is under way finishes', async () => {
    const step = compile((x: Tensor) => x.scale(3), { name: 'step' })
    const call = step(scalarInput(1))
    step.dispose()
    step.dispose()
    expect((await call).data[0]).toBe(3)
    await expect(step(scalarInput(1))).rejects.toThrow(DisposedError)
    await expect(step(scalarInput(1))).rejects.toThrow('step was disposed of')
  })

  it('has types that follow the function', () => {
    const step = compile((args: { x: Tensor; n: number; list: Tensor[]; mask?: Tensor }) => ({
      y: args.x,
      kept: native(args.x),
      list: [args.x],
      text: 'a' as const,
    }))
    expectTypeOf<Parameters<typeof step>[0]>().toEqualTypeOf<{
      x: Tensor | Input
      n: number
      list: (Tensor | Input)[]
      mask?: Tensor | Input | undefined
    }>()
    expectTypeOf<Awaited<ReturnType<typeof step>>>().toEqualTypeOf<{
      y: HostTensor
      kept: Tensor
      list: HostTensor[]
      text: 'a'
    }>()
    expect(step.name).toBe('compiled function')
  })

  it('is an option error where the function returns something else', async () => {
    await expect(compile(() => new Map())(undefined)).rejects.toThrow(OptionError)
  })
})
