#include "formats/safetensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/error.h"

namespace tiny {

namespace {

namespace fs = std::filesystem;

// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    static int next = 0;
    path_ =
        fs::temp_directory_path() / ("tiny-safetensors-" + std::to_string(reinterpret_cast<uintptr_t>(this)) +
                                     "-" + std::to_string(next++));
    fs::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  fs::path path_;
};

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string length_of(uint64_t length) {
  std::string prefix(8, '\0');
  for (size_t i = 0; i < 8; ++i) prefix[i] = static_cast<char>(length >> (8 * i));
  return prefix;
}

std::string with_header(const std::string& header, size_t data) {
  return length_of(header.size()) + header + std::string(data, '\x01');
}

// What opening `bytes` as a file says.
std::string complaint(const Folder& folder, const std::string& bytes) {
  const std::string path = folder.file("hostile.safetensors");
  write(path, bytes);
  try {
    Safetensors::open(path);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::Checkpoint);
    CHECK(std::string(error.what()).find(path) != std::string::npos);
    return error.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("what is written is read, byte for byte, in every dtype") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  std::vector<std::string> contents;
  std::vector<TensorToSave> tensors;
  constexpr DType kDTypes[] = {DType::UInt8, DType::BFloat16, DType::Float64, DType::Float32,
                               DType::Int8,  DType::Float16,  DType::Int32,   DType::Int64};
  contents.reserve(std::size(kDTypes));
  for (const DType dtype : kDTypes) {
    std::string bytes(15 * size_of(dtype), '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 37 + size_of(dtype));
    contents.push_back(bytes);
    tensors.push_back(
        {"layer." + std::string(name_of(dtype)) + ".\"weight\"\n", dtype, {3, 5}, contents.back().data()});
  }
  tensors.push_back({"empty", DType::Float32, {0, 7}, nullptr});
  const float scalar = 2.5f;
  tensors.push_back({"scalar", DType::Float32, {}, &scalar});
  save_safetensors(path, tensors, {{"format", "pt"}, {"note", "a \\ \x01"}});
  CHECK(folder.entries() == 1);

  const auto file = Safetensors::open(path);
  CHECK(file->tensors().size() == tensors.size());
  CHECK(file->metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"note", "a \\ \x01"}});
  for (const TensorToSave& tensor : tensors) {
    CAPTURE(tensor.name);
    const StoredTensor* stored = file->find(tensor.name);
    REQUIRE(stored != nullptr);
    CHECK(stored->dtype == tensor.dtype);
    CHECK(stored->shape == tensor.shape);
    const auto buffer = file->read(tensor.name);
    CHECK(buffer->mapped());
    CHECK(reinterpret_cast<uintptr_t>(buffer->data()) % size_of(tensor.dtype) == 0);
    CHECK(std::memcmp(buffer->data(), tensor.data == nullptr ? "" : tensor.data, buffer->bytes()) == 0);
  }
  CHECK(file->find("absent") == nullptr);

  const std::string whole = bytes_of(path);
  CHECK(static_cast<unsigned char>(whole[0]) % 8 == 0);
  std::reverse(tensors.begin(), tensors.end());
  save_safetensors(path, tensors, {{"note", "a \\ \x01"}, {"format", "pt"}});
  CHECK(bytes_of(path) == whole);
  // The file that was replaced is still mapped.
  CHECK(*static_cast<const float*>(file->read("scalar")->data()) == 2.5f);
}

TEST_CASE("a buffer keeps the map alive") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  const float value = 7;
  const TensorToSave tensor{"a", DType::Float32, {1}, &value};
  save_safetensors(path, {&tensor, 1});
  auto file = Safetensors::open(path);
  const auto buffer = file->read("a");
  file.reset();
  fs::remove(path);
  CHECK(*static_cast<const float*>(buffer->data()) == 7);
}

TEST_CASE("a tensor that the file does not align is copied") {
  const Folder folder;
  const std::string path = folder.file("odd.safetensors");
  const std::string header = R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[3,11]}})";
  write(path, with_header(header, 11));
  const auto buffer = Safetensors::open(path)->read("b");
  CHECK_FALSE(buffer->mapped());
  CHECK(buffer->bytes() == 8);
  CHECK(static_cast<const uint32_t*>(buffer->data())[1] == 0x01010101u);
}

