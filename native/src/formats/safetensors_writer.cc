#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/safetensors.h"
#include "formats/safetensors_dtypes.h"

namespace tiny {

namespace {

// As JSON: names are UTF-8 already.
std::string quoted(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

int64_t bytes_of(const TensorToSave& tensor) {
  int64_t bytes = static_cast<int64_t>(size_of(tensor.dtype));
  for (const int64_t dim : tensor.shape) bytes *= dim;
  return bytes;
}

}  // namespace

void save_safetensors(const std::string& path, std::span<const TensorToSave> tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorToSave*> ordered;
  std::set<std::string_view> names{"__metadata__"};
  for (const TensorToSave& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      throw Error(ErrorCode::Checkpoint, "",
                  "cannot write '" + path + "': the name '" + tensor.name + "' is taken or reserved",
                  {{"path", path}, {"tensor", tensor.name}});
    }
    ordered.push_back(&tensor);
  }
  std::sort(ordered.begin(), ordered.end(), [](const TensorToSave* a, const TensorToSave* b) {
    const size_t wide = size_of(a->dtype), other = size_of(b->dtype);
    return wide != other ? wide > other : a->name < b->name;
  });

  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      header += (header.back() == '{' ? "" : ",") + quoted(key) + ":" + quoted(value);
    }
    header += "}";
  }
  int64_t at = 0;
  for (const TensorToSave* tensor : ordered) {
    if (header.size() > 1) header += ",";
    header += quoted(tensor->name) + ":{\"dtype\":\"" + std::string(safetensors_name(tensor->dtype)) +
              "\",\"shape\":[";
    for (size_t i = 0; i < tensor->shape.size(); ++i)
      header += (i ? "," : "") + std::to_string(tensor->shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(at) + ",";
    at += bytes_of(*tensor);
    header += std::to_string(at) + "]}";
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');

  AtomicFile file(path);
  unsigned char prefix[8];
  for (size_t i = 0; i < 8; ++i) prefix[i] = static_cast<unsigned char>(header.size() >> (8 * i));
  file.write(prefix, sizeof prefix);
  file.write(header.data(), header.size());
  for (const TensorToSave* tensor : ordered) file.write(tensor->data, static_cast<size_t>(bytes_of(*tensor)));
  file.commit();
}

}  // namespace tiny
