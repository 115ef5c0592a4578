import { Trainer, trainTokenizer, type TrainResult } from '@tiny/finetune'
import { AutoModelForMaskedLM } from '@tiny/models'
import { parameterCount } from '../numbers.js'
import { pretraining, shape, vocabulary } from './settings.js'

export interface Pretrained {
  readonly result: TrainResult
  readonly vocabSize: number
  readonly parameters: number
}

/**
 * Learns a vocabulary from texts, then a BERT that guesses masked words in them, and saves both.
 *
 * @param watched texts that are only looked at, for the curve
 * @param folder where model and tokenizer are saved as transformers saves them
 */
export async function pretrain(
  texts: readonly string[],
  watched: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<Pretrained> {
  const tokenizer = await trainTokenizer(texts, {
    model: 'wordpiece',
    vocabSize: vocabulary.size,
    limitAlphabet: vocabulary.characters,
    modelMaxLength: shape.max_position_embeddings,
    signal,
  })
  const config = {
    ...shape,
    model_type: 'bert',
    vocab_size: tokenizer.vocabSize,
    pad_token_id: tokenizer.padTokenId,
  }
  const model = await AutoModelForMaskedLM.fromConfig(config, { seed: pretraining.seed })
  try {
    const result = await new Trainer(model, {
      ...pretraining,
      tokenizer,
      train: texts,
      eval: watched,
      evalSteps: Math.ceil(pretraining.maxSteps / 6),
      loggingSteps: 20,
      signal,
    }).train()
    await model.savePretrained(folder, { tokenizer })
    return { result, vocabSize: tokenizer.vocabSize, parameters: parameterCount(model) }
  } finally {
    await model.dispose()
  }
}
