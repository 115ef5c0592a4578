import { describe, expect, it } from 'vitest'
import { printable, tableLines, Terminal, wrap } from './terminal.js'

function terminal(options: { isTTY?: boolean; columns?: number } = {}) {
  let written = ''
  const out = { ...options, write: (text: string) => void (written += text) }
  return { io: new Terminal(out, new AbortController().signal), written: () => written }
}

describe('Terminal', () => {
  it('says everything at once and keeps it for the report', async () => {
    const { io, written } = terminal()
    io.section('One')
    io.say(' A  long\nline. ')
    const table = { caption: 'c', columns: ['a', 'b'], rows: [['x', '1']] }
    io.table(table)
    expect(written()).toContain('\nA long line.\n\nc:\na  b\nx  1\n')
    const chart = { caption: 'c', x: 'x', y: 'y', series: [] }
    io.chart(chart)
    io.section('Two')
    const pieces = async function* () {
      yield 'Call '
      expect(written().endsWith('Call ')).toBe(true)
      yield 'me\u001b[2J\n'
    }
    expect(await io.quote('It writes', pieces())).toBe('Call me[2J\n')
    expect(io.takeSections()).toEqual([
      {
        heading: 'One',
        blocks: [
          { kind: 'text', text: ' A  long\nline. ' },
          { kind: 'table', table },
          { kind: 'chart', chart },
        ],
      },
      { heading: 'Two', blocks: [{ kind: 'quote', caption: 'It writes', text: 'Call me[2J\n' }] },
    ])
    expect(io.takeSections()).toEqual([])
    expect(written()).not.toContain('\u001b')
  })

  it('has colours on a terminal only, and breaks lines at its width', () => {
    const { io, written } = terminal({ isTTY: true, columns: 12 })
    io.section('Head')
    io.say('one two three four')
    expect(written()).toContain('\u001b[1mHead\u001b[0m')
    expect(written()).toContain('one two\nthree four\n')
  })

  it('is told off for saying something before the first section', () => {
    expect(() => terminal().io.say('x')).toThrow(/section/)
  })
})

it('breaks at blanks and leaves long words whole', () => {
  expect(wrap('aa bb cccccccc d', 5)).toEqual(['aa bb', 'cccccccc', 'd'])
  expect(wrap('', 5)).toEqual([''])
})

it('sets tables in columns', () => {
  const rows = [
    ['naive Bayes', '0.9'],
    ['x', '10.25'],
  ]
  expect(tableLines({ caption: '', columns: ['', 'F1'], rows })).toEqual([
    '                F1',
    'naive Bayes    0.9',
    'x            10.25',
  ])
})

it('keeps line breaks and no other control character', () => {
  expect(printable('a\tb\r\nc\u0007\u009b1m')).toBe('a b\nc1m')
})
