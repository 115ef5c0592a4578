// Decoders in float64, one token, one head and one number at a time: what families and options without a golden case
// compare with. Written from transformers' modelling files, not from the blocks.
import { describeDecoder, shapesOf, type Settings } from './decoder-descriptions.js'
import { activations, type Rows, type Tensors } from './reference.js'
import type { Frequencies } from './rope-reference.js'

type Row = Float64Array

/**
 * Logits of every token.
 *
 * @param prompt tokens that were there at once, where the others came one by one: each is then rotated as at its time.
 */
export function decoderLogits(
  tensors: Tensors,
  config: Settings,
  ids: readonly number[],
  prompt = ids.length,
): Rows {
  const family = describeDecoder(config)
  const { layers, heads, kvHeads, headDim } = shapesOf(config)
  const at = (name: string): { shape: readonly number[]; data: ArrayLike<number> } => {
    const found = tensors.get(name)
    if (found === undefined) throw new Error(`no ${name}`)
    return found
  }
  const rowOf = (name: string, index: number): Row => {
    const { shape, data } = at(name)
    return Float64Array.from({ length: shape[1]! }, (_, j) => data[index * shape[1]! + j]!)
  }
  const linear = (name: string, x: Row): Row => {
    const { shape, data } = at(`${name}.weight`)
    const bias = tensors.get(`${name}.bias`)?.data
    const [out, inner] = family.conv1d === true ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!]
    return Float64Array.from({ length: out }, (_, j) => {
      let sum = bias?.[j] ?? 0
      for (let i = 0; i < inner; i++)
        sum += x[i]! * data[family.conv1d === true ? i * out + j : j * inner + i]!
      return sum
    })
  }
  const normalised = (x: Row, rms: boolean): Row => {
    const mean = rms ? 0 : x.reduce((a, b) => a + b, 0) / x.length
    const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length
    return x.map((v) => (v - mean) / Math.sqrt(variance + family.eps))
  }
  const norm = (name: string, x: Row): Row => {
    const weight = tensors.get(`${name}.weight`)?.data
    const bias = tensors.get(`${name}.bias`)?.data
    const plus = family.onePlus === true ? 1 : 0
    return normalised(x, family.rms).map((v, i) => v * ((weight?.[i] ?? 1) + plus) + (bias?.[i] ?? 0))
  }
  const perHead = (x: Row, f: (head: Row, index: number) => Row): Row =>
    Float64Array.from({ length: x.length / headDim }, (_, h) => h).reduce<Row>((out, h) => {
      out.set(f(x.slice(h * headDim, (h + 1) * headDim), h), h * headDim)
      return out
    }, new Float64Array(x.length))
  const qkNorm = (name: string, x: Row): Row => {
    switch (family.qk) {
      case 'head':
        return perHead(x, (head) => norm(name, head))
      case 'all':
        return norm(name, x)
      case 'own':
        return perHead(x, (head, h) =>
          normalised(head, false).map((v, i) => v * at(`${name}.weight`).data[h * headDim + i]!),
        )
      case 'each':
        return perHead(x, (head, h) =>
          normalised(head, false).map((v, i) => v * at(`${name}.norms.${h}.weight`).data[i]!),
        )
      default:
        return x
    }
  }
  const rotated = (x: Row, position: number, rope: Frequencies | undefined): Row =>
    rope === undefined
      ? x
      : perHead(x, (head) => {
          const out = head.slice()
          rope.each.forEach((f, i) => {
            const [a, b] = family.interleaved === true ? [2 * i, 2 * i + 1] : [i, i + rope.each.length]
            const [c, s] = [Math.cos(position * f) * rope.scaling, Math.sin(position * f) * rope.scaling]
            out[a] = head[a]! * c - head[b]! * s
            out[b] = head[b]! * c + head[a]! * s
          })
          return out
        })

  const mix = (layer: string, index: number, x: Rows): Rows => {
    const name = `${layer}.${family.attention}`
    const widths = [heads * headDim, kvHeads * headDim, kvHeads * headDim]
    const projected = x.map((row): [Row, Row, Row] => {
      const { fused } = family
      if (fused === undefined) {
        return [family.q!, family.k!, family.v!].map((part) => linear(`${name}.${part}`, row)) as [
          Row,
          Row,
          Row,
        ]
      }
      const all = linear(`${name}.${fused.name}`, row)
      if (fused.columns === 'parts') {
        let start = 0
        return widths.map((width) => all.slice(start, (start += width))) as [Row, Row, Row]
      }
      return [0, 1, 2].map((part) =>
        Float64Array.from({ length: heads * headDim }, (_, i) => {
          const [h, c] = [Math.floor(i / headDim), i % headDim]
          return all[(h * 3 + part) * headDim + c]!
        }),
      ) as [Row, Row, Row]
    })
    const rope = (t: number) => family.rope?.(index, Math.max(prompt, t + 1))
    const [qName, kName] = family.qkNames ?? ['q_norm', 'k_norm']
    const q = projected.map(([row], t) => rotated(qkNorm(`${name}.${qName}`, row), t, rope(t)))
    const k = projected.map(([, row], t) => rotated(qkNorm(`${name}.${kName}`, row), t, rope(t)))
    const window = family.window?.(index) ?? Infinity
    const scale = family.scale ?? headDim ** -0.5
    return q.map((query, t) => {
      const out = new Float64Array(heads * headDim)
      for (let h = 0; h < heads; h++) {
        const shared = Math.floor(h / (heads / kvHeads)) * headDim
        const scores = k.map((key, j) => {
          const seen =
            family.bothSides === true ? Math.abs(j - t) <= Math.floor(window / 2) : j <= t && j > t - window
          if (!seen) return -Infinity
          let dot = 0
          for (let c = 0; c < headDim; c++) dot += query[h * headDim + c]! * key[shared + c]!
          const score = dot * scale
          return family.softcap === undefined ? score : family.softcap * Math.tanh(score / family.softcap)
        })
        const most = Math.max(...scores)
        const weights = scores.map((score) => Math.exp(score - most))
        const total = weights.reduce((a, b) => a + b, 0)
        for (let c = 0; c < headDim; c++) {
          out[h * headDim + c] = weights.reduce(
            (sum, w, j) => sum + (w / total) * projected[j]![2][shared + c]!,
            0,
          )
        }
      }
      return linear(`${name}.${family.o}`, out)
    })
  }

  const feed = (layer: string, x: Row): Row => {
    const { gate, up, down, fused } = family.mlp
    const act = activations[family.activation]!
    const name = (part: string) => `${layer}.${part}`
    const ups = linear(name(up), x)
    if (fused === true) {
      const half = ups.length / 2
      return linear(
        name(down),
        ups.slice(0, half).map((v, i) => act(v) * ups[half + i]!),
      )
    }
    if (gate === undefined) return linear(name(down), ups.map(act))
    return linear(
      name(down),
      linear(name(gate), x).map((v, i) => act(v) * ups[i]!),
    )
  }

  const { base } = family
  const [before, after, beforeMlp, afterMlp] = family.norms
  const sum = (a: Row, b: Row, factor = 1): Row => a.map((v, i) => v + b[i]! * factor)
  let x: Rows = ids.map((id, t) => {
    const row = rowOf(`${base}.${family.embed ?? 'embed_tokens'}.weight`, id).map(
      (v) => v * (family.embedScale ?? 1),
    )
    const inner = family.project === true ? linear(`${base}.project_in`, row) : row
    const { positions } = family
    return positions === undefined
      ? inner
      : sum(inner, rowOf(`${base}.${positions.name}.weight`, t + positions.offset))
  })
  for (let index = 0; index < layers; index++) {
    const layer = `${base}.${family.layers ?? 'layers'}.${index}`
    const through = (name: string | undefined, row: Row): Row =>
      name === undefined ? row : norm(`${layer}.${name}`, row)
    const factor = family.residual ?? 1
    if (family.order === 'post') {
      const mixed = mix(layer, index, x)
      x = x.map((row, t) => {
        const summed = through(after, sum(row, mixed[t]!))
        return through(afterMlp, sum(summed, feed(layer, summed)))
      })
      continue
    }
    const entered = x.map((row) => through(before, row))
    const mixed = mix(layer, index, entered)
    x = x.map((row, t) => {
      const attended = sum(row, through(after, mixed[t]!), factor)
      const inner =
        family.order === 'parallel'
          ? beforeMlp === undefined
            ? entered[t]!
            : through(beforeMlp, row)
          : through(beforeMlp, attended)
      return sum(attended, through(afterMlp, feed(layer, inner)), factor)
    })
  }
  return x.map((row) => {
    const last = family.final === undefined ? row : norm(`${base}.${family.final}`, row)
    const outer = family.project === true ? linear(`${base}.project_out`, last) : last
    const head = tensors.has('lm_head.weight')
      ? 'lm_head.weight'
      : `${base}.${family.embed ?? 'embed_tokens'}.weight`
    const { shape } = at(head)
    const bias = tensors.get('lm_head.bias')?.data
    return Float64Array.from({ length: shape[0]! }, (_, j) => {
      const weight = rowOf(head, j)
      const logit = outer.reduce((total, v, i) => total + v * weight[i]!, bias?.[j] ?? 0)
      return family.logits?.(logit) ?? logit
    })
  })
}
