// Rules of the C++ core.

/** Which layers a layer may include: `binding -> ops -> graph -> runtime -> base`, `ops -> kernels -> runtime`, `binding -> formats -> graph`. */
const mayKnow = {
  base: ['base'],
  runtime: ['runtime', 'base'],
  kernels: ['kernels', 'runtime', 'base'],
  graph: ['graph', 'runtime', 'base'],
  formats: ['formats', 'graph', 'runtime', 'base'],
  ops: ['ops', 'graph', 'kernels', 'runtime', 'base'],
  binding: ['binding', 'ops', 'formats', 'graph', 'kernels', 'runtime', 'base'],
}

const layerOf = (path) => /^native\/src\/(\w+)\//.exec(path)?.[1]
const isNative = (file) => file.path.startsWith('native/src/')
const isIsaCode = (path) =>
  /^native\/src\/kernels\/(simd\/|[^/]+\/isa\/)/.test(path) || /^native\/src\/kernels\/.*\.inc$/.test(path)

const napi = /^(napi|napi-inl|node_api|js_native_api)(\.|$)/
const intrinsics = /^([xeptnsw]?mmintrin|immintrin|x86intrin|ammintrin|avx\w*intrin|arm_\w+)\.h$/
// Headers whose inline functions would come out of an ISA file as weak symbols with that ISA's instructions.
const sharedCode =
  /^(algorithm|array|atomic|chrono|complex|functional|future|iostream|map|memory|mutex|numeric|optional|random|set|span|sstream|stdexcept|string|string_view|thread|tuple|unordered_map|unordered_set|valarray|variant|vector)$/

function layerOfInclude(file, include) {
  if (include.system) return undefined
  const first = include.target.split('/')[0]
  return first in mayKnow ? first : undefined
}

export const nativeRules = [
  {
    name: 'layers: binding -> ops -> graph -> runtime -> base, ops -> kernels -> runtime, binding -> formats -> graph',
    check: (file) => {
      const layer = layerOf(file.path)
      if (!layer) return []
      if (!(layer in mayKnow)) return [{ line: 1, what: `${layer}/ is not a layer of the core` }]
      return file.references.flatMap((include) => {
        const known = layerOfInclude(file, include)
        return known && !mayKnow[layer].includes(known)
          ? [{ line: include.line, what: `${layer} includes "${include.target}"` }]
          : []
      })
    },
  },
  {
    name: 'includes name their file from native/src, never with ..',
    check: (file) =>
      isNative(file)
        ? file.references
            .filter((include) => include.target.split('/').includes('..'))
            .map((include) => ({ line: include.line, what: `includes "${include.target}"` }))
        : [],
  },
  {
    name: 'napi.h appears only in binding',
    check: (file) =>
      isNative(file) && layerOf(file.path) !== 'binding'
        ? file.references
            .filter((include) => napi.test(include.target))
            .map((include) => ({ line: include.line, what: `includes ${include.target}` }))
        : [],
  },
  {
    name: 'intrinsics appear only in kernels/simd, kernels/*/isa and the bodies they include',
    check: (file) =>
      isNative(file) && !isIsaCode(file.path)
        ? file.references
            .filter((include) => intrinsics.test(include.target))
            .map((include) => ({ line: include.line, what: `includes ${include.target}` }))
        : [],
  },
  {
    name: 'ISA code shares no inline code of the C++ library',
    check: (file) =>
      isNative(file) && isIsaCode(file.path)
        ? file.references
            .filter((include) => include.system && sharedCode.test(include.target))
            .map((include) => ({ line: include.line, what: `includes <${include.target}>` }))
        : [],
  },
]
