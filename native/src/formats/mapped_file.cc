#include "formats/mapped_file.h"

#include <utility>

#include "base/error.h"

#if defined(_WIN32)
#include <windows.h>

#include <filesystem>
#include <system_error>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

namespace tiny {

namespace {

Error cannot(const std::string& path, const std::string& reason) {
  return Error(ErrorCode::Checkpoint, "", "cannot read '" + path + "': " + reason, {{"path", path}});
}

}  // namespace

#if defined(_WIN32)

namespace {

std::string last_error() { return std::system_category().message(static_cast<int>(GetLastError())); }

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  std::shared_ptr<MappedFile> mapped(new MappedFile(path));
  const std::filesystem::path name(std::u8string(path.begin(), path.end()));
  HANDLE file = CreateFileW(name.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                            OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) throw cannot(path, last_error());
  mapped->file_ = file;
  LARGE_INTEGER size;
  if (!GetFileSizeEx(file, &size)) throw cannot(path, last_error());
  mapped->size_ = static_cast<size_t>(size.QuadPart);
  if (mapped->size_ == 0) return mapped;
  mapped->mapping_ = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
  if (mapped->mapping_ == nullptr) throw cannot(path, last_error());
  mapped->data_ = static_cast<const std::byte*>(MapViewOfFile(mapped->mapping_, FILE_MAP_READ, 0, 0, 0));
  if (mapped->data_ == nullptr) throw cannot(path, last_error());
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) UnmapViewOfFile(data_);
  if (mapping_ != nullptr) CloseHandle(mapping_);
  if (file_ != nullptr) CloseHandle(file_);
}

void MappedFile::require_whole() const {}

#else

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  std::shared_ptr<MappedFile> mapped(new MappedFile(path));
  // Not blocking, since a named pipe without a writer would wait for one; it makes no difference to files.
  do {
    mapped->file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (mapped->file_ < 0 && errno == EINTR);
  if (mapped->file_ < 0) throw cannot(path, std::strerror(errno));
  struct stat status;
  if (fstat(mapped->file_, &status) != 0) throw cannot(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode))
    throw cannot(path, S_ISDIR(status.st_mode) ? "it is a folder" : "it is no file");
  mapped->size_ = static_cast<size_t>(status.st_size);
  if (mapped->size_ == 0) return mapped;
  void* data = mmap(nullptr, mapped->size_, PROT_READ, MAP_PRIVATE, mapped->file_, 0);
  if (data == MAP_FAILED) throw cannot(path, std::strerror(errno));
  mapped->data_ = static_cast<const std::byte*>(data);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
  if (file_ >= 0) close(file_);
}

void MappedFile::require_whole() const {
  struct stat status;
  if (fstat(file_, &status) != 0) throw cannot(path_, std::strerror(errno));
  if (static_cast<size_t>(status.st_size) < size_) {
    throw cannot(path_, "it was cut from " + std::to_string(size_) + " to " + std::to_string(status.st_size) +
                            " bytes while it was open; load the model again");
  }
}

#endif

}  // namespace tiny
