#include "binding/file.h"

#include "binding/cancellation.h"
#include "binding/conversion.h"
#include "binding/evaluation.h"
#include "binding/variable.h"

namespace tiny::binding {

namespace {

struct OpenSettlement final : Settlement {
  explicit OpenSettlement(Environment& environment) : environment(environment) {}
  Napi::Value result(Napi::Env) override { return FileHandle::make(environment, std::move(*file)); }

  Environment& environment;
  // The engine's thread puts it here.
  std::shared_ptr<std::shared_ptr<const Safetensors>> file =
      std::make_shared<std::shared_ptr<const Safetensors>>();
};

// What is written under a name: a tensor, or what a variable holds when its turn comes.
struct Source {
  std::string name;
  Value tensor;
  std::shared_ptr<Variable> variable;

  const Type& type() const { return variable ? variable->type() : tensor.type(); }
  std::shared_ptr<Buffer> contents() const {
    auto buffer = variable ? variable->snapshot() : tensor.node->result(tensor.index);
    if (buffer) return buffer;
    throw Error(ErrorCode::Disposed, "save", "'" + name + "' was disposed of before it was saved");
  }
};

// Engine thread. Contents are held until they are on the disk, whatever is disposed of meanwhile.
void save(const std::string& path, const std::vector<Source>& sources,
          const std::map<std::string, std::string>& metadata) {
  std::vector<TensorToSave> tensors;
  std::vector<std::shared_ptr<Buffer>> held;
  for (const Source& source : sources) {
    const Dims dims = tiny::bind(source.type().shape, {});
    held.push_back(source.contents());
    tensors.push_back({source.name, source.type().dtype, {dims.begin(), dims.end()}, held.back()->data()});
  }
  save_safetensors(path, tensors, metadata);
}

}  // namespace

void FileHandle::define(Environment& environment) {
  environment.file_class = Napi::Persistent(
      DefineClass(environment.env(), "FileHandle",
                  {method<&FileHandle::metadata>("metadata"), method<&FileHandle::entries>("entries"),
                   method<&FileHandle::tensor>("tensor"), method<&FileHandle::close>("close")}));
}

FileHandle::FileHandle(const Napi::CallbackInfo& info) : Handle(info) {
  file_ = contents<std::shared_ptr<const Safetensors>>(info);
}

const Safetensors& FileHandle::file() const {
  if (!file_) throw Error(ErrorCode::Disposed, "", "a file was used after close()");
  return *file_;
}

Napi::Value FileHandle::metadata(Environment& environment, const Napi::CallbackInfo&) {
  Napi::Object result = Napi::Object::New(environment.env());
  for (const auto& [key, value] : file().metadata()) result.Set(key, value);
  return result;
}

Napi::Value FileHandle::entries(Environment& environment, const Napi::CallbackInfo&) {
  const Napi::Env env = environment.env();
  const std::vector<StoredTensor>& tensors = file().tensors();
  Napi::Array result = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const Napi::HandleScope scope(env);
    const StoredTensor& stored = tensors[i];
    Napi::Array shape = Napi::Array::New(env, stored.shape.size());
    for (uint32_t d = 0; d < stored.shape.size(); ++d) shape.Set(d, static_cast<double>(stored.shape[d]));
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", stored.name);
    entry.Set("dtype", stored.stored_dtype);
    entry.Set("shape", shape);
    entry.Set("bytes", static_cast<double>(stored.end - stored.begin));
    result.Set(i, entry);
  }
  return result;
}

Napi::Value FileHandle::tensor(Environment& environment, const Napi::CallbackInfo& info) {
  const std::string name = text_from(info[0], "a tensor's name");
  std::shared_ptr<Buffer> bytes = file().read(name);
  const StoredTensor& stored = *file().find(name);
  Type type(*stored.dtype, Shape(stored.shape.begin(), stored.shape.end()));
  return TensorHandle::of(environment, constant(std::move(type), std::move(bytes)));
}

Napi::Value FileHandle::close(Environment& environment, const Napi::CallbackInfo&) {
  file_.reset();
  return environment.env().Undefined();
}

Napi::Value open_file(Environment& environment, const Napi::CallbackInfo& info) {
  std::string path = text_from(info[0], "the path");
  auto settlement = std::make_unique<OpenSettlement>(environment);
  const auto file = settlement->file;
  return environment.start(
      [path = std::move(path), file](ThreadPool&, const Cancellation* stop) {
        stop_if_cancelled(stop);
        *file = Safetensors::open(path);
      },
      std::move(settlement), nullptr);
}

Napi::Value save_file(Environment& environment, const Napi::CallbackInfo& info) {
  std::string path = text_from(info[0], "the path");
  const Napi::Array entries = array_from(info[1], "the tensors to save");
  std::vector<Source> sources;
  std::vector<Value> roots, updates;
  std::vector<std::shared_ptr<TensorState>> states;
  for (uint32_t i = 0; i < entries.Length(); ++i) {
    const Napi::HandleScope scope(environment.env());
    const Napi::Object entry = object_from(entries.Get(i), "what is saved");
    Source source{text_from(entry.Get("name"), "a tensor's name"), {}, nullptr};
    const Napi::Value given = entry.Get("source");
    if (const VariableHandle* variable = VariableHandle::from(given)) {
      source.variable = variable->variable();
      if (const Value pending = source.variable->pending()) updates.push_back(pending);
    } else {
      const TensorHandle& tensor = tensor_from(given, "'" + source.name + "'");
      source.tensor = tensor.value();
      roots.push_back(tensor.value());
      states.push_back(tensor.state());
    }
    sources.push_back(std::move(source));
  }
  std::map<std::string, std::string> metadata;
  const Napi::Object given = object_from(info[2], "the metadata");
  for (const std::string& key : own_keys(given)) {
    metadata[key] = text_from(given.Get(key), "the metadata's '" + key + "'");
  }
  return environment.start(
      [path = std::move(path), sources = std::move(sources), roots = std::move(roots),
       updates = std::move(updates),
       metadata = std::move(metadata)](ThreadPool& pool, const Cancellation* stop) {
        stop_if_cancelled(stop);
        evaluate_or_explain(roots, updates, pool, stop);
        save(path, sources, metadata);
      },
      std::make_unique<TensorSettlement>(std::move(states)), nullptr);
}

}  // namespace tiny::binding
