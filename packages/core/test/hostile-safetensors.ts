// Safetensors files as an attacker or a broken download would make them.

/** A file of this header, which may be any text, and data. `length` is what it says its header's length is. */
export function safetensors(
  header: object | string,
  data: Uint8Array | number = 0,
  length?: number | bigint,
): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = typeof data === 'number' ? new Uint8Array(data) : data
  const file = new Uint8Array(8 + text.length + bytes.length)
  new DataView(file.buffer).setBigUint64(0, BigInt(length ?? text.length), true)
  file.set(text, 8)
  file.set(bytes, 8 + text.length)
  return file
}

const tensor = (shape: unknown, begin: unknown, end: unknown, dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
})

export interface HostileFile {
  /** What is wrong with it. */
  name: string
  file: Uint8Array
  /** What the message must say, beside the path. */
  says: RegExp
}

/** Every one must be refused with a CheckpointError that names the culprit, without a crash and at once. */
export const hostileFiles: HostileFile[] = [
  { name: 'empty', file: new Uint8Array(0), says: /truncated|0 bytes/ },
  { name: 'shorter than the length', file: new Uint8Array(7), says: /truncated: 7 bytes/ },
  { name: 'no header', file: safetensors('', 0), says: /no JSON object/ },
  { name: 'a header beyond the file', file: safetensors('{}', 0, 3), says: /header should have 3 bytes/ },
  { name: 'a header of gigabytes', file: safetensors('{}', 0, 4_000_000_000), says: /4000000000 bytes/ },
  {
    name: 'a header of 2^64 - 1 bytes',
    file: safetensors('{}', 0, 2n ** 64n - 1n),
    says: /18446744073709551615/,
  },
  { name: 'a negative header', file: safetensors('{}', 0, 2n ** 63n), says: /9223372036854775808/ },
  { name: 'no JSON', file: safetensors('pickle!!'), says: /no JSON object/ },
  { name: 'an array', file: safetensors('[]'), says: /no JSON object/ },
  { name: 'JSON that ends early', file: safetensors('{"a":{"dtype":"F32"'), says: /malformed header.*byte/ },
  { name: 'something after the JSON', file: safetensors('{}{}'), says: /malformed header/ },
  { name: 'deep nesting', file: safetensors(`{"a":${'['.repeat(100_000)}`), says: /malformed header/ },
  { name: 'invalid UTF-8', file: safetensorsOf(Uint8Array.of(0x7b, 0x22, 0xff, 0x22)), says: /UTF-8/ },
  { name: 'a NUL in a name', file: safetensors('{"a\u0000":1}'), says: /control character/ },
  {
    name: 'a name twice',
    file: safetensors(
      '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
    ),
    says: /'w' occurs twice/,
  },
  {
    name: 'no offsets',
    file: safetensors({ w: { dtype: 'F32', shape: [] } }, 4),
    says: /'w' needs.*data_offsets/,
  },
  {
    name: 'three offsets',
    file: safetensors({ w: { ...tensor([], 0, 4), data_offsets: [0, 4, 8] } }, 4),
    says: /'w'/,
  },
  { name: 'an unknown field', file: safetensors({ w: { ...tensor([1], 0, 4), x: 1 } }, 4), says: /'w'.*'x'/ },
  { name: 'an unknown dtype', file: safetensors({ w: tensor([1], 0, 4, 'F31') }, 4), says: /'w'.*'F31'/ },
  {
    name: 'a dtype that is a number',
    file: safetensors({ w: tensor([1], 0, 4, 32) }, 4),
    says: /malformed header/,
  },
  {
    name: 'a range beyond the file',
    file: safetensors({ w: tensor([2], 0, 8) }, 4),
    says: /'w'.*4 after its header/,
  },
  { name: 'a range that ends before it starts', file: safetensors({ w: tensor([1], 4, 0) }, 4), says: /'w'/ },
  { name: 'a negative offset', file: safetensors({ w: tensor([1], -4, 0) }, 4), says: /malformed header/ },
  { name: 'a fractional size', file: safetensors({ w: tensor([1.5], 0, 6) }, 6), says: /malformed header/ },
  { name: 'an offset beyond 2^64', file: safetensors('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,99999999999999999999]}}', 4), says: /too large/ }, // prettier-ignore
  { name: 'too few bytes for the shape', file: safetensors({ w: tensor([2, 3], 0, 4) }, 4), says: /'w'.*24/ },
  {
    name: 'a shape that overflows',
    file: safetensors({ w: tensor([2 ** 40, 2 ** 40], 0, 4) }, 4),
    says: /'w'/,
  },
  {
    name: 'a product that wraps to the right size',
    file: safetensors({ w: tensor([2 ** 62, 4, 1], 0, 0) }),
    says: /'w'/,
  },
  {
    name: 'many dimensions',
    file: safetensors({ w: tensor(Array(1000).fill(1), 0, 4) }, 4),
    says: /'w'.*dimensions/,
  },
  {
    name: 'overlapping ranges',
    file: safetensors({ a: tensor([2], 0, 8), b: tensor([2], 4, 12) }, 12),
    says: /'b' overlaps/,
  },
  {
    name: 'two tensors in one place',
    file: safetensors({ a: tensor([1], 0, 4), b: tensor([1], 0, 4) }, 4),
    says: /'[ab]' overlaps/,
  },
  {
    name: 'a hole between tensors',
    file: safetensors({ a: tensor([1], 0, 4), b: tensor([1], 8, 12) }, 12),
    says: /'b'.*no holes/,
  },
  {
    name: 'bytes of no tensor',
    file: safetensors({ a: tensor([1], 0, 4) }, 12),
    says: /8 bytes that belong to no/,
  },
  {
    name: 'metadata that is no text',
    file: safetensors({ __metadata__: { a: 1 } }),
    says: /malformed header/,
  },
  { name: 'metadata that is a list', file: safetensors({ __metadata__: [] }), says: /malformed header/ },
  {
    name: 'truncated data',
    file: safetensors({ w: tensor([4], 0, 16) }, 16).slice(0, -1),
    says: /'w'.*truncated/,
  },
]

function safetensorsOf(header: Uint8Array): Uint8Array {
  const file = new Uint8Array(8 + header.length)
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true)
  file.set(header, 8)
  return file
}
