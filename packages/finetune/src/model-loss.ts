import { OptionError, UnsupportedError } from '@tiny/core'
import { packTrainingBatch, PreTrainedModel, trainingLoss, type ModelInputs } from '@tiny/models'
import { describe } from './options.js'

export type { ModelInputs }
export type TrainableModel = PreTrainedModel
export const packBatch = packTrainingBatch
export const modelLoss = trainingLoss

/** @throws OptionError for what is no model. */
export function requireModel(where: string, model: unknown): asserts model is TrainableModel {
  if (model instanceof PreTrainedModel) return
  throw new OptionError(`${where} takes a model of @tiny/models, not ${describe(model)}`, { where })
}

/** @throws UnsupportedError where a batch's loss is no cross-entropy over classes, which alone can be smoothed. */
export function requireSmoothable(
  model: TrainableModel,
  { problemType }: ReturnType<typeof packBatch>,
): void {
  const classes = problemType === undefined || problemType === 'single_label_classification'
  if (classes && model.task !== 'QuestionAnswering') return
  const what = problemType ?? model.task
  throw new UnsupportedError(`labelSmoothing is for losses over classes, not for ${what}`, {
    option: 'labelSmoothing',
  })
}
