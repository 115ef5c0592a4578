// Rules of every file.

const maxLines = 600
const vague = /^(utils?|helpers?|common|misc|stuff)$/i

export const fileRules = [
  {
    name: `no file over ${maxLines} lines`,
    check: (file) =>
      file.lines.length > maxLines ? [{ line: maxLines + 1, what: `has ${file.lines.length} lines` }] : [],
  },
  {
    name: 'names say what is inside',
    check: (file) =>
      file.path
        .split('/')
        .filter((part) => vague.test(part.split('.')[0]))
        .map((part) => ({ line: 1, what: `"${part}" says nothing` })),
  },
  {
    name: 'no test is skipped or alone',
    check: (file) => {
      const pattern = file.path.endsWith('_test.cc')
        ? /doctest::(skip|may_fail|should_fail|expected_failures)/
        : /\.test\.(ts|mjs)$/.test(file.path)
          ? /\b(it|test|describe)\.(skip|skipIf|only|todo|fails)\b/
          : undefined
      if (!pattern || file.path.startsWith('scripts/architecture')) return []
      return file.lines.flatMap((content, index) =>
        pattern.test(content) ? [{ line: index + 1, what: content.trim() }] : [],
      )
    },
  },
]