TEST_CASE("hostile files are errors that name the file") {
  const Folder folder;
  const auto tensor = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  CHECK(says(complaint(folder, ""), "truncated"));
  CHECK(says(complaint(folder, "1234567"), "truncated"));
  CHECK(says(complaint(folder, length_of(5) + "{}"), "truncated"));
  CHECK(says(complaint(folder, length_of(uint64_t{3} << 30) + "{}"), "3221225472"));
  CHECK(says(complaint(folder, length_of(~uint64_t{0}) + "{}"), "18446744073709551615"));
  CHECK(says(complaint(folder, length_of(0)), "no safetensors file"));
  CHECK(says(complaint(folder, "PK\x03\x04 this is a pickle of PyTorch's"), "no safetensors file"));
  CHECK(says(complaint(folder, with_header("[]", 0)), "no safetensors file"));
  CHECK(says(complaint(folder, with_header(std::string(1 << 20, '{'), 0)), "malformed"));
  CHECK(says(complaint(folder, with_header("{\"w\":" + std::string(1 << 20, '['), 0)), "malformed"));
  CHECK(says(complaint(folder, with_header("{} x", 0)), "malformed"));
  CHECK(says(complaint(folder, with_header("{\"__metadata__\":{\"a\":1}}", 0)), "malformed"));
  CHECK(says(complaint(folder, with_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4)), "'w' needs"));
  CHECK(says(complaint(folder, with_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"offset\":0}}", 4)),
             "'offset'"));

  CHECK(complaint(folder, with_header(tensor("F32", "[1]", "[0,4]"), 4)).empty());
  CHECK(says(complaint(folder, with_header(tensor("F99", "[1]", "[0,4]"), 4)),
             "'w' has the unknown dtype 'F99'"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[2]", "[0,8]"), 4)), "'w' lies at bytes 0 to 8"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[1]", "[4,0]"), 4)), "'w' lies at bytes 4 to 0"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[1]", "[0,9223372036854775807]"), 4)), "'w' lies"));
  CHECK(
      says(complaint(folder, with_header(tensor("F32", "[1]", "[0,9223372036854775808]"), 4)), "too large"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[1]", "[-4,0]"), 4)), "malformed"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[1]", "[0,4,8]"), 4)), "more than two"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[2]", "[0,4]"), 4)), "'w' has 4 bytes"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[1]", "[0,3]"), 3)), "'w' has 3 bytes"));
  CHECK(says(complaint(folder, with_header(tensor("F4", "[1]", "[0,1]"), 1)), "'w' has 1 bytes"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[4294967296,4294967296,4]", "[0,4]"), 4)),
             "counted"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[-1]", "[0,4]"), 4)), "malformed"));
  std::string dims = "[1";
  for (int i = 0; i < 1000; ++i) dims += ",1";
  CHECK(says(complaint(folder, with_header(tensor("F32", dims + "]", "[0,4]"), 4)), "too many dimensions"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[1]", "[0,4]"), 9)),
             "5 bytes that belong to no tensor"));
  CHECK(says(complaint(folder, with_header(tensor("F32", "[1]", "[4,8]"), 8)), "no holes"));

  const auto two = [](const std::string& first, const std::string& second, const std::string& other) {
    return R"({"w":{"dtype":"U8","shape":[4],"data_offsets":)" + first + R"(},")" + other +
           R"(":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  CHECK(complaint(folder, with_header(two("[4,8]", "[0,4]", "v"), 8)).empty());
  CHECK(says(complaint(folder, with_header(two("[0,4]", "[2,6]", "v"), 6)), "'v' overlaps"));
  CHECK(says(complaint(folder, with_header(two("[0,4]", "[0,4]", "v"), 4)), "overlaps"));
  CHECK(says(complaint(folder, with_header(two("[0,4]", "[5,9]", "v"), 9)), "'v' starts at byte 5"));
  CHECK(says(complaint(folder, with_header(two("[0,4]", "[4,8]", "w"), 8)), "'w' occurs twice"));
}

TEST_CASE("every truncation of a good file is an error") {
  const Folder folder;
  const std::string whole = with_header(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(complaint(folder, whole.substr(0, size)).empty());
  }
  CHECK(complaint(folder, whole).empty());
}

TEST_CASE("damaged headers never do worse than an error") {
  const Folder folder;
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  uint64_t state = 1;
  for (int trial = 0; trial < 400; ++trial) {
    std::string damaged = header;
    for (int change = 0; change < 2; ++change) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      damaged[(state >> 33) % damaged.size()] = "{}[]\",:0189e\\u \xff"[(state >> 20) % 16];
    }
    complaint(folder, with_header(damaged, 8));
  }
}

TEST_CASE("reading what is not there, or not computed with, names the tensor") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  write(path, with_header(R"({"mask":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}})", 4));
  const auto file = Safetensors::open(path);
  CHECK_THROWS_WITH(file->read("w"), doctest::Contains("'w' is not in the file"));
  CHECK_THROWS_WITH(file->read("mask"), doctest::Contains("'mask' has dtype BOOL"));
  CHECK_THROWS_WITH(Safetensors::open(folder.file("none")), doctest::Contains("none"));
  CHECK_THROWS_WITH(Safetensors::open(folder.file("")), doctest::Contains("cannot read"));
}

#if !defined(_WIN32)
TEST_CASE("a file that is cut after it was opened is an error, not a crash") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  const std::vector<float> values(100'000, 1.0f);
  const TensorToSave tensor{"w", DType::Float32, {100'000}, values.data()};
  save_safetensors(path, {&tensor, 1});
  const auto file = Safetensors::open(path);
  fs::resize_file(path, 1000);
  CHECK_THROWS_WITH(file->read("w"), doctest::Contains("was cut"));
}
#endif

TEST_CASE("a file that cannot be written leaves nothing behind") {
  const Folder folder;
  const float value = 7;
  const TensorToSave twice[] = {{"a", DType::Float32, {1}, &value}, {"a", DType::Float32, {1}, &value}};
  CHECK_THROWS_WITH(save_safetensors(folder.file("a"), twice), doctest::Contains("'a' is taken"));
  const TensorToSave reserved{"__metadata__", DType::Float32, {1}, &value};
  CHECK_THROWS_AS(save_safetensors(folder.file("a"), {&reserved, 1}), Error);
  CHECK_THROWS_WITH(save_safetensors(folder.file("none/a"), {twice, 1}), doctest::Contains("none"));
  CHECK(folder.entries() == 0);
  // A folder is in the way of the rename.
  fs::create_directories(folder.file("a/b"));
  CHECK_THROWS_AS(save_safetensors(folder.file("a"), {twice, 1}), Error);
  CHECK(folder.entries() == 1);
}

}  // namespace

}  // namespace tiny
