import { ConfigError, ShapeError } from '@tiny/core'

type Vector = Float32Array | readonly number[]
type Similarity = (a: Vector, b: Vector) => number

function sumOf(a: Vector, b: Vector, term: (x: number, y: number) => number): number {
  if (a.length !== b.length) {
    throw new ShapeError(`similarity of vectors of ${a.length} and ${b.length} numbers`, {
      op: 'similarity',
      a: a.length,
      b: b.length,
    })
  }
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += term(a[i]!, b[i]!)
  return sum
}

const dot: Similarity = (a, b) => sumOf(a, b, (x, y) => x * y)

/** By sentence-transformers' names (`similarity_fn_name`); larger is more alike. */
const similarities: Readonly<Record<string, Similarity>> = {
  cosine: (a, b) => dot(a, b) / Math.max(Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b)), 1e-12),
  dot,
  euclidean: (a, b) => -Math.sqrt(sumOf(a, b, (x, y) => (x - y) ** 2)),
  manhattan: (a, b) => -sumOf(a, b, (x, y) => Math.abs(x - y)),
}

/** @throws ConfigError for a name that there is not. */
export function similarityOf(name: string): Similarity {
  const found = Object.hasOwn(similarities, name) ? similarities[name] : undefined
  if (found !== undefined) return found
  throw new ConfigError(
    `similarity_fn_name: there is no '${name}'; known are ${Object.keys(similarities).join(', ')}`,
    { key: 'similarity_fn_name', value: name },
  )
}
