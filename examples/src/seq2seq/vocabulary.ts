import { Tokenizer, type TokenizerJson } from '@tiny/models'
import type { Word } from './data.js'

/** T5's order: what fills up, what ends, what is unknown. */
const SPECIAL_TOKENS = ['<pad>', '</s>', '<unk>']

/**
 * One vocabulary for both sides, as T5 has it: letters are lower case and phonemes upper case, so "cat" is c a t and
 * "K AE T" is K AE T, each with </s> behind it. It is a tokenizer.json like any other, so a model saved with it reads
 * spellings in Python, too.
 *
 * @param words those that are trained on; what others have besides is <unk>.
 */
export function lettersAndPhonemes(words: readonly Word[]): Tokenizer {
  const letters = new Set(words.flatMap(({ spelling }) => Array.from(spelling)))
  const phonemes = new Set(words.flatMap(({ pronunciations }) => pronunciations.flat()))
  const tokens = [...SPECIAL_TOKENS, ...[...letters].sort(), ...[...phonemes].sort()]
  const end = { id: '</s>', type_id: 0 }
  const json: TokenizerJson = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: "[A-Z]+|[a-z']" }, behavior: 'Removed', invert: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: end }],
      pair: [
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
        { SpecialToken: end },
      ],
      special_tokens: { '</s>': { id: '</s>', ids: [tokens.indexOf('</s>')], tokens: ['</s>'] } },
    },
    decoder: null,
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      unk_token: '<unk>',
    },
  }
  return Tokenizer.fromJson(json, {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_input_names: ['input_ids', 'attention_mask'],
    pad_token: '<pad>',
    eos_token: '</s>',
    unk_token: '<unk>',
  })
}
