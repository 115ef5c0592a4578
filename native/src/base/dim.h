#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiny {

// A size that is known only when a compiled plan is called, such as "tokens". Interned by name.
using Symbol = uint32_t;

Symbol symbol(std::string_view name);
const std::string& name_of(Symbol symbol);

// What a call binds its symbols to.
class Sizes {
 public:
  void set(Symbol symbol, int64_t size);
  bool has(Symbol symbol) const;
  int64_t get(Symbol symbol) const;  // throws ShapeError for a symbol that is not bound
  bool operator==(const Sizes&) const = default;
  const std::vector<std::pair<Symbol, int64_t>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<Symbol, int64_t>> entries_;  // sorted by symbol
};

// One dimension: a constant, or an affine form over symbols (tokens, sequences + 1, 12 * tokens).
// Forms are kept sorted with non-zero coefficients, so equality is structural.
class Dim {
 public:
  Dim(int64_t constant = 0) : constant_(constant) {}  // NOLINT: sizes convert to dims
  static Dim of(Symbol symbol);

  bool is_constant() const { return terms_.empty(); }
  // The number itself; throws ShapeError for a symbolic one, whose value no code may depend on.
  int64_t value() const;
  int64_t bind(const Sizes& sizes) const;
  std::string str() const;
  const std::vector<std::pair<Symbol, int64_t>>& terms() const { return terms_; }
  int64_t constant() const { return constant_; }

  Dim operator+(const Dim& other) const;
  Dim operator-(const Dim& other) const { return *this + other * -1; }
  Dim operator*(int64_t factor) const;
  // Products of two symbolic dims have no affine form and throw ShapeError.
  Dim operator*(const Dim& other) const;
  bool divisible_by(int64_t divisor) const;
  Dim operator/(int64_t divisor) const;  // exact; throws ShapeError otherwise
  bool operator==(const Dim& other) const = default;

 private:
  int64_t constant_;
  std::vector<std::pair<Symbol, int64_t>> terms_;
};

using Shape = std::vector<Dim>;

// A shape as numbers, held inline: views of operands are copied for every kernel call.
class Dims {
 public:
  static constexpr size_t kMaxRank = 8;

  Dims() = default;
  Dims(std::initializer_list<int64_t> dims) {
    for (const int64_t dim : dims) push_back(dim);
  }
  explicit Dims(const std::vector<int64_t>& dims) {
    for (const int64_t dim : dims) push_back(dim);
  }

  size_t size() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t& operator[](size_t i) { return dims_[i]; }
  int64_t operator[](size_t i) const { return dims_[i]; }
  int64_t front() const { return dims_[0]; }
  int64_t back() const { return dims_[rank_ - 1]; }
  const int64_t* begin() const { return dims_; }
  const int64_t* end() const { return dims_ + rank_; }
  void push_back(int64_t dim);  // throws ShapeError beyond kMaxRank
  bool operator==(const Dims& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

 private:
  int64_t dims_[kMaxRank] = {};
  size_t rank_ = 0;
};

std::string str(const Shape& shape);  // "[tokens, 768]"
Dims bind(const Shape& shape, const Sizes& sizes);

// Product over constants and at most one symbolic dim; throws ShapeError for more.
Dim elements(const Shape& shape);

}  // namespace tiny
