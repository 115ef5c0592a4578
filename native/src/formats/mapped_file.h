#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace tiny {

// A file mapped for reading. Pages come from the file when they are touched and go back to it when
// memory is short.
//
// Mapped memory of a file that another process truncates is gone, and touching it ends the process
// (SIGBUS); nothing short of a process-wide signal handler prevents that, and a library must not
// install one. What is prevented: require_whole() looks at the size again before every tensor is handed
// out, and savers replace files by renaming, which leaves the mapped one as it is.
class MappedFile {
 public:
  // Throws CheckpointError with the path and the system's reason. `path` is UTF-8.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

  // Throws CheckpointError if the file has become shorter since it was mapped.
  void require_whole() const;

 private:
  explicit MappedFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
#if defined(_WIN32)
  void* file_ = nullptr;  // its lock keeps others from truncating it
  void* mapping_ = nullptr;
#else
  int file_ = -1;
#endif
};

}  // namespace tiny
