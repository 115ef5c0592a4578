#pragma once

#include <cstdint>
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

std::string str(const Shape& shape);  // "[tokens, 768]"
std::vector<int64_t> bind(const Shape& shape, const Sizes& sizes);

// Product over constants and at most one symbolic dim; throws ShapeError for more.
Dim elements(const Shape& shape);

}  // namespace tiny
