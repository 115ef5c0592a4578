export interface Score {
  accuracy: number
  f1: number
}

/** Accuracy, and F1 of the positive class (0 where nothing was found and nothing claimed, as in scikit-learn). */
export function score(predicted: readonly number[], actual: readonly number[], positive = 1): Score {
  if (predicted.length !== actual.length || actual.length === 0) {
    throw new RangeError(`${predicted.length} predictions for ${actual.length} labels`)
  }
  let right = 0
  let truePositive = 0
  let claimed = 0
  let present = 0
  actual.forEach((label, i) => {
    if (predicted[i] === label) right++
    if (predicted[i] === positive) claimed++
    if (label === positive) present++
    if (predicted[i] === positive && label === positive) truePositive++
  })
  return {
    accuracy: right / actual.length,
    f1: claimed + present === 0 ? 0 : (2 * truePositive) / (claimed + present),
  }
}

/** Mean and sample standard deviation; the deviation of one value is 0. */
export function meanAndDeviation(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0)
  return { mean, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)) }
}
