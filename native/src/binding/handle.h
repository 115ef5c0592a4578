#pragma once

#include <utility>

#include "binding/environment.h"
#include "binding/errors.h"

namespace tiny::binding {

// A JavaScript object around something of the core. T names its `Contents`, a type tag `kTag` (so that
// no other object passes for one) and where the environment keeps its class, `class_of`.
template <typename T>
class Handle : public Napi::ObjectWrap<T> {
 public:
  template <typename Contents>
  static Napi::Object make(Environment& environment, Contents contents) {
    environment.constructing = {&T::kTag, &contents};
    return T::class_of(environment).New({});
  }

  // The handle behind a value, or null for any other value.
  static T* from(const Napi::Value& value) {
    if (!value.IsObject()) return nullptr;
    bool same = false;
    if (napi_check_object_type_tag(value.Env(), value, &T::kTag, &same) != napi_ok || !same) return nullptr;
    return T::Unwrap(value.As<Napi::Object>());
  }

 protected:
  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<T>(info) {
    napi_type_tag_object(info.Env(), info.This(), &T::kTag);
  }

  // What `make` was given; an error where JavaScript called the class itself.
  template <typename Contents>
  static Contents contents(const Napi::CallbackInfo& info) {
    Environment& environment = Environment::of(info.Env());
    const auto [tag, given] = std::exchange(environment.constructing, {nullptr, nullptr});
    if (tag != &T::kTag) throw Napi::TypeError::New(info.Env(), "only the core makes objects of this class");
    return std::move(*static_cast<Contents*>(given));
  }

  template <Napi::Value (T::*body)(Environment&, const Napi::CallbackInfo&)>
  static Napi::ClassPropertyDescriptor<T> method(const char* name) {
    return Napi::InstanceWrap<T>::InstanceMethod(name, &Handle::template at_boundary_of<body>);
  }

 public:
  template <Napi::Value (T::*body)(Environment&, const Napi::CallbackInfo&)>
  Napi::Value at_boundary_of(const Napi::CallbackInfo& info) {
    return at_boundary(
        info, [&](Environment& environment) { return (static_cast<T*>(this)->*body)(environment, info); });
  }
};

}  // namespace tiny::binding
