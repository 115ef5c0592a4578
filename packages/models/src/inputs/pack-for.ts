import type { PreTrainedModel } from '../model.js'
import type { Batch, HostArray } from './batch.js'
import { packInputs, type ModelInputs } from './pack.js'

/** A batch for `model.forward`: tokens end to end, checked against what the model takes. */
export function pack(inputs: ModelInputs, model: PreTrainedModel): Batch<HostArray> {
  return packInputs(inputs, model.packSpec).batch
}
