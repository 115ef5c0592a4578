/**
 * How text becomes the words that merges are counted in: what the normalizer and pre-tokenizer of the resulting
 * tokenizer.json do, in JavaScript and without offsets, which is several times faster. Unicode's White_Space is named
 * because `\s` of JavaScript is another set.
 */
export interface WordSettings {
  readonly model: 'wordpiece' | 'bpe'
  readonly lowercase: boolean
  readonly stripAccents: boolean
  readonly addPrefixSpace: boolean
}

/** Adds the words of a text to `counts`. */
export function countWords(text: string, counts: Map<string, number>, settings: WordSettings): void {
  const [prepared, pattern] =
    settings.model === 'bpe'
      ? [settings.addPrefixSpace && !text.startsWith(' ') ? ` ${text}` : text, byteLevelWord]
      : [bertNormalized(text, settings), bertWord]
  for (const word of prepared.match(pattern) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1)
}

/** GPT-2's pattern, as ByteLevel of Hugging Face's tokenizers has it. */
const byteLevelWord =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu

/** BertPreTokenizer: whitespace separates, each mark of punctuation, ASCII's symbols included, stands alone. */
const bertWord = /[\p{P}$+<=>^`|~]|[^\p{White_Space}\p{P}$+<=>^`|~]+/gu

const chinese =
  /[\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{f900}-\u{faff}\u{2f800}-\u{2fa1f}]/gu
const invisible = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/gu

/** BertNormalizer: no control characters, spaces around Chinese characters, then accents and capitals as asked. */
function bertNormalized(text: string, { lowercase, stripAccents }: WordSettings): string {
  let normal = text.replace(invisible, '').replace(chinese, ' $& ')
  if (stripAccents) normal = normal.normalize('NFD').replace(/\p{Mn}/gu, '')
  // JavaScript knows the sigma that ends a word; the binding lowers character by character.
  return lowercase ? normal.replaceAll('Σ', 'σ').toLowerCase() : normal
}

/** The 256 characters that stand for bytes: printable Latin-1 for itself, the rest from U+0100 on, as in GPT-2. */
export const byteCharacters: readonly string[] = (() => {
  let further = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
    return String.fromCharCode(printable ? byte : further++)
  })
})()

/** The same words spelled in bytes. */
export function inBytes(words: ReadonlyMap<string, number>): Map<string, number> {
  const spelled = new Map<string, number>()
  const encoder = new TextEncoder()
  for (const [word, count] of words) {
    let bytes = ''
    for (const byte of encoder.encode(word)) bytes += byteCharacters[byte]!
    spelled.set(bytes, (spelled.get(bytes) ?? 0) + count)
  }
  return spelled
}
