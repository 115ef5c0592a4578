#include "kernels/matmul/blas.h"

#include <algorithm>
#include <atomic>
#include <climits>
#include <map>
#include <mutex>

#include "base/error.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace tiny::blas {

namespace {

constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;  // CBLAS_ORDER, CBLAS_TRANSPOSE
using Sgemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                       const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc);
using SetThreads = void (*)(int);

struct Library {
  std::string path;
  Sgemm sgemm;
  SetThreads set_threads;  // null where the library has no such function
};

// Set from JavaScript's threads, read by the engine's.
std::atomic<const Library*> in_use{nullptr};

// Every library that was ever used, by path; never freed.
struct Libraries {
  std::mutex mutex;
  std::map<std::string, Library> by_path;
};
Libraries& libraries() {
  static auto* all = new Libraries();
  return *all;
}

#if defined(_WIN32)
void* open_library(const std::string& path, std::string& reason) {
  HMODULE module = LoadLibraryA(path.c_str());
  if (module == nullptr) reason = "error " + std::to_string(GetLastError());
  return reinterpret_cast<void*>(module);
}
void* symbol_of(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(library), name));
}
#else
void* open_library(const std::string& path, std::string& reason) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) reason = dlerror();
  return library;
}
void* symbol_of(void* library, const char* name) { return dlsym(library, name); }
#endif

// Below these, waking another library's threads costs more than it can bring.
constexpr int64_t kLeastRows = 8, kLeastWork = int64_t{1} << 22;

}  // namespace

void use(const std::string& path) {
  std::lock_guard lock(libraries().mutex);
  std::string reason;
  void* handle = open_library(path, reason);
  if (handle == nullptr) {
    throw Error(ErrorCode::Option, "blas", "cannot load '" + path + "': " + reason, {{"path", path}});
  }
  const auto sgemm = reinterpret_cast<Sgemm>(symbol_of(handle, "cblas_sgemm"));
  if (sgemm == nullptr) {
    throw Error(ErrorCode::Option, "blas", "'" + path + "' has no cblas_sgemm", {{"path", path}});
  }
  SetThreads set_threads = nullptr;
  for (const char* name : {"openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads"}) {
    if (set_threads == nullptr) set_threads = reinterpret_cast<SetThreads>(symbol_of(handle, name));
  }
  in_use.store(&libraries().by_path.try_emplace(path, Library{path, sgemm, set_threads}).first->second);
}

void off() { in_use.store(nullptr); }

std::optional<std::string> active() {
  const Library* library = in_use.load();
  if (library == nullptr) return std::nullopt;
  return library->path;
}

bool takes(const Product& p) {
  if (in_use.load() == nullptr) return false;
  const bool float32 =
      p.a.dtype == DType::Float32 && p.b.dtype == DType::Float32 && p.c_dtype == DType::Float32 && !p.bf16;
  const bool fits = std::max({p.m, p.n, p.k, p.a.stride, p.b.stride, p.c_stride}) <= INT_MAX;
  return float32 && fits && p.m >= kLeastRows && p.m * p.n * p.k >= kLeastWork;
}

bool multiply(const Product& p, ThreadPool& pool, const MatmulKernels& kernels) noexcept {
  const Library* library = in_use.load();
  if (library == nullptr) return false;
  const bool in_place = p.residual == p.c;
  if (in_place && (p.activation != Activation::None || p.pre != nullptr)) return false;

  // c = A B, or c += alpha A B over its own residual; what is left to do with the sums is a pass of its own.
  Product after = p;
  if (in_place) {
    after.alpha = 1;
    after.residual = nullptr;
  }
  if (library->set_threads != nullptr) library->set_threads(pool.size());
  const auto transpose = [](const Matrix& x) { return x.transposed ? kTransposed : kPlain; };
  library->sgemm(kRowMajor, transpose(p.a), transpose(p.b), static_cast<int>(p.m), static_cast<int>(p.n),
                 static_cast<int>(p.k), in_place ? static_cast<float>(p.alpha) : 1.0f,
                 static_cast<const float*>(p.a.data), static_cast<int>(p.a.stride),
                 static_cast<const float*>(p.b.data), static_cast<int>(p.b.stride), in_place ? 1.0f : 0.0f,
                 static_cast<float*>(p.c), static_cast<int>(p.c_stride));
  if (after.alpha == 1 && after.activation == Activation::None && after.bias == nullptr &&
      after.residual == nullptr && after.pre == nullptr) {
    return true;
  }
  pool.ranges((p.m + kernels.rows - 1) / kernels.rows, 1, [&](int64_t begin, int64_t end) {
    Tile t{};
    t.product = &after;
    t.b_format = PanelFormat::F32;
    t.partial = static_cast<float*>(p.c);
    t.partial_stride = p.c_stride;
    t.last = true;
    t.next = static_cast<const char*>(p.c);
    t.next_lines = 1;
    for (t.row = begin * kernels.rows; t.row < std::min(p.m, end * kernels.rows); t.row += kernels.rows) {
      t.height = std::min(kernels.rows, p.m - t.row);
      for (t.column = 0; t.column < p.n; t.column += kernels.columns) {
        t.width = std::min(kernels.columns, p.n - t.column);
        kernels.tile(t);
      }
    }
  });
  return true;
}

}  // namespace tiny::blas
