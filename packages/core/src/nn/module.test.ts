import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../errors.js'
import { evaluate, matmul, nn, Parameter, tensor, withRandomKey, type Tensor } from '../index.js'

const { Dropout, Embedding, LayerNorm, Linear, Module, ModuleList, RMSNorm } = nn

class SelfAttention extends Module {
  readonly query = new Linear(4, 4)
  readonly key = new Linear(4, 4, { bias: false })
}

class Attention extends Module {
  readonly self = new SelfAttention()
  readonly LayerNorm = new LayerNorm(4)
  readonly dropout = new Dropout(0.5)
}

class Layer extends Module {
  readonly attention = new Attention()
  readonly c_attn = new Linear(4, 12)
}

class Model extends Module {
  readonly wordEmbeddings = new Embedding(10, 4)
  readonly encoder: { layer: nn.ModuleList<Layer> } & nn.Module
  readonly lmHead: nn.Linear
  readonly #hidden = new Linear(2, 2)

  constructor() {
    super()
    this.encoder = Object.assign(new (class extends Module {})(), {
      layer: new ModuleList([new Layer(), new Layer()]),
    })
    this.lmHead = new Linear(4, 10, { bias: false })
    Object.assign(this.lmHead, { weight: this.wordEmbeddings.weight }) // tied
  }

  get hidden(): nn.Linear {
    return this.#hidden
  }
}

describe('Module', () => {
  it("lists parameters in definition order under PyTorch's names, ties once", () => {
    const names = [...new Model().namedParameters()].map(([name]) => name)
    const layer = (i: number) =>
      [
        'attention.self.query.weight',
        'attention.self.query.bias',
        'attention.self.key.weight',
        'attention.LayerNorm.weight',
        'attention.LayerNorm.bias',
        'c_attn.weight',
        'c_attn.bias',
      ].map((name) => `encoder.layer.${i}.${name}`)
    expect(names).toEqual(['word_embeddings.weight', ...layer(0), ...layer(1)])
  })

  it('lists modules, outer ones first, and shared ones once', () => {
    const model = new Model()
    const names = [...model.namedModules()].map(([name]) => name)
    expect(names.slice(0, 6)).toEqual([
      '',
      'word_embeddings',
      'encoder',
      'encoder.layer',
      'encoder.layer.0',
      'encoder.layer.0.attention',
    ])
    Object.assign(model, { again: model.encoder, self: model })
    expect([...model.namedModules()]).toHaveLength(names.length)
  })

  it('switches training everywhere', () => {
    const model = new Model()
    expect(model.train().training).toBe(true)
    expect(model.encoder.layer.at(-1)!.attention.dropout.training).toBe(true)
    expect(model.eval().encoder.layer.at(0)!.attention.dropout.training).toBe(false)
  })

  it('refuses parts in a plain array, which would be lost', () => {
    class Wrong extends Module {
      readonly layers = [new Linear(1, 1)]
    }
    expect(() => [...new Wrong().parameters()]).toThrow('Wrong.layers is an array of parts: use a ModuleList')
  })

  it('draws what it declares, by seed and place alone', async () => {
    const [a, b, c] = [new Model(), new Model(), new Model()]
    expect(() => a.wordEmbeddings.weight.handle).toThrow(OptionError)
    const drawn = await a.draw({ seed: 1 })
    expect(drawn).toHaveLength(15)
    expect(await a.draw({ seed: 2 })).toEqual([])
    const key = (model: Model) => model.encoder.layer.at(1)!.attention.self.key.weight
    b.wordEmbeddings.weight.materialise(tensor(Array.from({ length: 10 }, () => [1, 2, 3, 4])))
    await b.draw({ seed: 1 })
    await c.draw({ seed: 2 })
    expect(await key(b).data()).toEqual(await key(a).data())
    expect(await key(c).data()).not.toEqual(await key(a).data())
    expect(key(a).name).toBe('encoder.layer.1.attention.self.key.weight')
    expect(await key(a).data()).not.toEqual(await a.encoder.layer.at(0)!.attention.self.key.weight.data())
    expect(await a.encoder.layer.at(0)!.attention.LayerNorm.weight.data()).toEqual(
      Float32Array.of(1, 1, 1, 1),
    )
    const spread = Math.max(...(await key(a).data()).map(Math.abs))
    expect(spread).toBeLessThanOrEqual(0.5)
    expect(spread).toBeGreaterThan(0.25)
  })

  it('loads what a source has and names what it lacks', async () => {
    const linear = new Linear(2, 3)
    const missing = await linear.load(
      (name, parameter) =>
      name === 'weight' ? tensor([[1, 2], [3, 4], [5, 6]]).cast(parameter.dtype).scale(2) : undefined, // prettier-ignore
    )
    expect(missing).toEqual(['bias'])
    expect(await linear.weight.data()).toEqual(Float32Array.of(2, 4, 6, 8, 10, 12))
    const wrong = new Linear(2, 3).load(() => tensor([1, 2]))
    await expect(wrong).rejects.toThrow(ShapeError)
    await expect(wrong).rejects.toThrow("the parameter 'weight' has shape [3, 2], its contents have [2]")
  })

  it('frees its parameters', async () => {
    const linear = new Linear(2, 2)
    linear.disposeParameters()
    await linear.draw({ seed: 0 })
    linear.disposeParameters()
    linear.disposeParameters()
    expect(linear.weight.disposed).toBe(true)
    expect(() => linear.forward(tensor([[1, 2]]))).toThrow(/disposed/)
  })
})

