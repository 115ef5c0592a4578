import type { Attention } from '../story.js'
import { element, escape } from './markup.js'

const cell = 17
const columnsOfHeads = 2

/** A square for each pair of tokens, darker where the row's token looks more at the column's; one grid for each head. */
export function attentionFigure({ caption, tokens, heads, keys = tokens }: Attention): string {
  for (const { name, weights } of heads) {
    if (weights.length !== tokens.length * keys.length) {
      throw new RangeError(
        `head '${name}' has ${weights.length} weights for ${tokens.length} × ${keys.length} tokens`,
      )
    }
  }
  const rowNames = widthOf(tokens)
  const columnNames = widthOf(keys)
  const width = rowNames + keys.length * cell + 24
  const height = columnNames + tokens.length * cell + 34
  const across = Math.min(columnsOfHeads, heads.length)
  const down = Math.ceil(heads.length / across)
  const grids = heads.map(({ name, weights }, i) => {
    const at = `translate(${(i % across) * width} ${Math.floor(i / across) * height})`
    return element(
      'g',
      { transform: at },
      element('text', { x: rowNames, y: 14, class: 'head' }, escape(name)),
      element('g', { transform: `translate(${rowNames} ${columnNames + 20})` }, grid(tokens, keys, weights)),
    )
  })
  const svg = element(
    'svg',
    {
      viewBox: `0 0 ${across * width} ${down * height}`,
      style: `max-width:${across * width}px`,
      role: 'img',
      'aria-label': caption,
    },
    ...grids,
  )
  return element('figure', {}, element('figcaption', {}, escape(caption)), svg)
}

function grid(tokens: readonly string[], keys: readonly string[], weights: ArrayLike<number>): string {
  const names = [
    ...tokens.map((token, row) =>
      element('text', { x: -6, y: row * cell + 13, class: 'token', 'text-anchor': 'end' }, escape(token)),
    ),
    ...keys.map((key, column) =>
      element(
        'text',
        { transform: `translate(${column * cell + 12} -6) rotate(-90)`, class: 'token' },
        escape(key),
      ),
    ),
  ]
  const cells = tokens.flatMap((token, row) =>
    keys.map((key, column) => {
      const weight = weights[row * keys.length + column]!
      const square = {
        x: column * cell,
        y: row * cell,
        width: cell - 1,
        height: cell - 1,
        'fill-opacity': weight.toFixed(3),
        class: 'weight',
      }
      return element(
        'rect',
        square,
        element('title', {}, escape(`${token} → ${key}: ${(100 * weight).toFixed(1)} %`)),
      )
    }),
  )
  const frame = {
    x: -1,
    y: -1,
    width: keys.length * cell + 1,
    height: tokens.length * cell + 1,
    class: 'frame',
  }
  return [element('rect', frame), ...cells, ...names].join('')
}

/** Room for names in the style sheet's monospaced type. */
function widthOf(names: readonly string[]): number {
  return 14 + 6.8 * Math.max(0, ...names.map((name) => name.length))
}
