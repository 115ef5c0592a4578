/** Round numbers that cover an interval: 1, 2 or 5 times a power of ten apart, `count` of them or a few less. */
export function ticks(low: number, high: number, count: number): number[] {
  const span = high - low
  if (!(span > 0) || !Number.isFinite(span)) return [low]
  const rough = span / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough * (1 - 1e-9)) ?? 10)
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  // Products of integers, so that 0.1 + 0.2 does not show.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** A number as an axis shows it. */
export function tickLabel(value: number): string {
  return Math.abs(value) >= 1000 ? value.toLocaleString('en-US') : String(value)
}

/** Maps [from, to] to [start, end]. */
export function linear(from: number, to: number, start: number, end: number): (value: number) => number {
  const scale = to === from ? 0 : (end - start) / (to - from)
  return (value) => start + (value - from) * scale
}