describe('layers', () => {
  const x = tensor([[1, -2], [0.5, 3]]) // prettier-ignore
  const close = async (found: Tensor, expected: Tensor) => {
    const [a, b] = [await found.data(), await expected.data()]
    a.forEach((value, i) => expect(value).toBeCloseTo(b[i]!, 5))
  }

  it('compute what they say', async () => {
    const linear = new Linear(2, 3)
    const norm = new LayerNorm(2)
    const rms = new RMSNorm(2, { zeroCentred: true })
    const table = new Embedding(4, 2, { paddingIdx: 0 })
    for (const module of [linear, norm, rms, table]) await module.draw({ seed: 3 })
    const { weight, bias } = linear
    await close(linear.forward(x), matmul(x, weight, { transposeB: true }).add(bias!))
    await close(linear.forward(x, { activation: 'relu' }), linear.forward(x).relu())
    await close(norm.forward(x), x.layerNorm({ eps: 1e-5 }))
    const [normalised, sum] = norm.forwardSum(x, x)
    await close(sum, x.scale(2))
    await close(normalised, norm.forward(x.scale(2)))
    await close(rms.forward(x), x.rmsNorm(tensor([1, 1]), { eps: 1e-6 }))
    const rows = await table.weight.data()
    expect(await table.forward(tensor(Int32Array.of(3, 0))).data()).toEqual(
      Float32Array.of(rows[6]!, rows[7]!, rows[0]!, rows[1]!),
    )
  })

  it('drop only while training, and only with a key', async () => {
    const dropout = new Dropout(0.5)
    const ones = tensor(new Float32Array(64).fill(1))
    const key = tensor(Int32Array.of(1, 2))
    expect(dropout.forward(ones)).toBe(ones)
    dropout.train()
    expect(() => dropout.forward(ones)).toThrow(/Dropout needs a random key/)
    const run = () => withRandomKey(key, () => [dropout.forward(ones), dropout.forward(ones)])
    const [first, second] = run() as [Tensor, Tensor]
    const data = await first.data()
    expect(new Set(data)).toEqual(new Set([0, 2]))
    expect(await second.data()).not.toEqual(data)
    expect(await run()[0]!.data()).toEqual(data)
    expect(() => new Dropout(1)).toThrow(OptionError)
  })

  it('know their options', () => {
    expect(() => new Linear(1, 1, { use_bias: true } as object)).toThrow(/use_bias/)
    expect(() => new LayerNorm(1, { epsilon: 1 } as object)).toThrow(/epsilon/)
  })
})

describe('Parameter', () => {
  it('is frozen by requiresGrad and by eval, plain in training', async () => {
    const linear = new Linear(2, 2)
    linear.weight.requiresGrad = false
    await linear.draw({ seed: 0 })
    const frozen = () => [linear.weight, linear.bias!].map((parameter) => parameter.handle.frozen())
    expect(frozen()).toEqual([true, true])
    linear.train()
    expect(frozen()).toEqual([true, false])
    linear.eval()
    expect(frozen()).toEqual([true, true])
    linear.weight.assign([[1, 2], [3, 4]]) // prettier-ignore
    expect(frozen()).toEqual([false, true])
    await evaluate(linear.parameters())
    expect(await linear.weight.data()).toEqual(Float32Array.of(1, 2, 3, 4))
  })

  it('takes over memory once', () => {
    const weight = Parameter.declare([2], nn.zeros, { name: 'w' })
    expect([weight.shape, weight.dtype, weight.materialised]).toEqual([[2], 'float32', false])
    const contents = tensor([1, 2], { dtype: 'bfloat16' })
    weight.materialise(contents)
    expect([weight.dtype, weight.materialised, weight.bytes]).toEqual(['bfloat16', true, 4])
    expect(contents.disposed).toBe(true)
    expect(() => weight.materialise(tensor([1, 2]))).toThrow('has its contents already')
    expect(() => Parameter.declare([1], nn.ones).materialise(tensor(Int32Array.of(1)))).toThrow(
      /cannot hold int32/,
    )
  })
})
