import { OptionError } from '@tiny/core'
import { isHeadless, type Task } from '../task.js'
import type { Batch, HostArray } from './batch.js'
import type { ModelInputs, PackSpec } from './pack.js'
import type { ColumnInput, IntegerRows, RowsInput } from './rows.js'
import {
  choiceTargets,
  countsPadding,
  readTokenLabels,
  refuseInputs,
  replacedTargets,
  rowTargets,
  sentenceTargets,
  spanTargets,
  tokenTargets,
  type ProblemType,
} from './targets.js'
import type { PackedTokens } from './tokens.js'

/** What a loss is computed from, read before the tokens are packed. */
export interface Targets {
  /** Whether transformers' loss depends on what is computed at padding. */
  readonly countsPadding: boolean
  readonly problemType?: ProblemType
  of(tokens: PackedTokens): Partial<Batch<HostArray>>
}

/** What the labels belong to. */
export interface Labelled {
  readonly inputs: ModelInputs
  readonly spec: PackSpec
  readonly ids: IntegerRows
  readonly mask: IntegerRows | undefined
  /** Of multiple choice: sequences of each example. */
  readonly choices: number
}

type ReadTargets = (labelled: Labelled) => Targets | undefined

const everyLabel = [
  'labels',
  'startPositions',
  'endPositions',
  'nextSentenceLabel',
  'sentenceOrderLabel',
] as const

/** Inputs that a task's loss is computed from: all of them, or none. */
export function labelNames({ task, sentencePair }: PackSpec): readonly (typeof everyLabel)[number][] {
  if (isHeadless(task)) return []
  if (task === 'QuestionAnswering') return ['startPositions', 'endPositions']
  return task === 'PreTraining' && sentencePair !== undefined ? ['labels', sentencePair.label] : ['labels']
}

const readers: Readonly<Record<Exclude<Task, 'Base' | 'TextEncoding'>, ReadTargets>> = {
  MaskedLM: (labelled) => ofTokens(labelled, false),
  CausalLM: (labelled) => ofTokens(labelled, labelled.spec.ownLabels !== true),
  Seq2SeqLM: (labelled) => ofTokens(labelled, false),
  TokenClassification: (labelled) => ofTokens(labelled, false),

  SequenceClassification({ inputs, spec, ids }) {
    const { targets, problemType } = rowTargets(
      inputs.labels as RowsInput | ColumnInput,
      ids.rows.length,
      spec.classes,
      spec.problemType,
    )
    return { countsPadding: false, problemType, of: () => targets }
  },

  // Every column is a candidate in transformers' loss, padding included.
  QuestionAnswering: ({ inputs, ids, mask }) => ({
    countsPadding: mask?.rows.some((row) => row.includes(0)) === true,
    of: (tokens) => spanTargets(inputs.startPositions!, inputs.endPositions!, ids, tokens),
  }),

  MultipleChoice({ inputs, ids, choices }) {
    const targets = choiceTargets(inputs.labels as ColumnInput, ids.rows.length / choices, choices)
    return { countsPadding: false, of: () => targets }
  },

  NextSentencePrediction({ inputs, spec, ids }) {
    const { classes } = spec.sentencePair!
    const targets = sentenceTargets(inputs.labels as ColumnInput, 'labels', ids.rows.length, classes)
    return { countsPadding: false, of: () => targets }
  },

  PreTraining(labelled) {
    const { inputs, spec, ids } = labelled
    const { sentencePair } = spec
    if (sentencePair === undefined) {
      const labels = inputs.labels as RowsInput
      return {
        countsPadding: false,
        problemType: 'multi_label_classification',
        of: (tokens) => replacedTargets(labels, ids, tokens),
      }
    }
    const words = ofTokens(labelled, false)
    const { label, classes } = sentencePair
    const pairs = sentenceTargets(inputs[label]!, label, ids.rows.length, classes)
    return { countsPadding: words.countsPadding, of: (tokens) => ({ ...words.of(tokens), ...pairs }) }
  },
}

/**
 * Reads a task's labels; undefined where there are none.
 *
 * @throws OptionError for labels of another task and for some without the others that belong to them.
 */
export function readTargets(labelled: Labelled): Targets | undefined {
  const { inputs, spec } = labelled
  const names = labelNames(spec)
  refuseInputs(
    spec.task === 'Base' ? 'AutoModel' : spec.task,
    inputs,
    everyLabel.filter((name) => !names.includes(name)),
  )
  const given = names.filter((name) => inputs[name] !== undefined)
  if (given.length === 0 || isHeadless(spec.task)) return undefined
  if (given.length < names.length) {
    throw new OptionError(`${names.join(' and ')} belong together`, { input: given[0] })
  }
  return readers[spec.task](labelled)
}

/** Labels of tokens; with `shift`, of the next ones. */
function ofTokens({ inputs, spec, ids, mask }: Labelled, shift: boolean): Targets {
  const labels = readTokenLabels(inputs.labels as RowsInput, ids, spec.classes)
  return {
    countsPadding: countsPadding(labels, mask, shift),
    of: (tokens) => tokenTargets(labels, tokens, shift),
  }
}
