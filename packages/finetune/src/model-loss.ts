import { UnsupportedError } from '@tiny/core'
import { packTrainingBatch, trainingLoss, type ModelInputs, type PreTrainedModel } from '@tiny/models'

export type { ModelInputs }
export type TrainableModel = PreTrainedModel
export const packBatch = packTrainingBatch
export const modelLoss = trainingLoss

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
