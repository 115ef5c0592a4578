#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "formats/json_reader.h"
#include "formats/safetensors_dtypes.h"

namespace tiny {

namespace {

constexpr size_t kPrefix = 8;
constexpr size_t kMostDims = 32;
constexpr uint64_t kMostHeader = 100'000'000;  // bytes; the reference implementation's limit

// Multiplies unless the product leaves int64.
bool multiply(int64_t& product, int64_t factor) { return !__builtin_mul_overflow(product, factor, &product); }

}  // namespace

void Safetensors::fail(const std::string& what, const std::string& tensor) const {
  std::map<std::string, Error::Fact> facts{{"path", path()}};
  if (!tensor.empty()) facts.emplace("tensor", tensor);
  throw Error(ErrorCode::Checkpoint, "",
              "'" + path() + "': " + (tensor.empty() ? "" : "tensor '" + tensor + "' ") + what,
              std::move(facts));
}

std::shared_ptr<const Safetensors> Safetensors::open(const std::string& path) {
  auto opened = std::make_shared<Safetensors>();
  opened->file_ = MappedFile::open(path);
  opened->read_header();
  return opened;
}

void Safetensors::read_header() {
  const size_t size = file_->size();
  if (size < kPrefix) fail("is truncated: " + std::to_string(size) + " bytes are no safetensors file");
  uint64_t length = 0;
  for (size_t i = 0; i < kPrefix; ++i) length |= std::to_integer<uint64_t>(file_->data()[i]) << (8 * i);
  if (length > kMostHeader) {
    fail("says that its header has " + std::to_string(length) + " bytes; more than " +
         std::to_string(kMostHeader) + " are not accepted, it is damaged or no safetensors file");
  }
  if (length > size - kPrefix) {
    fail("is truncated: its header should have " + std::to_string(length) + " bytes, the file has " +
         std::to_string(size));
  }
  data_ = kPrefix + length;
  const std::string_view text(reinterpret_cast<const char*>(file_->data()) + kPrefix, length);
  if (text.empty() || text.front() != '{') fail("has no JSON object for a header: it is no safetensors file");
  JsonReader json(text);
  const auto read_tensor = [&](const std::string& name) {
    StoredTensor tensor;
    tensor.name = name;
    bool has_dtype = false, has_shape = false;
    std::vector<int64_t> offsets;
    json.object([&](const std::string& field) {
      if (field == "dtype") {
        tensor.stored_dtype = json.string();
        has_dtype = true;
      } else if (field == "shape") {
        json.array([&] {
          if (tensor.shape.size() == kMostDims) json.fail("tensor '" + name + "' has too many dimensions");
          tensor.shape.push_back(json.size());
        });
        has_shape = true;
      } else if (field == "data_offsets") {
        json.array([&] {
          if (offsets.size() == 2) json.fail("tensor '" + name + "' has more than two data_offsets");
          offsets.push_back(json.size());
        });
      } else {
        json.fail("tensor '" + name + "' has an unknown field '" + field + "'");
      }
    });
    if (!has_dtype || !has_shape || offsets.size() != 2) {
      json.fail("tensor '" + name + "' needs dtype, shape and two data_offsets");
    }
    tensor.begin = offsets[0];
    tensor.end = offsets[1];
    tensors_.push_back(std::move(tensor));
  };
  try {
    json.object([&](const std::string& key) {
      if (key != "__metadata__") return read_tensor(key);
      json.object([&](const std::string& name) { metadata_.emplace(name, json.string()); });
    });
    json.end();
  } catch (const Error& error) {
    fail(std::string("has a malformed header: ") + error.what());
  }
  check_ranges(static_cast<int64_t>(size - data_));
  for (size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

// The format allows neither holes nor overlaps, so that a file has no room for anything else.
void Safetensors::check_ranges(int64_t bytes) {
  for (StoredTensor& tensor : tensors_) {
    const SafetensorsDType* known = safetensors_dtype(tensor.stored_dtype);
    if (known == nullptr) fail("has the unknown dtype '" + tensor.stored_dtype + "'", tensor.name);
    tensor.dtype = known->dtype;
    if (tensor.begin > tensor.end || tensor.end > bytes) {
      fail("lies at bytes " + std::to_string(tensor.begin) + " to " + std::to_string(tensor.end) +
               ", the file has " + std::to_string(bytes) + " after its header; it is truncated or damaged",
           tensor.name);
    }
    int64_t bits = known->bits;
    bool empty = false, fits = true;
    for (const int64_t dim : tensor.shape) {
      empty = empty || dim == 0;
      if (dim != 0) fits = fits && multiply(bits, dim);
    }
    if (!fits) fail("has a shape with more elements than can be counted", tensor.name);
    if (empty) bits = 0;
    if (bits % 8 != 0 || bits / 8 != tensor.end - tensor.begin) {
      fail("has " + std::to_string(tensor.end - tensor.begin) + " bytes where its shape and dtype " +
               tensor.stored_dtype + " take " + std::to_string((bits + 7) / 8),
           tensor.name);
    }
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  int64_t at = 0;
  for (const StoredTensor& tensor : tensors_) {
    if (tensor.begin < at) fail("overlaps the tensor before it", tensor.name);
    if (tensor.begin > at) {
      fail("starts at byte " + std::to_string(tensor.begin) + ", the tensor before it ends at " +
               std::to_string(at) + "; the format allows no holes",
           tensor.name);
    }
    at = tensor.end;
  }
  if (at != bytes) {
    fail("has " + std::to_string(bytes - at) + " bytes that belong to no tensor: it is damaged");
  }
}

const StoredTensor* Safetensors::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

std::shared_ptr<Buffer> Safetensors::read(std::string_view name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) fail("is not in the file", std::string(name));
  if (!tensor->dtype)
    fail("has dtype " + tensor->stored_dtype + ", which cannot be computed with", tensor->name);
  file_->require_whole();
  const std::byte* data = file_->data() + data_ + tensor->begin;
  const size_t bytes = static_cast<size_t>(tensor->end - tensor->begin);
  if (reinterpret_cast<uintptr_t>(data) % size_of(*tensor->dtype) == 0) {
    return Buffer::view(const_cast<std::byte*>(data), bytes, file_);
  }
  std::shared_ptr<Buffer> copy = Buffer::allocate(bytes);
  if (bytes > 0) std::memcpy(copy->data(), data, bytes);
  return copy;
}

}  // namespace tiny
