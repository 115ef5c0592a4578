import { bfloat16Bits, blas, compile, matmul, native, parameter, tensor, type Tensor } from '@tiny/core'
import type { Case } from '../measure.js'
import { Draw } from '../random.js'

/** Rows, columns of the result, length of the sums: a layer of a short batch, of a long one, and a large square. */
const shapes = [
  [128, 3072, 768],
  [1024, 768, 768],
  [2048, 2048, 2048],
] as const

/** Reductions over a result keep it in native memory and the timing to the product: one crossing and one kernel. */
function product(
  name: string,
  [m, n, k]: readonly [number, number, number],
  make: () => { a: Tensor; b: Tensor; transposeA?: boolean; transposeB?: boolean; dispose: () => void },
  more: Partial<Case> = {},
): Case {
  return {
    name: `${name} ${m}x${n}x${k}`,
    operations: 2 * m * n * k,
    ...more,
    async prepare() {
      const { a, b, dispose, ...flags } = make()
      const step = compile(() => ({ c: native(matmul(a, b, flags)) }), { name })
      return {
        async run() {
          const { c } = await step({})
          c.dispose()
        },
        dispose() {
          step.dispose()
          dispose()
        },
      }
    },
  }
}

function operands(
  rows: readonly [number, number],
  columns: readonly [number, number],
  kind: 'plain' | 'packed' | 'bfloat16',
) {
  const draw = new Draw(1)
  const a = tensor(draw.normal(rows[0] * rows[1]), { shape: [...rows] })
  const data = draw.normal(columns[0] * columns[1])
  // A weight that training updates stays plain; a frozen one is packed at its first use.
  const b =
    kind === 'plain'
      ? tensor(data, { shape: [...columns] })
      : parameter('weight', kind === 'bfloat16' ? Uint16Array.from(data, bfloat16Bits) : data, {
          shape: [...columns],
          dtype: kind === 'bfloat16' ? 'bfloat16' : 'float32',
        })
  const left =
    kind === 'bfloat16'
      ? tensor(Uint16Array.from(draw.normal(rows[0] * rows[1]), bfloat16Bits), {
          shape: [...rows],
          dtype: 'bfloat16',
        })
      : a
  return {
    a: left,
    b,
    dispose() {
      for (const one of new Set([a, left, b])) one.dispose()
    },
  }
}

const layouts = (shape: readonly [number, number, number], name: string): Case[] => {
  const [m, n, k] = shape
  return [
    product(`${name} NN`, shape, () => operands([m, k], [k, n], 'plain')),
    product(`${name} NT`, shape, () => ({ ...operands([m, k], [n, k], 'plain'), transposeB: true })),
    product(`${name} TN`, shape, () => ({ ...operands([k, m], [k, n], 'plain'), transposeA: true })),
  ]
}

/** The same cases with every product handed to a CBLAS for as long as they run. */
const throughBlas = (path: string, cases: Case[]): Case[] =>
  cases.map((one) => ({
    ...one,
    async prepare() {
      const prepared = await one.prepare()
      return {
        ...prepared,
        async run() {
          blas.use(path)
          try {
            await prepared.run()
          } finally {
            blas.off()
          }
        },
      }
    },
  }))

/** Matrix products: weights packed beforehand, nothing packed in the three layouts, bfloat16; beside a CBLAS if one is named. */
export function matmulSuite({ blasLibrary }: { blasLibrary?: string | undefined }): Case[] {
  return shapes.flatMap((shape) => {
    const [m, n, k] = shape
    return [
      product('float32 packed NT', shape, () => ({
        ...operands([m, k], [n, k], 'packed'),
        transposeB: true,
      })),
      ...layouts(shape, 'float32 unpacked'),
      ...(blasLibrary === undefined ? [] : throughBlas(blasLibrary, layouts(shape, 'BLAS'))),
      product(
        'bfloat16 packed NT',
        shape,
        () => ({ ...operands([m, k], [n, k], 'bfloat16'), transposeB: true }),
        { peak: 'bf16' },
      ),
    ]
  })
}
