import type { CheckpointNames, Heads } from '../family.js'
import { activationOf } from '../blocks/activations.js'
import type { Task } from '../task.js'
import { normal } from '../parameters/initialisers.js'
import type { BartConfig } from './bart-config.js'

/** The product with the vocabulary, and the buffer that is added to it. */
export const conditionalGeneration = ({ initStd }: BartConfig) => ({
  decoder: 'lm_head',
  logitsBias: 'final_logits_bias',
  weight: normal(initStd),
})

/** Heads of BART and mBART: the class stands on the decoder's last end of sequence. */
export const bartHeads = {
  languageModel: conditionalGeneration,
  sequenceClassifier: ({ initStd, classifierDropout }: BartConfig) => ({
    pool: 'eos' as const,
    transform: {
      dropout: classifierDropout,
      dense: { name: 'classification_head.dense', weight: normal(initStd) },
      activation: activationOf('tanh', 'classification_head'),
    },
    dropout: classifierDropout,
    name: 'classification_head.out_proj',
    bias: true,
    weight: normal(initStd),
  }),
  questionAnswering: ({ initStd }: BartConfig) => ({
    name: 'qa_outputs',
    bias: true,
    dropout: 0,
    weight: normal(initStd),
  }),
} satisfies Heads<never>

/** Both sides' tables of tokens. */
export const repeatedTables = {
  'decoder.embed_tokens.weight': 'shared.weight',
  'encoder.embed_tokens.weight': 'shared.weight',
}

/** Names of a table that encoder, decoder and head share. */
export const bartCheckpoint = {
  spellings(name: string) {
    const words = ['shared.weight', ...Object.keys(repeatedTables)]
    const here = words.find((word) => name.endsWith(word))
    return here === undefined
      ? []
      : words.filter((other) => other !== here).map((other) => name.replace(here, other))
  },
  repeated: repeatedTables,
  ignored: [
    /(^|\.)(en|de)coder\.(version|embed_tokens\.weight)$/,
    // Computed from the configuration.
    /(^|\.)(en|de)coder\.embed_positions\.(weights|_float_tensor)$/,
  ],
  tie: {
    embeddings: 'model.shared.weight',
    embeddingsOf: (_config: BartConfig, task: Task) =>
      task === 'CausalLM' ? 'model.decoder.embed_tokens.weight' : 'model.shared.weight',
    head: 'lm_head.weight',
    fromFile: ({ tieWordEmbeddings }: BartConfig) => tieWordEmbeddings,
    fresh: ({ tieWordEmbeddings }: BartConfig) => tieWordEmbeddings,
  },
} satisfies CheckpointNames<never>
