#include "formats/atomic_file.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"

#if defined(_WIN32)
#include <io.h>
#include <process.h>
#include <share.h>
#include <sys/stat.h>
#else
#include <unistd.h>
#endif

namespace tiny {

namespace {

namespace fs = std::filesystem;

fs::path native(const std::string& path) { return fs::path(std::u8string(path.begin(), path.end())); }

// One a process and call: several savers may write to one folder.
std::string temporary_name(const std::string& path) {
  static std::atomic<int> next{0};
#if defined(_WIN32)
  const int process = _getpid();
#else
  const int process = static_cast<int>(getpid());
#endif
  return path + ".tmp-" + std::to_string(process) + "-" + std::to_string(next.fetch_add(1));
}

int open_new(const std::string& path) {
#if defined(_WIN32)
  int file = -1;
  _wsopen_s(&file, native(path).c_str(), _O_CREAT | _O_EXCL | _O_WRONLY | _O_BINARY, _SH_DENYWR,
            _S_IREAD | _S_IWRITE);
  return file;
#else
  return ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
#endif
}

// Bytes written, or -1.
int64_t write_some(int file, const char* data, size_t bytes) {
#if defined(_WIN32)
  return _write(file, data, static_cast<unsigned>(bytes));
#else
  return ::write(file, data, bytes);
#endif
}

int flush(int file) {
#if defined(_WIN32)
  return _commit(file);
#else
  return fsync(file);
#endif
}

int close_file(int file) {
#if defined(_WIN32)
  return _close(file);
#else
  return ::close(file);
#endif
}

// A rename is on the disk only when its folder is. File systems that cannot flush one are left to it.
void flush_folder([[maybe_unused]] const fs::path& folder) {
#if !defined(_WIN32)
  const int file = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  ::close(file);
#endif
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(temporary_name(path_)) {
  file_ = open_new(temporary_);
  if (file_ < 0) fail(errno);
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  close_file(file_);
  std::error_code ignored;
  fs::remove(native(temporary_), ignored);
}

void AtomicFile::fail(int error) const {
  throw Error(ErrorCode::Checkpoint, "",
              "cannot write '" + path_ + "': " + std::error_code(error, std::generic_category()).message(),
              {{"path", path_}});
}

void AtomicFile::write(const void* data, size_t bytes) {
  constexpr size_t kMost = size_t{1} << 30;  // what every system takes in one call
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const int64_t written = write_some(file_, from, std::min(bytes, kMost));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    from += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  if (flush(file_) != 0) fail(errno);
  const int closed = close_file(std::exchange(file_, -1));
  std::error_code error = closed == 0 ? std::error_code() : std::error_code(errno, std::generic_category());
  if (!error) fs::rename(native(temporary_), native(path_), error);
  if (!error) return flush_folder(native(path_).parent_path());
  std::error_code ignored;
  fs::remove(native(temporary_), ignored);
  throw Error(ErrorCode::Checkpoint, "", "cannot write '" + path_ + "': " + error.message(),
              {{"path", path_}});
}

}  // namespace tiny
