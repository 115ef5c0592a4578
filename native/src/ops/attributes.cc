#include "ops/attributes.h"

#include <cmath>

namespace tiny {

namespace {

Error wrong_kind(std::string_view name, const char* kind) {
  return Error(ErrorCode::Option, "", "attribute '" + std::string(name) + "' must be " + kind);
}

int64_t to_integer(std::string_view name, double number) {
  if (std::floor(number) != number || std::fabs(number) > 9007199254740991.0)
    throw wrong_kind(name, "an integer");
  return static_cast<int64_t>(number);
}

}  // namespace

const Attributes::Item* Attributes::find(std::string_view name) const {
  const auto found = items_.find(name);
  if (found == items_.end()) return nullptr;
  taken_.insert(found->first);
  return &found->second;
}

const Attributes::Item& Attributes::require(std::string_view name) const {
  const Item* item = find(name);
  if (item == nullptr) throw Error(ErrorCode::Option, "", "attribute '" + std::string(name) + "' is missing");
  return *item;
}

bool Attributes::has(std::string_view name) const { return items_.find(name) != items_.end(); }

double Attributes::number(std::string_view name) const {
  const Item& item = require(name);
  if (const double* value = std::get_if<double>(&item)) return *value;
  throw wrong_kind(name, "a number");
}

double Attributes::number(std::string_view name, double otherwise) const {
  return has(name) ? number(name) : otherwise;
}

int64_t Attributes::integer(std::string_view name) const { return to_integer(name, number(name)); }

int64_t Attributes::integer(std::string_view name, int64_t otherwise) const {
  return has(name) ? integer(name) : otherwise;
}

bool Attributes::flag(std::string_view name, bool otherwise) const {
  const Item* item = find(name);
  if (item == nullptr) return otherwise;
  if (const bool* value = std::get_if<bool>(item)) return *value;
  throw wrong_kind(name, "true or false");
}

std::string Attributes::text(std::string_view name) const {
  const Item& item = require(name);
  if (const std::string* value = std::get_if<std::string>(&item)) return *value;
  throw wrong_kind(name, "a string");
}

std::string Attributes::text(std::string_view name, std::string_view otherwise) const {
  return has(name) ? text(name) : std::string(otherwise);
}

Dim Attributes::dim(std::string_view name) const {
  const Item& item = require(name);
  if (const Dim* value = std::get_if<Dim>(&item)) return *value;
  if (const double* value = std::get_if<double>(&item)) return Dim(to_integer(name, *value));
  throw wrong_kind(name, "a size");
}

Dim Attributes::dim(std::string_view name, Dim otherwise) const { return has(name) ? dim(name) : otherwise; }

Shape Attributes::shape(std::string_view name) const {
  const Item& item = require(name);
  if (const Shape* value = std::get_if<Shape>(&item)) return *value;
  if (const auto* values = std::get_if<std::vector<double>>(&item)) {
    Shape shape;
    for (double value : *values) shape.emplace_back(to_integer(name, value));
    return shape;
  }
  throw wrong_kind(name, "a list of sizes");
}

std::vector<int64_t> Attributes::integers(std::string_view name) const {
  std::vector<int64_t> values;
  for (const Dim& dim : shape(name)) values.push_back(dim.value());
  return values;
}

void Attributes::finish(std::string_view op) const {
  for (const auto& [name, item] : items_) {
    if (!taken_.contains(name)) {
      throw Error(ErrorCode::Option, std::string(op), "there is no attribute '" + name + "'");
    }
  }
}

}  // namespace tiny
