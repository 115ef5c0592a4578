#pragma once

#include <cstddef>
#include <string>

namespace tiny {

// A file that is there whole or not at all: written beside its place under a temporary name, flushed
// to the disk and renamed on commit(); removed again when it is not committed. Who has the old file
// open or mapped keeps it (on Windows a mapped one cannot be replaced, which is an error).
class AtomicFile {
 public:
  // Throws CheckpointError with path and reason, as do the others. `path` is UTF-8.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void commit();

 private:
  [[noreturn]] void fail(int error) const;

  std::string path_;
  std::string temporary_;
  int file_ = -1;
};

}  // namespace tiny
