// Each rule against a small tree with one violation planted, and against the same tree without it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkArchitecture, rules } from './check.mjs'

/** A tree that keeps every rule, near their edges. */
const sound = {
  'native/src/base/error.h': '#include <string>\n',
  'native/src/runtime/engine.h': '#include "base/error.h"\n',
  'native/src/graph/node.cc': '#include "graph/node.h"\n#include "runtime/engine.h"\n',
  'native/src/kernels/simd/avx2.h': '#include <immintrin.h>\n',
  'native/src/kernels/gelu/isa/avx2.cc':
    '#include <immintrin.h>\n#include <cstddef>\n#include "kernels/simd/avx2.h"\n',
  'native/src/ops/gelu.cc': '#include "graph/node.h"\n#include "kernels/gelu/gelu.h"\n',
  'native/src/formats/gguf.cc': '#include "graph/node.h"\n',
  'native/src/binding/addon.cc': '#include <napi.h>\n#include "ops/gelu.h"\n#include "formats/gguf.h"\n',
  'packages/core/package.json': '{ "exports": { ".": {} } }',
  'packages/core/src/index.ts': "export * from './tensor.js'\n",
  'packages/core/src/tensor.ts': "import { native } from './native.js'\n",
  'packages/core/src/native.ts': "const load = require('node-gyp-build')\n",
  'packages/core/test/busy.mjs': "require('node-gyp-build')(folder)\n",
  'packages/models/package.json': '{ "exports": { ".": {}, "./bert": {} } }',
  'packages/models/src/blocks/linear.ts': "import { matmul } from '@tiny/core'\n",
  'packages/models/src/encoder/bert.ts': "import { linear } from '../blocks/linear.js'\n",
  'packages/models/src/heads/bert.ts': "import {\n  Bert,\n} from '../encoder/bert.js'\n",
  'packages/finetune/src/trainer/trainer.ts':
    "import type { Model } from '@tiny/models'\nimport '@tiny/models/bert'\n",
  'examples/src/main.ts':
    "import { Trainer } from '@tiny/finetune'\n// import '../../packages/core/src/native.js'\n",
}

let root
const plant = (files) => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'architecture-'))
  plant(sound)
})
afterEach(() => rmSync(root, { recursive: true }))

// [the rule, by a word of its name; the path; the text with the violation on line 2]
const violations = [
  ['layers', 'native/src/graph/evaluate.cc', '\n#include "ops/gelu.h"\n'],
  ['layers', 'native/src/kernels/gelu/gelu.cc', '\n#include "graph/node.h"\n'],
  ['layers', 'native/src/base/shape.h', '\n#include "runtime/engine.h"\n'],
  ['layers', 'native/src/ops/load.cc', '\n#include "formats/gguf.h"\n'],
  ['layers', 'native/src/formats/save.cc', '\n  #  include "kernels/gelu/gelu.h"\n'],
  ['never with ..', 'native/src/ops/add.cc', '\n#include "../graph/node.h"\n'],
  ['napi.h', 'native/src/ops/add.cc', '\n#include <napi.h>\n'],
  ['napi.h', 'native/src/runtime/hook.cc', '\n#include <node_api.h>\n'],
  ['intrinsics', 'native/src/kernels/gelu/gelu.cc', '\n#include <immintrin.h>\n'],
  ['intrinsics', 'native/src/ops/add.cc', '\n#include <arm_neon.h>\n'],
  ['ISA code', 'native/src/kernels/gelu/isa/avx512.cc', '\n#include <vector>\n'],
  ['ISA code', 'native/src/kernels/gelu/body.inc', '\n#include <algorithm>\n'],
  ['packages:', 'packages/core/src/nn.ts', "\nimport { Bert } from '@tiny/models'\n"],
  ['packages:', 'packages/models/src/blocks/loss.ts', "\nimport type { Trainer } from '@tiny/finetune'\n"],
  ['packages:', 'packages/finetune/src/demo.ts', "\nconst e = await import('@tiny/examples')\n"],
  [
    'public entry only',
    'packages/models/src/blocks/norm.ts',
    "\nimport { node } from '../../../core/src/tensor.js'\n",
  ],
  [
    'public entry only',
    'packages/finetune/src/peft.ts',
    "\nimport { linear } from '@tiny/models/dist/blocks/linear.js'\n",
  ],
  ['models:', 'packages/models/src/blocks/attention.ts', "\nimport { Bert } from '../encoder/bert.js'\n"],
  ['models:', 'packages/models/src/encoder/roberta.ts', "\nimport { T5 } from '../seq2seq/t5.js'\n"],
  [
    'models:',
    'packages/models/src/decoder/gpt2.ts',
    "\nexport { generate } from '../generation/generate.js'\n",
  ],
  ['models:', 'packages/models/src/heads/masked.ts', "\nimport { fill } from '../pipelines/fill-mask.js'\n"],
  ['its entry', 'packages/core/src/random.ts', "\nimport { tensor } from './index.js'\n"],
  ['loads the binary', 'packages/core/src/memory.ts', "\nconst load = require('node-gyp-build')\n"],
  ['loads the binary', 'benchmarks/src/peaks.ts', '\nprocess.dlopen(module, path)\n'],
  ['say what is inside', 'packages/core/src/utils/shape.ts', ''],
  ['say what is inside', 'native/src/base/helpers.h', ''],
  ['skipped', 'packages/core/src/tensor.test.ts', "\nit.skip('adds', () => {})\n"],
  ['skipped', 'native/src/base/error_test.cc', '\nTEST_CASE("x" * doctest::skip()) {}\n'],
]

describe('architecture', () => {
  it('finds nothing in a sound tree', () => {
    expect(checkArchitecture(root)).toEqual([])
  })

  it.each(violations)('%s: %s', (word, path, text) => {
    plant({ [path]: text })
    const found = checkArchitecture(root)
    expect(found).toHaveLength(1)
    expect(found[0].path).toBe(path)
    expect(found[0].rule).toContain(word)
    expect(found[0].line).toBe(text === '' ? 1 : 2)
  })

  it('finds a file of more than 600 lines', () => {
    plant({ 'native/src/ops/long.cc': 'int x;\n'.repeat(600) })
    expect(checkArchitecture(root)).toEqual([])
    plant({ 'native/src/ops/long.cc': 'int x;\n'.repeat(601) })
    expect(checkArchitecture(root)).toMatchObject([{ path: 'native/src/ops/long.cc', line: 601 }])
  })

  it('has a planted violation for every rule', () => {
    const words = [...violations.map(([word]) => word), '600 lines']
    expect(rules.filter((rule) => !words.some((word) => rule.name.includes(word)))).toEqual([])
  })
})
