import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goldenFolder } from '../../test/golden.js'
import { AutoTokenizer, Tokenizer, type TokenizerConfigJson } from './index.js'

const json = readFileSync(`${goldenFolder('tokenizers/wordpiece-bert')}/tokenizer.json`, 'utf8')
const made = (config: TokenizerConfigJson) => Tokenizer.fromJson(json, config)

const template =
  "{% for message in messages %}{{ '<' + message['role'] + '> ' + message['content'] | trim + eos_token }}\n" +
  '{% endfor %}\n{% if add_generation_prompt %}<assistant>{% endif %}'
const chat = [
  { role: 'user', content: ' the cat ' },
  { role: 'assistant', content: 'the fox ' },
]

describe('applyChatTemplate', () => {
  it('renders with special tokens, and tokenizes without the template of single texts', async () => {
    const tokenizer = made({ chat_template: template, eos_token: '[SEP]' })
    const text = '<user> the cat[SEP]\n<assistant> the fox[SEP]\n<assistant>'
    const options = { addGenerationPrompt: true }
    expect(await tokenizer.applyChatTemplate(chat, { ...options, tokenize: false })).toBe(text)
    expect(await tokenizer.applyChatTemplate(chat, options)).toEqual(
      await tokenizer.encode(text, { addSpecialTokens: false }),
    )
    expect(await tokenizer.applyChatTemplate(chat, { tokenize: false })).not.toMatch(/<assistant>$/)
  })

  it('goes on with the last message, which a template may have stripped', async () => {
    const tokenizer = made({ chat_template: template, eos_token: '[SEP]' })
    const options = { continueFinalMessage: true, tokenize: false } as const
    expect(await tokenizer.applyChatTemplate(chat, options)).toBe('<user> the cat[SEP]\n<assistant> the fox')
    const both = { ...options, addGenerationPrompt: true }
    await expect(tokenizer.applyChatTemplate(chat, both)).rejects.toThrow(/one of them/)
  })

  it('finds the end of the last message whatever it says', async () => {
    const tokenizer = made({
      chat_template:
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + (m.content if m.content is string else m.content[0].text) + '<|im_end|>\n' }}{% endfor %}",
    })
    const text = (content: unknown) =>
      tokenizer.applyChatTemplate([{ role: 'user', content }], {
        continueFinalMessage: true,
        tokenize: false,
      })
    const start = '<|im_start|>user\n'
    for (const content of ['', 'en', ' im ', 'a  ', 'user']) expect(await text(content)).toBe(start + content)
    const blocks = [{ type: 'text', text: 'end ' }, { type: 'image' }]
    expect(await text(blocks)).toBe(`${start}end `)
    expect(blocks[0]!.text).toBe('end ')
    await expect(text([{ type: 'image' }])).rejects.toThrow(/with text/)
    const silent = made({ chat_template: '{{ messages[0].content[:3] }}' })
    await expect(silent.applyChatTemplate(chat, { continueFinalMessage: true })).rejects.toThrow(/leaves out/)
  })

  it('chooses among several templates, and takes one of the call', async () => {
    const tokenizer = made({
      chat_template: [
        { name: 'default', template: 'plain' },
        { name: 'tool_use', template: '{{ tools | length }} tools' },
        { name: 'rag', template: '{{ documents[0].title }}' },
      ],
    })
    const text = (options: object) => tokenizer.applyChatTemplate(chat, { ...options, tokenize: false })
    expect(await text({})).toBe('plain')
    expect(await text({ tools: [{ type: 'function' }] })).toBe('1 tools')
    expect(await text({ chatTemplate: 'rag', documents: [{ title: 'Whales' }] })).toBe('Whales')
    expect(await text({ chatTemplate: '{{ thinking }}', variables: { thinking: false } })).toBe('false')
  })

  it('says what is wrong', async () => {
    await expect(made({}).applyChatTemplate(chat)).rejects.toThrow(/no chat template/)
    expect(() => made({ chat_template: 3 })).toThrow(/chat_template/)
    const tokenizer = made({
      chat_template: "{% if messages[0]['role'] != 'user' %}{{ raise_exception('users begin') }}{% endif %}",
    })
    const backwards = [...chat].reverse()
    await expect(tokenizer.applyChatTemplate(backwards)).rejects.toMatchObject({
      code: 'OPTION',
      message: expect.stringContaining('users begin'),
    })
    await expect(tokenizer.applyChatTemplate([])).rejects.toThrow(/at least one/)
    await expect(tokenizer.applyChatTemplate([{ content: 'x' }] as never)).rejects.toThrow(/messages\[0\]/)
    await expect(tokenizer.applyChatTemplate('x' as never)).rejects.toThrow(/messages/)
    const python = { add_generation_prompt: true } as object
    await expect(tokenizer.applyChatTemplate(chat, python)).rejects.toThrow(/addGenerationPrompt/)
    const broken = made({ chat_template: '{% for x in %}' })
    await expect(broken.applyChatTemplate(chat)).rejects.toMatchObject({ code: 'CONFIG' })
  })
})

describe('templates in files', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tiny-chat-'))
    await writeFile(join(folder, 'tokenizer.json'), json)
    await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ chat_template: 'old' }))
    await writeFile(join(folder, 'chat_template.jinja'), 'new')
    await mkdir(join(folder, 'additional_chat_templates'))
    await writeFile(join(folder, 'additional_chat_templates/tool_use.jinja'), 'tools')
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('replace that of the configuration, and are saved', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained(folder)
    expect(tokenizer.chatTemplates).toEqual({ default: 'new', tool_use: 'tools' })
    await tokenizer.savePretrained(join(folder, 'saved'))
    const again = await AutoTokenizer.fromPretrained(join(folder, 'saved'))
    expect(again.chatTemplates).toEqual(tokenizer.chatTemplates)
  })
})
