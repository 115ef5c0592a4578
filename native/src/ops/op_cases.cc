#include "ops/op_cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tiny {

namespace {

template <typename T>
Value filled(DType dtype, const Shape& shape, const std::vector<double>& values) {
  auto buffer = Buffer::allocate(values.size() * sizeof(T));
  T* to = static_cast<T*>(buffer->data());
  for (size_t i = 0; i < values.size(); ++i) to[i] = static_cast<T>(values[i]);
  return constant(Type(dtype, shape), std::move(buffer));
}

template <typename T>
std::vector<double> widened(const void* data, size_t count) {
  const T* from = static_cast<const T*>(data);
  return {from, from + count};
}

// The upper half of a float.
std::vector<double> widened_bf16(const void* data, size_t count) {
  std::vector<double> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = uint32_t{static_cast<const uint16_t*>(data)[i]} << 16;
    float number;
    std::memcpy(&number, &bits, sizeof number);
    numbers[i] = number;
  }
  return numbers;
}

std::vector<double> widened_f16(const void* data, size_t count) {
  std::vector<double> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    const uint16_t bits = static_cast<const uint16_t*>(data)[i];
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double magnitude = exponent == 31  ? (mantissa != 0 ? NAN : INFINITY)
                             : exponent == 0 ? std::ldexp(mantissa, -24)
                                             : std::ldexp(1024 + mantissa, exponent - 25);
    numbers[i] = bits >> 15 ? -magnitude : magnitude;
  }
  return numbers;
}

}  // namespace

Draw::Draw(DType floating, Purpose purpose, uint64_t seed, int trial)
    : floating_(floating),
      purpose_(purpose),
      state_(seed * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(trial)),
      trial_(trial) {}

// SplitMix64 (Steele et al. 2014).
uint64_t Draw::next() {
  uint64_t z = state_ += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

int64_t Draw::below(int64_t bound) { return static_cast<int64_t>(next() % static_cast<uint64_t>(bound)); }

double Draw::uniform(double low, double high) {
  return static_cast<float>(low + (high - low) * (static_cast<double>(next() >> 11) * 0x1p-53));
}

double Draw::normal() {
  const double u = 1 - uniform(0, 0.999999), v = uniform(0, 6.283185307179586);
  return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(v));
}

int64_t Draw::size(int64_t small, int64_t large) {
  const int64_t drawn = 1 + below(purpose_ == Purpose::Gradient ? small : large);
  if (purpose_ == Purpose::Gradient) return drawn;
  if (trial_ == 0) return 1;
  if (trial_ == 1) return large;
  return std::min(drawn | 1, large);
}

int64_t Draw::rows(int64_t small, int64_t large) {
  const int64_t drawn = size(small, large);
  return purpose_ == Purpose::Comparison && trial_ == 2 ? 0 : drawn;
}

Value Draw::normals(const Shape& shape, double scale) {
  std::vector<double> values(static_cast<size_t>(elements(shape).value()));
  for (double& value : values) value = static_cast<float>(normal() * scale);
  return numbers(shape, values);
}

Value Draw::uniforms(const Shape& shape, double low, double high) {
  std::vector<double> values(static_cast<size_t>(elements(shape).value()));
  for (double& value : values) value = uniform(low, high);
  return numbers(shape, values);
}

Value Draw::integers(const Shape& shape, int64_t low, int64_t high) {
  std::vector<int32_t> values(static_cast<size_t>(elements(shape).value()));
  for (int32_t& value : values) value = static_cast<int32_t>(low + below(high - low));
  return integers(shape, values);
}

Value Draw::numbers(const Shape& shape, const std::vector<double>& values) {
  return floating_ == DType::Float64 ? filled<double>(floating_, shape, values)
                                     : filled<float>(floating_, shape, values);
}

Value Draw::integers(const Shape& shape, const std::vector<int32_t>& values) {
  return filled<int32_t>(DType::Int32, shape, {values.begin(), values.end()});
}

Value Draw::offsets(int64_t sequences, int64_t total) {
  std::vector<int32_t> values{0};
  for (int64_t i = 1; i < sequences; ++i) values.push_back(static_cast<int32_t>(below(total + 1)));
  std::sort(values.begin(), values.end());
  values.push_back(static_cast<int32_t>(total));
  return integers({Dim(sequences + 1)}, values);
}

std::vector<OpCase> all_op_cases() {
  std::vector<OpCase> cases;
  for (const auto& list : {attention_cases(), cast_cases(), elementwise_cases(), expert_cases(),
                           gather_cases(), linear_cross_entropy_cases(), matmul_cases(), norm_cases(),
                           random_cases(), reduce_cases(), rope_cases(), score_edit_cases(), shape_cases(),
                           softmax_cases(), state_space_cases(), top_k_cases()}) {
    cases.insert(cases.end(), list.begin(), list.end());
  }
  return cases;
}

Attributes op_attributes(std::initializer_list<std::pair<const char*, Attributes::Item>> items) {
  Attributes attributes;
  for (const auto& [name, item] : items) attributes.set(name, item);
  return attributes;
}

std::vector<double> numbers_of(const Value& value) {
  const auto buffer = value.node->result(value.index);
  const auto count = static_cast<size_t>(elements(value.shape()).value());
  switch (value.dtype()) {
    case DType::Float32:
      return widened<float>(buffer->data(), count);
    case DType::Float64:
      return widened<double>(buffer->data(), count);
    case DType::BFloat16:
      return widened_bf16(buffer->data(), count);
    case DType::Float16:
      return widened_f16(buffer->data(), count);
    case DType::Int32:
      return widened<int32_t>(buffer->data(), count);
    case DType::Int64:
      return widened<int64_t>(buffer->data(), count);
    case DType::Int8:
      return widened<int8_t>(buffer->data(), count);
    case DType::UInt8:
      return widened<uint8_t>(buffer->data(), count);
  }
  return {};
}

}  // namespace tiny
