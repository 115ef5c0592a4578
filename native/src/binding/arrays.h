#pragma once

#include <string>

#include "binding/environment.h"
#include "graph/node.h"

namespace tiny::binding {

// Memory of a typed array, DataView or Buffer. Valid until JavaScript runs again: copy it at once.
struct ArrayBytes {
  const void* data;
  size_t size;
};

// Checks that the array's elements are of `dtype` (Uint16Array for bfloat16 and float16, whose bits
// they are). A DataView, a Buffer or a Uint8Array is raw bytes of any dtype. Throws DTypeError, or
// OptionError for what is no ArrayBufferView.
ArrayBytes array_bytes(const Napi::Value& value, DType dtype, const std::string& what);

// A copy of the array as memory of its own; ShapeError unless it holds exactly `dims`.
std::shared_ptr<Buffer> copy_of(const Napi::Value& value, DType dtype, std::span<const int64_t> dims,
                                const std::string& what);

// A new typed array for one result, which JavaScript has not seen yet. Its memory is JavaScript's and
// starts out zero. As long as it is held back nothing can detach it and a reference keeps it alive, so
// the engine may write through `data`. Throws OutOfMemoryError.
struct NewArray {
  Napi::Value array;
  void* data;
  size_t bytes;
};
NewArray new_array(Environment& environment, DType dtype, std::span<const int64_t> dims);

// A typed array that JavaScript holds while the engine fills it, and may detach (transfer to another
// thread) or drop at any time: the engine never writes memory that only JavaScript keeps alive. A small
// result is computed elsewhere and copied when it is done. A large one lies in memory that array and
// engine own together, which Node does not let be transferred. Zero until filled.
struct OutputArray {
  Napi::Value array;
  std::shared_ptr<Buffer> buffer;  // where the engine writes
  bool copied;                     // whether `deliver` has to bring it over
};
OutputArray output_array(Environment& environment, DType dtype, std::span<const int64_t> dims);

// Copies a finished result into its array; does nothing where that was detached.
void deliver(const Buffer& buffer, const Napi::Value& array);

}  // namespace tiny::binding
