import { expect, it } from 'vitest'
import { drawLabelled, readCorpus, splitMails } from './data.js'
import type { Mail } from './mail.js'

const words = ['alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot', 'golf', 'hotel']
const mails: Mail[] = Array.from({ length: 200 }, (_, i) => ({
  id: String(i),
  subject: `${i % 3 === 0 ? 'Re: ' : ''}${words[i % 8]} ${words[(i >> 3) % 8]} ${words[i >> 6]}`,
  body: `w${'abcdefghij'[i % 10]} of ${'klmnopqrst'[Math.floor(i / 10) % 10]}x and ${i < 100 ? 'here' : 'there'}`,
  label: i % 4 === 0 ? 1 : 0,
}))

it('drops empty mails and copies, and parts no thread', () => {
  const extra: Mail[] = [
    { id: 'empty', subject: 'x', body: ' .1 ', label: 0 },
    { ...mails[0], id: 'copy', body: mails[0].body.toUpperCase() },
    { id: 'reply', subject: `Fwd: ${mails[5].subject}`, body: 'quite another answer to that', label: 0 },
  ]
  const { test, pool, counts } = splitMails([...mails, ...extra], 50, 1)
  expect(counts).toEqual({ raw: 203, empty: 1, duplicates: 1 })
  expect(test.length).toBeGreaterThanOrEqual(50)
  expect(test.length + pool.length).toBe(201)
  const side = (id: string) => test.some((mail) => mail.id === id)
  expect(side('reply')).toBe(side('5'))
  expect(new Set([...test, ...pool].map(({ id }) => id)).size).toBe(201)
})

it('draws other labelled mails for another seed', () => {
  const ids = (seed: number) => drawLabelled(mails, 20, seed).map(({ id }) => id)
  expect(new Set(ids(1)).size).toBe(20)
  expect(ids(1)).toEqual(ids(1))
  expect(ids(1)).not.toEqual(ids(2))
})

it('stops reading the corpus when aborted', async () => {
  await expect(readCorpus(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
})
