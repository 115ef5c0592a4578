import { Template } from '@huggingface/jinja'
import { CheckpointError, ConfigError, OptionError } from '@tiny/core'
import { rejectUnknownOptions } from './options.js'
import type { SpecialTokens } from './special-tokens.js'
import type { TokenizerConfigJson } from './tokenizer-config.js'

/** One turn of a conversation. What else a template reads (tool_calls, name, …) stands beside role and content. */
export interface ChatMessage {
  readonly role: string
  readonly content?: unknown
  readonly [key: string]: unknown
}

export interface ChatTemplateOptions {
  /** Ends with what begins the assistant's turn; default false, as in transformers. */
  readonly addGenerationPrompt?: boolean | undefined
  /** Ends inside the last message, for the model to go on with it. */
  readonly continueFinalMessage?: boolean | undefined
  /** JSON Schemas of functions that the model may call. */
  readonly tools?: readonly object[] | undefined
  /** For templates that answer from documents: objects with title and text. */
  readonly documents?: readonly object[] | undefined
  /** A template, or the name of one of the tokenizer's; its own unless given. */
  readonly chatTemplate?: string | undefined
  /** Further variables that the template reads, in its own spelling: { enable_thinking: false }. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined
}

const chatOptions = [
  'addGenerationPrompt',
  'continueFinalMessage',
  'tools',
  'documents',
  'chatTemplate',
  'variables',
  'tokenize',
]

const elsewhere: Readonly<Record<string, string>> = {
  returnTensors: 'ids are arrays of numbers',
  returnDict: 'it gives the text or its ids',
  padding: 'rows keep their own length',
  truncation: 'a conversation that is cut is another one; leave out messages instead',
  maxLength: 'a conversation that is cut is another one; leave out messages instead',
  enableThinking: 'what a template reads goes into variables: { enable_thinking: … }',
}

/** Templates by name; the one that has none is 'default'. */
export type ChatTemplates = Readonly<Record<string, string>>

/**
 * `chat_template` of tokenizer_config.json: one, or several with names.
 *
 * @throws CheckpointError for anything else.
 */
export function chatTemplatesOf(raw: TokenizerConfigJson): ChatTemplates {
  const given = raw['chat_template'] ?? undefined
  if (given === undefined) return {}
  if (typeof given === 'string') return { default: given }
  const entries = (Array.isArray(given) ? given : []) as { name?: unknown; template?: unknown }[]
  const named = entries.filter(
    ({ name, template }) => typeof name === 'string' && typeof template === 'string',
  )
  if (named.length === 0 || named.length !== entries.length) {
    throw new CheckpointError(
      'chat_template of tokenizer_config.json must be a string or a list of { name, template }',
      { key: 'chat_template' },
    )
  }
  return Object.fromEntries(named.map(({ name, template }) => [name as string, template as string]))
}

/** The reverse of `chatTemplatesOf`. */
export function chatTemplateJson(templates: ChatTemplates): TokenizerConfigJson['chat_template'] {
  const names = Object.keys(templates)
  if (names.length === 1 && names[0] === 'default') return templates['default']
  return Object.entries(templates).map(([name, template]) => ({ name, template }))
}

/** Parsed once: a conversation is rendered again with every turn. */
const parsed = new Map<string, Template>()
const mostParsed = 64

function parse(template: string): Template {
  const known = parsed.get(template)
  if (known !== undefined) return known
  try {
    const made = new Template(template)
    if (parsed.size >= mostParsed) parsed.clear()
    parsed.set(template, made)
    return made
  } catch (error) {
    throw new ConfigError(`the chat template cannot be read: ${(error as Error).message}`, {
      key: 'chat_template',
      cause: error,
    })
  }
}

/**
 * A conversation as the text that the model was trained on.
 *
 * @throws OptionError without a template, for messages that are none, and with what the template itself objects to.
 */
export function renderChat(
  messages: readonly ChatMessage[],
  options: ChatTemplateOptions,
  { templates, specialTokens }: { templates: ChatTemplates; specialTokens: Readonly<SpecialTokens> },
): string {
  rejectUnknownOptions('applyChatTemplate', options, chatOptions, elsewhere)
  requireMessages(messages)
  const { addGenerationPrompt = false, continueFinalMessage = false, tools, documents, variables } = options
  if (addGenerationPrompt && continueFinalMessage) {
    throw new OptionError(
      'addGenerationPrompt begins a new message, continueFinalMessage goes on with the last: give one of them',
      { option: 'continueFinalMessage' },
    )
  }
  const template = parse(templateFor(templates, options))
  let text: string
  try {
    text = template.render({
      ...specialTokens,
      messages: continueFinalMessage ? withMark(messages) : messages,
      tools: tools ?? null,
      documents: documents ?? null,
      add_generation_prompt: addGenerationPrompt,
      ...variables,
    })
  } catch (error) {
    throw new OptionError(`the chat template refuses these messages: ${(error as Error).message}`, {
      argument: 'messages',
      cause: error,
    })
  }
  return continueFinalMessage ? cutAtMark(text) : text
}

/** As transformers chooses: a template given or named, the one for tools where there are some, the default. */
function templateFor(templates: ChatTemplates, { chatTemplate, tools }: ChatTemplateOptions): string {
  if (chatTemplate !== undefined) return templates[chatTemplate] ?? chatTemplate
  const name = tools !== undefined && 'tool_use' in templates ? 'tool_use' : 'default'
  const found = templates[name]
  if (found !== undefined) return found
  const names = Object.keys(templates)
  throw new OptionError(
    names.length === 0
      ? 'this tokenizer has no chat template; give one as chatTemplate (Jinja, as models publish it)'
      : `this tokenizer has no default chat template; chatTemplate names one of ${names.join(', ')}`,
    { option: 'chatTemplate' },
  )
}

/** As in transformers: its space shows whether the template strips what ends a message. */
const mark = 'CONTINUE_FINAL_MESSAGE_TAG '

/** The messages with the end of the last one's text marked. */
function withMark(messages: readonly ChatMessage[]): ChatMessage[] {
  const last = messages.at(-1)!
  const { content } = last
  if (typeof content === 'string') return [...messages.slice(0, -1), { ...last, content: content + mark }]
  const blocks = (Array.isArray(content) ? content : []) as ({ text?: unknown } | null)[]
  const at = blocks.map((block) => typeof block?.text === 'string').lastIndexOf(true)
  if (at < 0) {
    throw new OptionError('continueFinalMessage needs a last message with text', {
      option: 'continueFinalMessage',
    })
  }
  const marked = blocks.map((block, i) => (i === at ? { ...block, text: String(block!.text) + mark } : block))
  return [...messages.slice(0, -1), { ...last, content: marked }]
}

function cutAtMark(text: string): string {
  const at = text.lastIndexOf(mark.trimEnd())
  if (at < 0) {
    throw new OptionError(
      'continueFinalMessage: the chat template leaves out the end of the last message, so there is none to go on from',
      { option: 'continueFinalMessage' },
    )
  }
  return text.startsWith(mark, at) ? text.slice(0, at) : text.slice(0, at).trimEnd()
}

function requireMessages(messages: unknown): asserts messages is readonly ChatMessage[] {
  if (!Array.isArray(messages)) {
    throw new OptionError('applyChatTemplate takes messages: [{ role, content }, …]', {
      argument: 'messages',
    })
  }
  if (messages.length === 0) {
    throw new OptionError('applyChatTemplate takes at least one message', { argument: 'messages' })
  }
  for (const [i, message] of messages.entries()) {
    if (typeof (message as ChatMessage | null)?.role === 'string') continue
    throw new OptionError(`messages[${i}] has no role`, { argument: 'messages', index: i })
  }
}
