import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeReport } from '../report.js'
import type { ToldStory } from '../story.js'
import { attentionFigure } from './attention.js'
import { ticks } from './axis.js'
import { apart, chartFigure } from './chart.js'
import { element, escape } from './markup.js'
import { reportPage } from './page.js'

const hostile = `<script src="http://x.example/a.js">alert('&')</script>`

describe('markup', () => {
  it('escapes text and attributes', () => {
    expect(escape(hostile)).toBe(
      '&lt;script src=&quot;http://x.example/a.js&quot;&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;',
    )
    expect(escape('a\u0000b\ud800c\td\ne')).toBe('a\ufffdb\ufffdc\td\ne')
    expect(element('a', { title: `"'<`, class: undefined }, 'x')).toBe('<a title="&quot;&#39;&lt;">x</a>')
  })
})

describe('axis', () => {
  it('has round numbers inside the interval', () => {
    expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
    expect(ticks(-0.05, 0.32, 5)).toEqual([0, 0.1, 0.2, 0.3])
    expect(ticks(0, 2347, 6)).toEqual([0, 500, 1000, 1500, 2000])
    expect(ticks(5, 5, 5)).toEqual([5])
  })
})

describe('chart', () => {
  const chart = {
    caption: 'Loss',
    x: 'step',
    y: 'nats',
    series: [
      { name: hostile, points: [[0, 4] as const, [10, 2] as const] },
      { name: 'other', points: [[0, 4] as const, [10, 2.01] as const] },
      { name: 'empty', points: [] },
    ],
    levels: [{ name: 'bound', y: 1 }],
  }

  it('draws curves inside the plot, high values above low ones', () => {
    const svg = chartFigure(chart)
    const [first] = [...svg.matchAll(/<polyline points="([^"]+)"/g)].map((match) =>
      match[1].split(' ').map((point) => point.split(',').map(Number)),
    )
    expect(first).toHaveLength(2)
    expect(first[0][0]).toBe(56)
    expect(first[1][0]).toBe(580)
    expect(first[0][1]).toBeLessThan(first[1][1])
    expect(svg.match(/<polyline/g)).toHaveLength(2)
    expect(svg).toContain('bound')
    expect(svg).not.toContain('<script')
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
  })

  it('draws one point and equal values, and nothing without points', () => {
    const one = { ...chart, levels: [], series: [{ name: 'a', points: [[3, 7] as const] }] }
    expect(chartFigure(one)).not.toMatch(/NaN|Infinity/)
    expect(chartFigure({ ...chart, series: [], levels: [] })).toBe('')
  })

  it('moves names apart, and not out of the plot', () => {
    const ys = apart([{ y: 250 }, { y: 248 }, { y: 249 }, { y: 20 }]).map(({ y }) => y)
    expect(ys).toEqual([20, 224, 239, 254])
  })
})

describe('attention', () => {
  const heads = [{ name: 'head 1', weights: Float32Array.of(0.25, 0.75, 1, 0, 0.5, 0.5) }]

  it('shades row by row, each cell named by its tokens', () => {
    const svg = attentionFigure({ caption: 'c', tokens: ['a', '<b>', 'c'], keys: ['x', 'y'], heads })
    const shades = [...svg.matchAll(/fill-opacity="([^"]+)"/g)].map((match) => Number(match[1]))
    expect(shades).toEqual([0.25, 0.75, 1, 0, 0.5, 0.5])
    expect(svg).toContain('&lt;b&gt; → x: 100.0 %')
  })

  it('refuses weights of another size', () => {
    expect(() => attentionFigure({ caption: 'c', tokens: ['a', 'b'], heads })).toThrow(/6 weights for 2 × 2/)
  })
})

describe('page', () => {
  const story: ToldStory = {
    title: hostile,
    seconds: 75,
    claims: [
      { text: 'good', holds: true },
      { text: hostile, holds: false },
    ],
    sections: [
      {
        heading: hostile,
        blocks: [
          { kind: 'text', text: hostile },
          { kind: 'table', table: { caption: hostile, columns: [hostile], rows: [[hostile]], highlight: 0 } },
          { kind: 'quote', caption: hostile, text: hostile },
          { kind: 'attention', attention: { caption: hostile, tokens: [hostile], heads: [] } },
        ],
      },
    ],
  }

  it('needs nothing from elsewhere and lets no text become markup', () => {
    const html = reportPage([story], hostile)
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(/i)
    expect(html.match(/https?:/g)?.length).toBe(html.match(/&quot;http:/g)?.length)
    expect(html).toContain('1 min 15 s')
    expect(html.match(/class="holds"/g)).toHaveLength(1)
    expect(html.match(/class="fails"/g)).toHaveLength(1)
    const count = (start: string) => html.match(new RegExp(`${start}[ >]`, 'g'))?.length
    for (const name of ['section', 'table', 'tr', 'figure', 'svg', 'p', 'ul', 'li']) {
      expect({ name, opened: count(`<${name}`) }).toEqual({ name, opened: count(`</${name}`) })
    }
  })

  it('appears whole under its name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tiny-report-'))
    try {
      await writeReport(join(folder, 'r.html'), [story], 'foot')
      expect(await readdir(folder)).toEqual(['r.html'])
      expect(await readFile(join(folder, 'r.html'), 'utf8')).toBe(reportPage([story], 'foot'))
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
