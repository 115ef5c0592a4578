#include "ops/packed_weight.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/variable.h"

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace tiny {

namespace {

class PackedWeight final : public DerivedForm {
 public:
  PackedWeight(std::vector<std::unique_ptr<PackedMatrix>> matrices, DType dtype, int64_t n, int64_t k,
               bool transposed)
      : matrices(std::move(matrices)), dtype_(dtype), n_(n), k_(k), transposed_(transposed) {}

  bool holds_all() const override {
    switch (matrices.front()->format()) {
      case PanelFormat::F32:
        return dtype_ == DType::Float32;
      case PanelFormat::F16:
        return dtype_ == DType::Float16;
      case PanelFormat::Bf16Pairs:
        return dtype_ == DType::BFloat16;
    }
    return false;
  }

  std::shared_ptr<Buffer> plain() const override {
    const size_t bytes = static_cast<size_t>(n_ * k_) * size_of(dtype_);
    auto buffer = Buffer::allocate(bytes * matrices.size());
    auto* to = static_cast<char*>(buffer->data());
    for (size_t i = 0; i < matrices.size(); ++i) matrices[i]->unpack(n_, transposed_, to + i * bytes);
    return buffer;
  }

  const std::vector<std::unique_ptr<PackedMatrix>> matrices;

 private:
  const DType dtype_;
  const int64_t n_, k_;
  const bool transposed_;
};

std::string key_of(DType dtype, bool transposed, bool bf16, int64_t parts) {
  const PanelFormat format = PackedMatrix::format_of(dtype, bf16);
  const char* formats[] = {"f32", "f16", "bf16 pairs"};
  return std::string("matmul ") + (transposed ? "transposed " : "") + formats[static_cast<int>(format)] +
         (parts == 1 ? "" : " x " + std::to_string(parts));
}

// The packed form is what is read from now on: the system may take the file's pages back first.
void let_pages_go(const Buffer& contents) {
#if defined(__linux__) && defined(MADV_COLD)
  if (!contents.mapped()) return;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(contents.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(contents.data()) + contents.bytes()) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_COLD);
#else
  (void)contents;
#endif
}

}  // namespace

void pack_weight(Variable* variable, const View& view, bool transposed, bool bf16, ThreadPool& pool,
                 int64_t parts) {
  if (variable == nullptr || !variable->frozen() || view.dtype == DType::Float64) return;
  const std::string key = key_of(view.dtype, transposed, bf16, parts);
  if (variable->derived(key) != nullptr) return;
  const auto contents = variable->contents();
  if (!contents || contents->bytes() < view.bytes()) return;  // reported when the contents are bound
  const int64_t rows = view.rows() / parts, width = view.width();
  const int64_t n = transposed ? rows : width, k = transposed ? width : rows;
  const int64_t bytes = rows * view.row_stride * static_cast<int64_t>(size_of(view.dtype));
  try {
    std::vector<std::unique_ptr<PackedMatrix>> packed;
    for (int64_t part = 0; part < parts; ++part) {
      const Matrix matrix{static_cast<const char*>(contents->data()) + part * bytes, view.dtype,
                          view.row_stride, transposed};
      packed.push_back(PackedMatrix::pack(matrix, n, k, bf16, pool));
    }
    variable->set_derived(key,
                          std::make_unique<PackedWeight>(std::move(packed), view.dtype, n, k, transposed));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::Memory) throw;
    return;
  }
  let_pages_go(*contents);
}

const PackedMatrix* packed_weight(Variable* variable, const View& view, bool transposed, bool bf16,
                                  int64_t parts, int64_t part) {
  if (variable == nullptr || !variable->frozen() || view.dtype == DType::Float64) return nullptr;
  const auto* form =
      static_cast<const PackedWeight*>(variable->derived(key_of(view.dtype, transposed, bf16, parts)));
  return form == nullptr ? nullptr : form->matrices[static_cast<size_t>(part)].get();
}

}  // namespace tiny
