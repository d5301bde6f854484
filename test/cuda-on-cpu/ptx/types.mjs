// The types of PTX in C++, and how operand lists are read.

/** C++ types of PTX types. */
export const TYPES = {
  pred: 'bool',
  b8: 'uint8_t',
  u8: 'uint8_t',
  s8: 'int8_t',
  b16: 'uint16_t',
  u16: 'uint16_t',
  s16: 'int16_t',
  f16: 'Float16',
  bf16: 'BFloat16',
  b32: 'uint32_t',
  u32: 'uint32_t',
  s32: 'int32_t',
  f32: 'float',
  b64: 'uint64_t',
  u64: 'uint64_t',
  s64: 'int64_t',
  f64: 'double',
}
export const SIZE = {
  b8: 1,
  u8: 1,
  s8: 1,
  b16: 2,
  u16: 2,
  s16: 2,
  f16: 2,
  bf16: 2,
  b32: 4,
  u32: 4,
  s32: 4,
  f32: 4,
  b64: 8,
  u64: 8,
  s64: 8,
  f64: 8,
}

/** The operand list of `{a, b}`, or of a single one. */
export const vector = (text) =>
  text.startsWith('{')
    ? text
        .slice(1, -1)
        .split(',')
        .map((part) => part.trim())
    : [text]
