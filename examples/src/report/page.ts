import { minutes } from '../numbers.js'
import type { Block, Section, Table, ToldStory } from '../story.js'
import { attentionFigure } from './attention.js'
import { chartFigure } from './chart.js'
import { element, escape } from './markup.js'
import { style } from './style.js'

/** One page that needs nothing else: no script, no font, no picture from elsewhere, and its policy forbids them. */
export function reportPage(stories: readonly ToldStory[], footer: string): string {
  const title = 'Transfer learning with tiny'
  const head = [
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    element('title', {}, escape(title)),
    `<style>${style}</style>`,
  ]
  const body = element(
    'main',
    {},
    element('h1', {}, escape(title)),
    element('p', { class: 'soft' }, escape(footer)),
    claims(stories),
    ...stories.map(story),
  )
  const html = element('html', { lang: 'en' }, element('head', {}, ...head), element('body', {}, body))
  return `<!doctype html>\n${html}\n`
}

function claims(stories: readonly ToldStory[]): string {
  const items = stories.flatMap((one) =>
    one.claims.map(({ text, holds }) => {
      const verdict = element(
        'span',
        { class: holds ? 'holds' : 'fails' },
        holds ? '✓ holds' : '✗ does not hold',
      )
      return element('li', {}, verdict, ' — ', escape(text))
    }),
  )
  return items.length === 0 ? '' : element('ul', { class: 'claims' }, ...items)
}

function story({ title, sections, seconds }: ToldStory): string {
  return element(
    'section',
    {},
    element('h2', {}, escape(title)),
    element('p', { class: 'soft' }, escape(`Told in ${minutes(seconds)}.`)),
    ...sections.map(section),
  )
}

function section({ heading, blocks }: Section): string {
  return [element('h3', {}, escape(heading)), ...blocks.map(block)].join('')
}

function block(one: Block): string {
  switch (one.kind) {
    case 'text':
      return element('p', {}, escape(one.text))
    case 'table':
      return tableMarkup(one.table)
    case 'chart':
      return chartFigure(one.chart)
    case 'attention':
      return attentionFigure(one.attention)
    case 'quote':
      return element(
        'figure',
        {},
        element('figcaption', {}, escape(one.caption)),
        element('blockquote', {}, element('pre', {}, escape(one.text))),
      )
  }
}

function tableMarkup({ caption, columns, rows, highlight }: Table): string {
  const cells = (name: 'th' | 'td', row: readonly string[]) =>
    row.map((cell) => element(name, {}, escape(cell))).join('')
  const table = element(
    'table',
    {},
    element('caption', {}, escape(caption)),
    element('thead', {}, element('tr', {}, cells('th', columns))),
    element(
      'tbody',
      {},
      ...rows.map((row, i) =>
        element('tr', { class: i === highlight ? 'highlight' : undefined }, cells('td', row)),
      ),
    ),
  )
  return element('div', { class: 'wide' }, table)
}
