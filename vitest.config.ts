import { defineConfig } from 'vitest/config'

// Tests run on the sources of every package: the condition stands first in each package.json's exports.
const conditions = ['@tiny/source', 'node', 'import', 'module', 'default']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['{packages/*,examples,benchmarks}/src/**/*.test.ts', 'scripts/**/*.test.mjs'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
