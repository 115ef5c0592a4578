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

// A new typed array for results of `dtype`. Its memory is JavaScript's and starts out zero. As long as
// JavaScript has not seen the array, nothing can detach it, and a reference keeps it alive: so the
// engine may write through `data` while it is held back. Throws OutOfMemoryError.
struct NewArray {
  Napi::Value array;
  void* data;
  size_t bytes;
};
NewArray new_array(Environment& environment, DType dtype, std::span<const int64_t> dims);

}  // namespace tiny::binding
