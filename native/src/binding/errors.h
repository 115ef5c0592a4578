#pragma once

#include "base/error.h"
#include "binding/environment.h"

namespace tiny::binding {

// The JavaScript error for whatever was thrown: the class that setErrorClasses named, with message and
// facts; OutOfMemoryError for std::bad_alloc and InternalError for any other C++ exception.
Napi::Value to_javascript(Environment& environment, const std::exception_ptr& thrown);

// Throws the C++ exception in flight as its JavaScript error. Call in a catch block.
[[noreturn]] void rethrow_to_javascript(Environment& environment);

// setErrorClasses(classes): constructors by name, each taking a message and an object of facts.
Napi::Value set_error_classes(Environment& environment, const Napi::CallbackInfo& info);

// A value of a wrong kind at this seam. `what` names the parameter.
inline Error wrong_argument(const std::string& what) { return Error(ErrorCode::Option, "", what); }

// The boundary itself: counts the crossing and lets nothing but JavaScript errors through.
template <typename Body>
Napi::Value at_boundary(const Napi::CallbackInfo& info, const Body& body) {
  Environment& environment = Environment::of(info.Env());
  ++environment.crossings;
  try {
    return body(environment);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    rethrow_to_javascript(environment);
  }
}

// A function of the binding as Node-API calls it.
template <Napi::Value (*function)(Environment&, const Napi::CallbackInfo&)>
Napi::Value crossing(const Napi::CallbackInfo& info) {
  return at_boundary(info, [&](Environment& environment) { return function(environment, info); });
}

}  // namespace tiny::binding
