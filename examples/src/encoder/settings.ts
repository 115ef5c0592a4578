/** Everything that the story depends on: the same numbers give the same results on one machine. */
export const data = { testMails: 1000, watchedMails: 100, splitSeed: 1 } as const

export const vocabulary = { size: 5000, characters: 200 } as const

/** BERT's shape at the size of BERT-Tiny (Turc et al. 2019), for rows of at most 128 tokens. */
export const shape = {
  hidden_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 512,
  max_position_embeddings: 128,
  // So few steps never see a token often enough to need dropout; the classifier on top of a few hundred mails does.
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
  classifier_dropout: 0.1,
} as const

/**
 * Twice as many words are hidden as in BERT, so that every step learns from twice as many guesses; models learn as much
 * or more from it (Wettig et al. 2023). A shorter memory of squared gradients (β₂) allows the larger learning rate.
 */
export const pretraining = {
  maxSteps: 2000,
  maxTokensPerBatch: 2048,
  learningRate: 3e-3,
  adamBeta2: 0.98,
  weightDecay: 0.01,
  warmupRatio: 0.1,
  mlmProbability: 0.3,
  seed: 1,
} as const

/** The same for the pretrained model and for the one from scratch. */
export const fineTuning = {
  labelledMails: 200,
  seeds: [1, 2, 3],
  epochs: 10,
  batchSize: 16,
  evalBatchSize: 32,
  learningRate: 5e-4,
  weightDecay: 0.01,
  warmupRatio: 0.1,
} as const
