#include "binding/arrays.h"

#include <cstdlib>
#include <cstring>
#include <optional>

#include "binding/conversion.h"
#include "binding/errors.h"
#include "runtime/memory.h"

namespace tiny::binding {

namespace {

constexpr int kFloat16Array = 11;  // napi_float16_array of newer headers

// Bytes from which a copy on JavaScript's thread is worth avoiding: some 100 µs.
constexpr size_t kSharedFrom = size_t{1} << 20;

napi_typedarray_type element_kind(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return napi_float32_array;
    case DType::Float64:
      return napi_float64_array;
    case DType::BFloat16:
    case DType::Float16:
      return napi_uint16_array;
    case DType::Int32:
      return napi_int32_array;
    case DType::Int64:
      return napi_bigint64_array;
    case DType::Int8:
      return napi_int8_array;
    case DType::UInt8:
      return napi_uint8_array;
  }
  throw Error(ErrorCode::Internal, "", "a dtype without a typed array");
}

const char* array_name(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return "Float32Array";
    case DType::Float64:
      return "Float64Array";
    case DType::BFloat16:
    case DType::Float16:
      return "Uint16Array";
    case DType::Int32:
      return "Int32Array";
    case DType::Int64:
      return "BigInt64Array";
    case DType::Int8:
      return "Int8Array";
    case DType::UInt8:
      return "Uint8Array";
  }
  return "typed array";
}

size_t element_size(napi_typedarray_type kind) {
  switch (kind) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return 1;
    case napi_int16_array:
    case napi_uint16_array:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:
      return static_cast<int>(kind) == kFloat16Array ? 2 : 0;
  }
}

bool fits(napi_typedarray_type kind, DType dtype) {
  if (kind == element_kind(dtype) || kind == napi_uint8_array) return true;
  return dtype == DType::Float16 && static_cast<int>(kind) == kFloat16Array;
}

void check(napi_env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

Napi::Value typed_array(napi_env env, DType dtype, size_t bytes, napi_value buffer) {
  napi_value array;
  check(env, napi_create_typedarray(env, element_kind(dtype), bytes / size_of(dtype), buffer, 0, &array));
  return Napi::Value(env, array);
}

// Nothing where the system has no memory or the host (Electron) allows no memory but JavaScript's own:
// the caller's other way tells why.
std::optional<OutputArray> shared_array(napi_env env, DType dtype, size_t bytes) {
  // calloc: fresh pages are zero already and are touched by the engine first.
  using Memory = std::shared_ptr<void>;
  const Memory memory(std::calloc(bytes, 1), std::free);
  if (!memory) return std::nullopt;
  auto hold = std::make_unique<Memory>(memory);
  napi_value buffer;
  const auto release = [](napi_env, void*, void* held) { delete static_cast<Memory*>(held); };
  if (napi_create_external_arraybuffer(env, memory.get(), bytes, release, hold.get(), &buffer) != napi_ok) {
    return std::nullopt;
  }
  hold.release();
  return OutputArray{typed_array(env, dtype, bytes, buffer), Buffer::view(memory.get(), bytes, memory),
                     false};
}

}  // namespace

ArrayBytes array_bytes(const Napi::Value& value, DType dtype, const std::string& what) {
  const napi_env env = value.Env();
  void* data = nullptr;
  size_t length = 0;
  if (value.IsDataView()) {
    check(env, napi_get_dataview_info(env, value, &length, &data, nullptr, nullptr));
    return {data, length};
  }
  if (!value.IsTypedArray()) throw wrong_argument(what + " must be a typed array, a DataView or a Buffer");
  napi_typedarray_type kind = napi_uint8_array;
  check(env, napi_get_typedarray_info(env, value, &kind, &length, &data, nullptr, nullptr));
  if (!fits(kind, dtype)) {
    throw Error(ErrorCode::DType, "",
                what + " of dtype " + std::string(name_of(dtype)) + " must be given as " + array_name(dtype) +
                    " or as raw bytes");
  }
  return {data, length * element_size(kind)};
}

std::shared_ptr<Buffer> copy_of(const Napi::Value& value, DType dtype, std::span<const int64_t> dims,
                                const std::string& what) {
  const ArrayBytes bytes = array_bytes(value, dtype, what);
  const size_t expected = dense_bytes(dims, dtype);
  if (bytes.size != expected) {
    const Shape shape(dims.begin(), dims.end());
    throw Error(ErrorCode::Shape, "",
                what + " of shape " + str(shape) + " has " + std::to_string(expected / size_of(dtype)) +
                    " elements, the array given " + std::to_string(bytes.size / size_of(dtype)),
                {{"shape", str(shape)},
                 {"expected", static_cast<double>(expected / size_of(dtype))},
                 {"given", static_cast<double>(bytes.size / size_of(dtype))}});
  }
  std::shared_ptr<Buffer> buffer = Buffer::allocate(bytes.size);
  if (bytes.size > 0) std::memcpy(buffer->data(), bytes.data, bytes.size);
  return buffer;
}

NewArray new_array(Environment& environment, DType dtype, std::span<const int64_t> dims) {
  const size_t bytes = dense_bytes(dims, dtype);
  check_memory(static_cast<int64_t>(bytes), "an array of results");
  const Napi::Env env = environment.env();
  // Through JavaScript's constructor, which throws where the C function ends the process.
  Napi::Value buffer;
  try {
    buffer = environment.array_buffer.New({Napi::Number::New(env, static_cast<double>(bytes))});
  } catch (const Napi::Error&) {
    throw Error(
        ErrorCode::Memory, "", "JavaScript gives no array of " + std::to_string(bytes) + " bytes for results",
        {{"requested", static_cast<double>(bytes)}, {"held", static_cast<double>(memory_stats().live)}});
  }
  NewArray made{{}, nullptr, bytes};
  check(env, napi_get_arraybuffer_info(env, buffer, &made.data, nullptr));
  made.array = typed_array(env, dtype, bytes, buffer);
  return made;
}

OutputArray output_array(Environment& environment, DType dtype, std::span<const int64_t> dims) {
  if (const size_t bytes = dense_bytes(dims, dtype); bytes >= kSharedFrom) {
    check_memory(static_cast<int64_t>(bytes), "an array of results");
    if (std::optional<OutputArray> shared = shared_array(environment.env(), dtype, bytes)) return *shared;
  }
  const NewArray own = new_array(environment, dtype, dims);
  return {own.array, Buffer::allocate(own.bytes), true};
}

void deliver(const Buffer& buffer, const Napi::Value& array) {
  void* data = nullptr;
  size_t length = 0;
  napi_typedarray_type kind = napi_uint8_array;
  check(array.Env(), napi_get_typedarray_info(array.Env(), array, &kind, &length, &data, nullptr, nullptr));
  if (length * element_size(kind) == buffer.bytes() && length > 0)
    std::memcpy(data, buffer.data(), buffer.bytes());
}

}  // namespace tiny::binding
