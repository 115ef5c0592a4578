#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dim.h"
#include "base/dtype.h"
#include "graph/node.h"

namespace tiny {

// Attributes of an op as they come from JavaScript: numbers, texts, flags and sizes by name. A
// builder takes what it knows; what is left over afterwards is an error, so nothing is ignored.
class Attributes {
 public:
  using Item = std::variant<bool, double, std::string, Dim, std::vector<double>, Shape>;

  void set(std::string name, Item item) { items_[std::move(name)] = std::move(item); }

  bool has(std::string_view name) const;
  double number(std::string_view name) const;  // throws OptionError when missing or of another kind
  double number(std::string_view name, double otherwise) const;
  int64_t integer(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t otherwise) const;
  bool flag(std::string_view name, bool otherwise) const;
  std::string text(std::string_view name) const;
  std::string text(std::string_view name, std::string_view otherwise) const;
  Dim dim(std::string_view name) const;  // a number or a symbolic size
  Dim dim(std::string_view name, Dim otherwise) const;
  Shape shape(std::string_view name) const;  // a list of numbers and symbolic sizes
  std::vector<int64_t> integers(std::string_view name) const;

  // Throws OptionError naming the first attribute that no getter asked for.
  void finish(std::string_view op) const;

 private:
  const Item* find(std::string_view name) const;
  const Item& require(std::string_view name) const;

  std::map<std::string, Item, std::less<>> items_;
  mutable std::set<std::string, std::less<>> taken_;
};

}  // namespace tiny
