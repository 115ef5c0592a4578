import { Trainer, type TrainResult } from '@tiny/finetune'
import {
  AutoConfig,
  AutoModelForSequenceClassification,
  AutoTokenizer,
  type PreTrainedModel,
  type Tokenizer,
} from '@tiny/models'
import type { Attention } from '../story.js'
import { LABELS, mailText, type Mail } from './mail.js'
import { score, type Score } from './metrics.js'
import { fineTuning } from './settings.js'

const id2label = Object.fromEntries(LABELS.map((label, id) => [id, label]))

export interface Classifier {
  readonly model: PreTrainedModel
  readonly tokenizer: Tokenizer
}

/** The saved model under a new head, drawn from `seed`. */
export async function pretrainedClassifier(folder: string, seed: number): Promise<Classifier> {
  return {
    model: await AutoModelForSequenceClassification.fromPretrained(folder, { id2label, seed }),
    tokenizer: await AutoTokenizer.fromPretrained(folder),
  }
}

/** The same shape and the same vocabulary, all weights drawn from `seed`. */
export async function freshClassifier(folder: string, seed: number): Promise<Classifier> {
  const config = { ...(await AutoConfig.fromPretrained(folder)).toJSON(), id2label }
  return {
    model: await AutoModelForSequenceClassification.fromConfig(config, { seed }),
    tokenizer: await AutoTokenizer.fromPretrained(folder),
  }
}

/** Trains on labelled mails, then judges the test mails. */
export async function fineTune(
  { model, tokenizer }: Classifier,
  labelled: readonly Mail[],
  test: readonly Mail[],
  seed: number,
  signal: AbortSignal,
): Promise<{ result: TrainResult; score: Score }> {
  const { epochs, batchSize, evalBatchSize, learningRate, weightDecay, warmupRatio } = fineTuning
  const example = (mail: Mail) => ({ text: mailText(mail), label: mail.label })
  const result = await new Trainer(model, {
    epochs,
    batchSize,
    evalBatchSize,
    learningRate,
    weightDecay,
    warmupRatio,
    tokenizer,
    train: labelled.map(example),
    eval: test.map(example),
    metric: ({ predictions, labels }) => ({ ...score(predictions as number[], labels as number[]) }),
    loggingSteps: 5,
    seed,
    signal,
  }).train()
  const { accuracy, f1 } = result.metrics!
  return { result, score: { accuracy: accuracy!, f1: f1! } }
}

/** How probable the model thinks it that a text is spam, and where its tokens look in every head. */
export async function examine(
  { model, tokenizer }: Classifier,
  text: string,
  signal: AbortSignal,
): Promise<{ spam: number; attention: Omit<Attention, 'caption'> }> {
  const inputs = await tokenizer.encodeBatch([text])
  const { logits, attentions } = await model.run(inputs, { outputAttentions: true, signal })
  const [ham, spam] = logits!.data as unknown as [number, number]
  const tokens = inputs.inputIds[0]!.map((id) => tokenizer.idToToken(id)!)
  const heads = attentions!.flatMap(({ shape, data }, layer) => {
    const [, count, queries, keys] = shape as [number, number, number, number]
    return Array.from({ length: count }, (_, head) => ({
      name: `layer ${layer + 1}, head ${head + 1}`,
      weights: data.subarray(head * queries * keys, (head + 1) * queries * keys),
    }))
  })
  return { spam: 1 / (1 + Math.exp(ham - spam)), attention: { tokens, heads } }
}
