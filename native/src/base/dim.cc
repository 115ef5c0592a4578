#include "base/dim.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "base/error.h"

namespace tiny {

namespace {

// Never destroyed: engine threads may still read names while the process exits.
struct Names {
  std::mutex mutex;
  std::deque<std::string> names;
  std::unordered_map<std::string, Symbol> ids;
};

Names& names() {
  static Names* instance = new Names();
  return *instance;
}

}  // namespace

Symbol symbol(std::string_view name) {
  Names& table = names();
  std::lock_guard lock(table.mutex);
  auto [found, fresh] = table.ids.try_emplace(std::string(name), static_cast<Symbol>(table.names.size()));
  if (fresh) table.names.emplace_back(name);
  return found->second;
}

const std::string& name_of(Symbol symbol) {
  Names& table = names();
  std::lock_guard lock(table.mutex);
  return table.names.at(symbol);
}

void Sizes::set(Symbol symbol, int64_t size) {
  auto at = std::lower_bound(entries_.begin(), entries_.end(), symbol,
                             [](const auto& entry, Symbol s) { return entry.first < s; });
  if (at != entries_.end() && at->first == symbol) {
    at->second = size;
  } else {
    entries_.insert(at, {symbol, size});
  }
}

bool Sizes::has(Symbol symbol) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const auto& entry) { return entry.first == symbol; });
}

int64_t Sizes::get(Symbol symbol) const {
  for (const auto& [name, size] : entries_) {
    if (name == symbol) return size;
  }
  throw Error(ErrorCode::Shape, "", "the size '" + name_of(symbol) + "' is symbolic and was not given");
}

Dim Dim::of(Symbol symbol) {
  Dim dim;
  dim.terms_.emplace_back(symbol, 1);
  return dim;
}

int64_t Dim::value() const {
  if (!is_constant()) {
    throw Error(ErrorCode::Shape, "",
                "the size '" + str() +
                    "' is symbolic inside compile(): its value is not known while the "
                    "function is traced; use dim(i) in shapes, or pass it as an argument");
  }
  return constant_;
}

int64_t Dim::bind(const Sizes& sizes) const {
  int64_t total = constant_;
  for (const auto& [name, factor] : terms_) total += factor * sizes.get(name);
  return total;
}

std::string Dim::str() const {
  if (is_constant()) return std::to_string(constant_);
  std::string text;
  for (const auto& [name, factor] : terms_) {
    if (!text.empty()) text += " + ";
    if (factor != 1) text += std::to_string(factor) + "*";
    text += name_of(name);
  }
  if (constant_ != 0)
    text += (constant_ > 0 ? " + " : " - ") + std::to_string(constant_ > 0 ? constant_ : -constant_);
  return text;
}

Dim Dim::operator+(const Dim& other) const {
  Dim sum(constant_ + other.constant_);
  auto a = terms_.begin();
  auto b = other.terms_.begin();
  while (a != terms_.end() || b != other.terms_.end()) {
    if (b == other.terms_.end() || (a != terms_.end() && a->first < b->first)) {
      sum.terms_.push_back(*a++);
    } else if (a == terms_.end() || b->first < a->first) {
      sum.terms_.push_back(*b++);
    } else {
      if (int64_t factor = a->second + b->second; factor != 0) sum.terms_.emplace_back(a->first, factor);
      ++a;
      ++b;
    }
  }
  return sum;
}

Dim Dim::operator*(int64_t factor) const {
  Dim product(constant_ * factor);
  if (factor == 0) return product;
  for (const auto& [name, own] : terms_) product.terms_.emplace_back(name, own * factor);
  return product;
}

Dim Dim::operator*(const Dim& other) const {
  if (other.is_constant()) return *this * other.constant_;
  if (is_constant()) return other * constant_;
  throw Error(ErrorCode::Shape, "",
              "the product of the symbolic sizes " + str() + " and " + other.str() + " has no affine form");
}

bool Dim::divisible_by(int64_t divisor) const {
  if (divisor == 0 || constant_ % divisor != 0) return false;
  return std::all_of(terms_.begin(), terms_.end(),
                     [&](const auto& term) { return term.second % divisor == 0; });
}

Dim Dim::operator/(int64_t divisor) const {
  if (!divisible_by(divisor)) {
    throw Error(ErrorCode::Shape, "",
                "the size " + str() + " is not divisible by " + std::to_string(divisor));
  }
  Dim quotient(constant_ / divisor);
  for (const auto& [name, factor] : terms_) quotient.terms_.emplace_back(name, factor / divisor);
  return quotient;
}

std::string str(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + shape[i].str();
  return text + "]";
}

void Dims::push_back(int64_t dim) {
  if (rank_ == kMaxRank) throw Error(ErrorCode::Shape, "", "tensors have at most 8 dimensions");
  dims_[rank_++] = dim;
}

Dims bind(const Shape& shape, const Sizes& sizes) {
  Dims bound;
  for (const Dim& dim : shape) bound.push_back(dim.bind(sizes));
  return bound;
}

Dim elements(const Shape& shape) {
  Dim product(1);
  for (const Dim& dim : shape) product = product * dim;
  return product;
}

}  // namespace tiny
