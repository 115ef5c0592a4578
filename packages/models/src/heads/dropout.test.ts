import { compile, randomKey, withRandomKey, type Tensor } from '@tiny/core'
import { expect, it } from 'vitest'
import { configs, ids, make } from '../../test/encoder-models.js'
import type { ModelInputs } from '../inputs/pack.js'
import { packTrainingBatch, trainingLoss } from '../training.js'

type Task = Parameters<typeof make>[0]
const rows: ModelInputs = { inputIds: [ids, ids.slice(4)], labels: [0, 1] }
const spans: ModelInputs = { inputIds: rows.inputIds, startPositions: [1, 2], endPositions: [3, 4] }
const choices: ModelInputs = { inputIds: [[ids, ids.slice(4)]], labels: [1] }

/** Every share that a configuration names. */
const shares = [
  'hidden_dropout_prob',
  'attention_probs_dropout_prob',
  'classifier_dropout',
  'classifier_dropout_prob',
  'summary_first_dropout',
  'summary_last_dropout',
  'dropout',
  'attention_dropout',
  'qa_dropout',
  'seq_classif_dropout',
]
const body = ['hidden_dropout_prob', 'attention_probs_dropout_prob']
const distilled = ['dropout', 'attention_dropout']

const cases: { name: string; task: Task; inputs: ModelInputs; drop: string[] }[] = [
  { name: 'bert', task: 'SequenceClassification', inputs: rows, drop: [...body, 'classifier_dropout'] },
  { name: 'bert', task: 'MultipleChoice', inputs: choices, drop: [...body, 'classifier_dropout'] },
  { name: 'bert', task: 'QuestionAnswering', inputs: spans, drop: body },
  { name: 'roberta', task: 'SequenceClassification', inputs: rows, drop: [...body, 'classifier_dropout'] },
  { name: 'roberta', task: 'MultipleChoice', inputs: choices, drop: body },
  {
    name: 'albert',
    task: 'SequenceClassification',
    inputs: rows,
    drop: [...body, 'classifier_dropout_prob'],
  },
  { name: 'electra', task: 'SequenceClassification', inputs: rows, drop: [...body, 'classifier_dropout'] },
  {
    name: 'electra',
    task: 'MultipleChoice',
    inputs: choices,
    drop: [...body, 'summary_first_dropout', 'summary_last_dropout'],
  },
  { name: 'mpnet', task: 'SequenceClassification', inputs: rows, drop: body },
  {
    name: 'distilbert',
    task: 'SequenceClassification',
    inputs: rows,
    drop: [...distilled, 'seq_classif_dropout'],
  },
  { name: 'distilbert', task: 'QuestionAnswering', inputs: spans, drop: [...distilled, 'qa_dropout'] },
]

it.each(cases)('$name for $task drops $drop, and nothing else', async ({ name, task, inputs, drop }) => {
  const own = Object.fromEntries(shares.filter((share) => belongs(name, share)).map((share) => [share, 0]))
  const lossWith = async (changes: Record<string, number>): Promise<number> => {
    const { model } = await make(task, { ...configs[name]!, ...own, ...changes })
    model.train()
    using step = compile(({ packed, key }: { packed: object; key: Tensor }) =>
      withRandomKey(key, () => trainingLoss(model, packed)),
    )
    const args = { packed: packTrainingBatch(model, inputs), key: randomKey(3, 1) }
    const { lossSum, count } = await step(args as never)
    await model.dispose()
    return lossSum.data[0]! / count.data[0]!
  }
  const plain = await lossWith({})
  const found: string[] = []
  for (const share of Object.keys(own)) {
    if (Math.abs((await lossWith({ [share]: 0.4 })) - plain) > 1e-6) found.push(share)
  }
  expect(found.sort()).toEqual([...drop].sort())
})

const belongs = (name: string, share: string): boolean => {
  if (name === 'distilbert') return !share.includes('_prob') && !/^(classifier|summary)/.test(share)
  if (share === 'classifier_dropout_prob') return name === 'albert'
  if (share === 'classifier_dropout') return ['bert', 'roberta', 'electra'].includes(name)
  return body.includes(share) || (share.startsWith('summary_') && name === 'electra')
}
