import { convert } from 'html-to-text'
import PostalMime from 'postal-mime'

/** A mail as a reader sees it: no headers but the subject, no tags, nothing a mailing list added. */
export interface Mail {
  id: string
  subject: string
  body: string
  label: 0 | 1
}

export const LABELS = ['ham', 'spam'] as const

/** Markup in a part that calls itself plain text: common in spam. */
const MARKUP = /<\/?(?:html|body|head|table|tr|td|font|p|br|a|img|div|center|b)\b[^>]*>/i

/**
 * Decodes one raw message: MIME structure, transfer encodings, character sets; text/plain where there is any, else
 * the text of the HTML. Returns the subject and body as the sender wrote them.
 */
export async function decodeMail(raw: Uint8Array): Promise<{ subject: string; body: string }> {
  const message = await PostalMime.parse(raw)
  const plain = message.text ?? ''
  const body =
    plain.trim() === '' ? htmlText(message.html ?? '') : MARKUP.test(plain) ? htmlText(plain) : plain
  return { subject: message.subject ?? '', body }
}

function htmlText(html: string): string {
  if (html === '') return ''
  return convert(html, {
    wordwrap: false,
    selectors: [
      { selector: 'a', options: { ignoreHref: true } },
      { selector: 'img', format: 'skip' },
    ],
  })
}

const QUOTE_MARKS = /^[>|:\s]*/
const RULE = /^[_=*~-]{10,}/

/** Single lines that a mailing list, a feed reader or a list host wrote. Matched without quote marks. */
const LIST_LINES: readonly RegExp[] = [
  /mailing list\b.{0,60}$/i,
  /mailman\/listinfo|lists\/listinfo/i,
  /^list (maintainer|archive)s?:/i,
  /^irish linux users' group/i,
  /\(un\)subscription information/i,
  /^[\w.-]+@(lists\.[\w.-]+|freshrpms\.net|redhat\.com|python\.org|xent\.com|linux\.ie|(e|yahoo)groups\.com)$/i,
  /^to unsubscribe from this group/i,
  /your use of yahoo! groups is subject/i,
  /^(url|date|supplied|content-type|content-transfer-encoding|message-id|in-reply-to|x-[a-z-]+):\s/i,
  /^date: not supplied/i,
  /^hash: sha1/i,
  /^version: (gnupg|pgp)/i,
  /^this is an openpgp\/mime signed message/i,
]

/** Blocks: everything from a line that matches `from` up to and including one that matches `to`, at most `most` lines. */
const LIST_BLOCKS: readonly { from: RegExp; to: RegExp; most: number }[] = [
  { from: /^this sf\.net email is sponsored by/i, to: /^$|^_{10,}|^https?:\S+$/i, most: 6 },
  { from: /yahoo! groups sponsor/i, to: /~->|^-{10,}/, most: 12 },
  {
    from: /^you have received this message because you subscribed to it/i,
    to: /change your preferences from there/i,
    most: 8,
  },
  { from: /^-+begin pgp (signature|public key)/i, to: /^-+end pgp/i, most: 60 },
  { from: /^-+begin pgp signed message/i, to: /^$/, most: 3 },
]

/**
 * Takes away what names the list rather than the writer: footers, sponsors' blocks, signatures below "-- ", feed
 * headers. Nearly every legitimate mail of the corpus came through a list and hardly any spam did, so leaving them in
 * would let a model answer from the envelope.
 */
export function stripLists(body: string): string {
  const lines = body.split(/\r?\n/)
  const kept: string[] = []
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i].replace(QUOTE_MARKS, '').trim()
    if (/^--\s*$/.test(lines[i])) break
    const block = LIST_BLOCKS.find((b) => b.from.test(line))
    if (block) {
      let end = i
      const last = Math.min(lines.length - 1, i + block.most)
      for (let j = i + 1; j <= last; j++) {
        end = j
        if (block.to.test(lines[j].replace(QUOTE_MARKS, '').trim())) break
      }
      i = end
      continue
    }
    if (RULE.test(line) && !/[a-z]/i.test(line)) continue
    if (LIST_LINES.some((pattern) => pattern.test(line))) continue
    kept.push(lines[i])
  }
  return kept.join('\n')
}

/** Leading tags such as "[ILUG]", wherever "Re:" and "Fwd:" stand around them. */
export function stripSubjectTags(subject: string): string {
  return subject
    .replace(/\[[^\]]{1,40}\]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
}

/** The subject of the thread: what remains when all "Re:", "Fwd:", counters and case are gone. */
export function threadOf(subject: string): string {
  return stripSubjectTags(subject)
    .toLowerCase()
    .replace(/^((re|fwd?|aw|sv)(\[\d+\])?\s*:\s*)+/, '')
    .replace(/[^\p{L}]+/gu, ' ')
    .trim()
}

/**
 * Evens out what carries no meaning for the task or belongs to the corpus' makers: web and mail addresses become one
 * word each, the placeholders put in for recipients' names go, long runs of a sign shrink, white space collapses.
 */
export function plainText(text: string): string {
  return text
    .replace(/\b(?:https?|ftp):\/\/\S+|\bwww\.\S+/gi, ' weblink ')
    .replace(/<?\b(?:mailto:)?[\w.+-]+@[\w.-]+\w>?/gi, ' mailaddress ')
    .replace(/\b(?:yyyy|zzzz)\w*\b/gi, ' ')
    .replace(/\ufffd+/g, ' ')
    .replace(/([^\p{L}\p{N}\s])\1{3,}/gu, '$1$1$1')
    .replace(/\s+/g, ' ')
    .trim()
}

/** What the models read: the subject, a full stop, the body. */
export function mailText(mail: Pick<Mail, 'subject' | 'body'>): string {
  return mail.subject === '' ? mail.body : `${mail.subject} . ${mail.body}`
}

/** Decodes and cleans one raw message. */
export async function readMail(id: string, raw: Uint8Array, label: 0 | 1): Promise<Mail> {
  const { subject, body } = await decodeMail(raw)
  return { id, subject: plainText(stripSubjectTags(subject)), body: plainText(stripLists(body)), label }
}
