/** Where a token stands in its text: `text.slice(start, end)`. */
export type Offset = [start: number, end: number]

/**
 * Turns offsets that count code points, as the binding does, into UTF-16 offsets, as JavaScript strings count.
 * A surrogate without its partner is one code point: the binding reads it as U+FFFD.
 */
export function toUtf16(text: string, offsets: readonly (readonly number[])[]): Offset[] {
  const starts = codePointStarts(text)
  if (starts === undefined) return offsets.map(([start, end]) => [start!, end!])
  return offsets.map(([start, end]) => [starts[start!]!, starts[end!]!])
}

/** UTF-16 position of every code point and of the end; undefined where both count alike. */
function codePointStarts(text: string): Uint32Array | undefined {
  let pairs = 0
  for (let i = 0; i < text.length; i++) if (text.codePointAt(i)! > 0xffff) pairs++
  if (pairs === 0) return undefined
  const starts = new Uint32Array(text.length - pairs + 1)
  let codePoint = 0
  for (let i = 0; i < text.length; codePoint++) {
    starts[codePoint] = i
    i += text.codePointAt(i)! > 0xffff ? 2 : 1
  }
  starts[codePoint] = text.length
  return starts
}
