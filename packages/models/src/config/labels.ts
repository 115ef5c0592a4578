import { ConfigError } from '@tiny/core'

/** Names of a classifier's classes, by number. */
export interface Labels {
  readonly id2label: readonly string[]
  readonly label2id: Readonly<Record<string, number>>
}

/** Every class has a name in memory, so a file cannot ask for any number of them. */
const mostLabels = 1_000_000

/**
 * Reads `id2label`, `label2id` (which may stand alone) and `num_labels` of a configuration. Without any, there are
 * `otherwise` classes, LABEL_0, LABEL_1, …, as in transformers.
 *
 * @throws ConfigError where they disagree, or where class numbers are not 0, 1, 2, …
 */
export function readLabels(id2label: unknown, label2id: unknown, numLabels: unknown, otherwise = 2): Labels {
  const names =
    id2label != null
      ? namesOf(id2label, 'id2label')
      : label2id != null
        ? namesOf(inverseOf(label2id), 'label2id')
        : undefined
  const fits = Number.isInteger(numLabels) && (numLabels as number) > 0 && (numLabels as number) <= mostLabels
  if (numLabels != null && !fits) {
    throw new ConfigError(
      `num_labels must be an integer from 1 to ${mostLabels}, not ${JSON.stringify(numLabels)}`,
      { key: 'num_labels' },
    )
  }
  const count = (numLabels as number | null | undefined) ?? names?.length ?? otherwise
  if (names !== undefined && names.length !== count) {
    const key = id2label == null ? 'label2id' : 'id2label'
    throw new ConfigError(`num_labels is ${count}, but ${key} names ${names.length} classes`, { key })
  }
  const list = names ?? Array.from({ length: count }, (_, id) => `LABEL_${id}`)
  const inverse = Object.fromEntries(list.map((name, id) => [name, id]))
  if (label2id != null && names !== undefined) {
    for (const [name, id] of Object.entries(label2id as Record<string, unknown>)) {
      if (inverse[name] === undefined || inverse[name] === id) continue
      throw new ConfigError(`label2id gives '${name}' the number ${String(id)}, id2label ${inverse[name]}`, {
        key: 'label2id',
      })
    }
  }
  return { id2label: list, label2id: inverse }
}

/** { spam: 0, ham: 1 } to { 0: 'spam', 1: 'ham' }. */
function inverseOf(label2id: unknown): unknown {
  if (typeof label2id !== 'object' || label2id === null) return label2id
  return Object.fromEntries(Object.entries(label2id).map(([name, id]) => [String(id), name]))
}

function namesOf(id2label: unknown, key: string): string[] {
  const entries = typeof id2label === 'object' ? Object.entries(id2label as Record<string, unknown>) : []
  const names = Array.from<string | undefined>({ length: entries.length })
  for (const [id, name] of entries) names[Number(id)] = String(name)
  if (entries.length === 0 || names.length !== entries.length || names.includes(undefined)) {
    throw new ConfigError(`${key} must name the classes 0, 1, 2, … without a gap`, { key })
  }
  return names as string[]
}
