#pragma once

#include <memory>

#include "binding/handle.h"
#include "formats/safetensors.h"

namespace tiny::binding {

// An open safetensors file. Tensors taken from it keep the map alive beyond close().
class FileHandle final : public Handle<FileHandle> {
 public:
  static constexpr napi_type_tag kTag{0x5e82c7d903fa46b1, 0xd617a94c0e3b28f5};
  static Napi::FunctionReference& class_of(Environment& environment) { return environment.file_class; }
  static void define(Environment& environment);

  explicit FileHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value metadata(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value entries(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value tensor(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value close(Environment& environment, const Napi::CallbackInfo& info);
  const Safetensors& file() const;  // throws DisposedError after close()

  std::shared_ptr<const Safetensors> file_;
};

// openSafetensors(path), saveSafetensors(path, entries, metadata)
Napi::Value open_file(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value save_file(Environment& environment, const Napi::CallbackInfo& info);

}  // namespace tiny::binding
