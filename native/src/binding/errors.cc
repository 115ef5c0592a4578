#include "binding/errors.h"

#include <new>
#include <string>
#include <variant>

#include "binding/conversion.h"

namespace tiny::binding {

namespace {

Napi::Value make_error(Environment& environment, std::string_view name, const std::string& message,
                       const std::string& op, const std::map<std::string, Error::Fact>& facts) {
  const Napi::Env env = environment.env();
  Napi::Object properties = Napi::Object::New(env);
  if (!op.empty()) properties.Set("op", op);
  for (const auto& [key, fact] : facts) {
    std::visit([&](const auto& value) { properties.Set(key, value); }, fact);
  }
  const auto found = environment.error_classes.find(name);
  if (found != environment.error_classes.end()) {
    return found->second.New({Napi::String::New(env, message), properties});
  }
  Napi::Object error = Napi::Error::New(env, message).Value();
  error.Set("name", std::string(name));
  return error;
}

}  // namespace

Napi::Value to_javascript(Environment& environment, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Napi::Error& error) {
    return error.Value();
  } catch (const Error& error) {
    return make_error(environment, name_of(error.code()), error.what(), error.op(), error.facts());
  } catch (const std::bad_alloc&) {
    return make_error(environment, name_of(ErrorCode::Memory), "the system has no more memory to give", "",
                      {});
  } catch (const std::exception& error) {
    return make_error(environment, name_of(ErrorCode::Internal), error.what(), "", {});
  } catch (...) {
    return make_error(environment, name_of(ErrorCode::Internal), "something that is no exception was thrown",
                      "", {});
  }
}

void rethrow_to_javascript(Environment& environment) {
  Napi::Value error;
  try {
    error = to_javascript(environment, std::current_exception());
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception&) {
    // Not even the error could be made; Node-API's own needs no memory of ours.
    throw Napi::Error::New(environment.env(), "the system has no more memory to give");
  }
  throw Napi::Error(environment.env(), error);
}

Napi::Value set_error_classes(Environment& environment, const Napi::CallbackInfo& info) {
  const Napi::Object classes = object_from(info[0], "the error classes");
  std::map<std::string, Napi::FunctionReference, std::less<>> found;
  for (const std::string& name : own_keys(classes)) {
    const Napi::Value value = classes.Get(name);
    if (!value.IsFunction()) throw wrong_argument("the error class '" + name + "' is not a class");
    found.emplace(name, Napi::Persistent(value.As<Napi::Function>()));
  }
  environment.error_classes = std::move(found);
  return environment.env().Undefined();
}

}  // namespace tiny::binding
