export { AutoTokenizer } from './auto-tokenizer.js'
export type { Offset } from './offsets.js'
export type { TokenizerConfigJson, TokenizerJson } from './tokenizer-config.js'
export {
  Tokenizer,
  type BatchEncoding,
  type DecodeOptions,
  type EncodeBatchOptions,
  type EncodeOptions,
} from './tokenizer.js'
export type { SequenceId, TruncationStrategy } from './truncation.js'
