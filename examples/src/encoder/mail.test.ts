import { describe, expect, it } from 'vitest'
import { mailText, plainText, readMail, stripLists, stripSubjectTags, threadOf } from './mail.js'

const raw = (lines: string[]) => Buffer.from(lines.join('\r\n'), 'latin1')

describe('readMail', () => {
  it('decodes character sets and transfer encodings, and takes no header but the subject', async () => {
    const mail = await readMail(
      'm',
      raw([
        'From: someone@example.org',
        'List-Id: secret-list',
        'Subject: [ILUG] =?iso-8859-1?Q?Gr=FC=DFe?=',
        'Content-Type: text/plain; charset=iso-8859-1',
        'Content-Transfer-Encoding: quoted-printable',
        '',
        'Sch=F6n,=',
        ' hier: http://example.org/x?y=3D1 und a.b@example.org',
        '-- ',
        'My signature',
      ]),
      0,
    )
    expect(mail).toEqual({
      id: 'm',
      subject: 'Grüße',
      body: 'Schön, hier: weblink und mailaddress',
      label: 0,
    })
    expect(mailText(mail)).toBe('Grüße . Schön, hier: weblink und mailaddress')
    expect(mailText({ subject: '', body: 'x' })).toBe('x')
  })

  it('reads the text of HTML, even where it calls itself plain', async () => {
    const html =
      '<html><body><p>Buy <b>now</b></p><img src="x.gif"><a href="http://a.b">here</a></body></html>'
    for (const type of ['text/html', 'text/plain']) {
      const { body } = await readMail('m', raw([`Content-Type: ${type}`, '', html]), 1)
      expect(body).toBe('Buy now here')
    }
  })
})

it('takes away what a list added, and leaves what people wrote', () => {
  const body = [
    'Hello all,',
    '> quoted words stay',
    '_______________________________________________',
    "Irish Linux Users' Group mailing list",
    'http://www.linux.ie/mailman/listinfo/ilug for (un)subscription information.',
    'This sf.net email is sponsored by: a shop',
    'https://shop.example',
    'Bye',
  ]
  expect(stripLists(body.join('\n'))).toBe('Hello all,\n> quoted words stay\nBye')
})

it('knows a thread by its subject', () => {
  expect(stripSubjectTags('Re: [ILUG]  the [spambayes] thing')).toBe('Re: the thing')
  const same = ['Re: [ILUG] RE[2]: The Thing!', 'fwd: re: the thing', 'The thing']
  expect(new Set(same.map(threadOf))).toEqual(new Set(['the thing']))
})

it('evens out addresses, long runs and white space', () => {
  expect(plainText('a\n\tb  www.x.org  <me@x.org>  !!!!!!!  zzzzteana')).toBe('a b weblink mailaddress !!!')
})
