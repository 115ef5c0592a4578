import { packTrainingBatch, trainingLoss, type ModelInputs, type PreTrainedModel } from '@tiny/models'

export type { ModelInputs }
export type TrainableModel = PreTrainedModel
export const packBatch = packTrainingBatch
export const modelLoss = trainingLoss
