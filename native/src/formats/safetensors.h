#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/dtype.h"
#include "formats/mapped_file.h"
#include "runtime/memory.h"

namespace tiny {

// A tensor of a file: where it lies and what it is. Types of the format that this software does not
// compute with (F8_E4M3, BOOL, …) have no dtype: they may be in a file, but not be read.
struct StoredTensor {
  std::string name;
  std::string stored_dtype;  // as the file spells it, "BF16"
  std::optional<DType> dtype;
  std::vector<int64_t> shape;
  int64_t begin = 0, end = 0;  // bytes, from the end of the header
};

// A safetensors file (https://github.com/huggingface/safetensors): eight bytes of header length, a JSON
// header, the tensors' bytes. The header is believed in nothing: every range is checked against the file
// and the others before a tensor is touched, and all errors are CheckpointErrors that name file and tensor.
class Safetensors {
 public:
  static std::shared_ptr<const Safetensors> open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // by place in the file
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  const StoredTensor* find(std::string_view name) const;  // null if there is none

  // The tensor's bytes: a window of the map that keeps it alive, or, where the file does not align them
  // to their dtype, a copy. Throws CheckpointError when it is missing, of a type without dtype, or when
  // the file was cut after it was opened.
  std::shared_ptr<Buffer> read(std::string_view name) const;

 private:
  void read_header();
  void check_ranges(int64_t bytes);
  [[noreturn]] void fail(const std::string& what, const std::string& tensor = {}) const;

  std::shared_ptr<const MappedFile> file_;
  size_t data_ = 0;  // where the header ends
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;
  std::map<std::string, std::string> metadata_;
};

struct TensorToSave {
  std::string name;
  DType dtype = DType::Float32;
  std::vector<int64_t> shape;
  const void* data = nullptr;  // contiguous; alive until the file is written
};

// Writes a file that is there whole or not at all (AtomicFile). Wider dtypes come first, so that every
// tensor is aligned to its own; names decide among equals, so that equal models are equal files.
// Throws CheckpointError for a name that occurs twice or is reserved, and for what the system refuses.
void save_safetensors(const std::string& path, std::span<const TensorToSave> tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace tiny
