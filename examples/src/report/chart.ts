import type { Chart } from '../story.js'
import { linear, tickLabel, ticks } from './axis.js'
import { element, escape } from './markup.js'

const size = { width: 720, height: 300 }
const plot = { left: 56, right: 580, top: 14, bottom: 254 }
/** Baselines of the names beside the curves stand at least this far apart. */
const lineHeight = 15

/** Curves over one pair of axes, each named where it ends. */
export function chartFigure({ caption, x, y, series, levels = [] }: Chart): string {
  const drawn = series.filter(({ points }) => points.length > 0)
  const points = drawn.flatMap((one) => one.points)
  const xs = points.map(([value]) => value)
  const ys = [...points.map(([, value]) => value), ...levels.map((level) => level.y)].filter(Number.isFinite)
  if (xs.length === 0 || ys.length === 0) return ''
  const [lowest, highest] = [Math.min(...ys), Math.max(...ys)]
  const margin = (highest - lowest || Math.abs(highest) || 1) * 0.05
  const xRange = [Math.min(0, ...xs), Math.max(...xs)] as const
  const yRange = [lowest - margin, highest + margin] as const
  const atX = linear(...xRange, plot.left, plot.right)
  const atY = linear(...yRange, plot.bottom, plot.top)

  const grid = ticks(...yRange, 5).map((value) =>
    [
      line(plot.left, atY(value), plot.right, atY(value), 'grid'),
      label(plot.left - 8, atY(value) + 4, tickLabel(value), 'end'),
    ].join(''),
  )
  const foot = ticks(...xRange, 6).map((value) =>
    label(atX(value), plot.bottom + 18, tickLabel(value), 'middle'),
  )
  const axes = [
    line(plot.left, plot.bottom, plot.right, plot.bottom, 'axis'),
    label((plot.left + plot.right) / 2, size.height - 8, x, 'middle'),
  ]
  const curves = drawn.map(({ points: own }, i) => {
    const path = own
      .filter(([, value]) => Number.isFinite(value))
      .map(([px, py]) => `${atX(px).toFixed(1)},${atY(py).toFixed(1)}`)
      .join(' ')
    return element('polyline', { points: path, class: `curve c${i % colours}` })
  })
  const rules = levels.map((level) => line(plot.left, atY(level.y), plot.right, atY(level.y), 'level'))
  const names = apart([
    ...drawn.map(({ name, points: own }, i) => ({
      name,
      y: atY(own.at(-1)![1]),
      class: `name t${i % colours}`,
    })),
    ...levels.map((level) => ({ name: level.name, y: atY(level.y), class: 'name' })),
  ]).map((name) =>
    element('text', { x: plot.right + 8, y: (name.y + 4).toFixed(1), class: name.class }, escape(name.name)),
  )
  const svg = element(
    'svg',
    { viewBox: `0 0 ${size.width} ${size.height}`, role: 'img', 'aria-label': caption },
    ...grid,
    ...foot,
    ...axes,
    ...rules,
    ...curves,
    ...names,
  )
  return element('figure', {}, element('figcaption', {}, escape(`${caption} (${y})`)), svg)
}

/** Classes c0 … and t0 … of the style sheet. */
const colours = 6

function line(x1: number, y1: number, x2: number, y2: number, name: string): string {
  const [left, top, right, bottom] = [x1, y1, x2, y2].map((value) => value.toFixed(1))
  return element('line', { x1: left, y1: top, x2: right, y2: bottom, class: name })
}

function label(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end'): string {
  const place = { x: x.toFixed(1), y: y.toFixed(1), class: 'tick', 'text-anchor': anchor }
  return element('text', place, escape(text))
}

/** Moves names down where they would overlap, then all that left the plot up again. */
export function apart<T extends { readonly y: number }>(names: readonly T[]): T[] {
  const sorted = [...names].sort((a, b) => a.y - b.y)
  const ys = sorted.map(({ y }) => y)
  for (let i = 1; i < ys.length; i++) ys[i] = Math.max(ys[i]!, ys[i - 1]! + lineHeight)
  let limit = plot.bottom
  for (let i = ys.length - 1; i >= 0; i--) {
    ys[i] = Math.min(ys[i]!, limit)
    limit = ys[i]! - lineHeight
  }
  return sorted.map((name, i) => ({ ...name, y: ys[i]! }))
}
