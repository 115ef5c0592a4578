export { CrossEncoder, type PredictOptions, type Ranked, type RankOptions } from './cross-encoder.js'
export { SentenceTransformer, type EncodeSentencesOptions } from './sentence-transformer.js'
