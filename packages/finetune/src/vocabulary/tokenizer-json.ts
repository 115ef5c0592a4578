import { OptionError } from '@tiny/core'
import type { TokenizerJson } from '@tiny/models'
import type { MergeResult } from './merges.js'

/** What encode puts around texts, in Hugging Face's notation: '[CLS] $A [SEP]', '[CLS] $A [SEP] $B:1 [SEP]:1'. */
export interface Template {
  readonly single: string
  readonly pair?: string | undefined
}

export interface TokenizerParts {
  readonly model: 'wordpiece' | 'bpe'
  readonly specialTokens: readonly string[]
  readonly unkToken: string | undefined
  readonly template: Template | undefined
  readonly lowercase: boolean
  /** Left out: as `lowercase`. */
  readonly stripAccents: boolean | undefined
  readonly addPrefixSpace: boolean
}

/** tokenizer.json as Hugging Face's tokenizers write it for a trained WordPiece or byte-level BPE. */
export function tokenizerJson(learned: MergeResult, parts: TokenizerParts): TokenizerJson {
  const { vocab, merges } = learned
  const ids = Object.fromEntries(vocab.map((token, id) => [token, id]))
  const added = parts.specialTokens.map((content) => ({
    id: ids[content]!,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }))
  const shared = { version: '1.0', truncation: null, padding: null, added_tokens: added }
  const template = parts.template && templateProcessing(parts.template, ids)
  if (parts.model === 'wordpiece') {
    return {
      ...shared,
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: parts.stripAccents ?? null,
        lowercase: parts.lowercase,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: template ?? null,
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: parts.unkToken,
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: ids,
      },
    }
  }
  const byteLevel = {
    type: 'ByteLevel',
    add_prefix_space: parts.addPrefixSpace,
    trim_offsets: false,
    use_regex: true,
  }
  return {
    ...shared,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: template ?? byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: ids,
      merges: merges.map(([first, second]) => [vocab[first]!, vocab[second]!]),
    },
  }
}

/** The template that tokens of these spellings stand for: BERT's, RoBERTa's, T5's; none for GPT-2's. */
export function templateBySpelling(specialTokens: readonly string[]): Template | undefined {
  const has = (...tokens: string[]): boolean => tokens.every((token) => specialTokens.includes(token))
  if (has('[CLS]', '[SEP]')) return { single: '[CLS] $A [SEP]', pair: '[CLS] $A [SEP] $B:1 [SEP]:1' }
  if (has('<s>', '</s>')) return { single: '<s> $A </s>', pair: '<s> $A </s> </s> $B </s>' }
  if (has('</s>')) return { single: '$A </s>', pair: '$A </s> $B </s>' }
  return undefined
}

interface Piece {
  SpecialToken?: { id: string; type_id: number }
  Sequence?: { id: string; type_id: number }
}

function templateProcessing({ single, pair }: Template, ids: Readonly<Record<string, number>>): object {
  const used = new Set<string>()
  const pieces = (which: string, template: string): Piece[] =>
    template
      .split(/\s+/)
      .filter(Boolean)
      .map((piece) => {
        const [, id, type] = /^(.+?)(?::(\d+))?$/.exec(piece)!
        const typeId = Number(type ?? 0)
        if (id === '$A' || id === '$B') return { Sequence: { id: id.slice(1), type_id: typeId } }
        if (!Object.hasOwn(ids, id!)) {
          throw new OptionError(`template.${which} has ${id}, which is not among specialTokens`, {
            option: 'template',
            token: id,
          })
        }
        used.add(id!)
        return { SpecialToken: { id: id!, type_id: typeId } }
      })
  const of = { single: pieces('single', single), pair: pieces('pair', pair ?? `${single} $B`) }
  const special = [...used].map((token) => [token, { id: token, ids: [ids[token]!], tokens: [token] }])
  return { type: 'TemplateProcessing', ...of, special_tokens: Object.fromEntries(special) }
}
