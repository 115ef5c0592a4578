#include "binding/evaluation.h"

#include <cstring>

#include "binding/arrays.h"
#include "binding/cancellation.h"
#include "binding/conversion.h"
#include "binding/failures.h"
#include "binding/variable.h"
#include "graph/evaluate.h"
#include "graph/execute.h"

namespace tiny::binding {

namespace {

// Below this a result that is there already is copied at once; larger copies are the engine's.
constexpr size_t kCopiedAtOnce = size_t{1} << 16;

class ReadSettlement final : public TensorSettlement {
 public:
  ReadSettlement(std::shared_ptr<TensorState> tensor, const Napi::Value& array)
      : TensorSettlement({std::move(tensor)}), array_(Napi::Persistent(array.As<Napi::Object>())) {}
  Napi::Value result(Napi::Env env) override {
    TensorSettlement::result(env);
    return array_.Value();
  }

 private:
  Napi::ObjectReference array_;
};

// What a variable stores goes straight to the caller: as a root it would keep a copy of it.
void read_variable(const Value& value, const NewArray& array, ThreadPool& pool,
                   const Cancellation* cancellation) {
  Call call;
  call.results.push_back({Buffer::view(array.data, array.bytes, nullptr), {}});
  execute(*Plan::compile({value}), call, pool, cancellation);
}

}  // namespace

void evaluate_or_explain(std::span<const Value> roots, std::span<const Value> updates, ThreadPool& pool,
                         const Cancellation* cancellation) {
  try {
    evaluate(roots, updates, pool, cancellation);
  } catch (...) {
    if (const auto why = failure_behind(roots)) std::rethrow_exception(why);
    if (const auto why = failure_behind(updates)) std::rethrow_exception(why);
    throw;
  }
}

Napi::Value evaluate_roots(Environment& environment, const Napi::CallbackInfo& info) {
  const Napi::Array given = array_from(info[0], "the tensors to evaluate");
  CancellationHandle* const cancellation = cancellation_from(info[1]);
  std::vector<Value> roots;
  std::vector<std::shared_ptr<TensorState>> states;
  for (uint32_t i = 0; i < given.Length(); ++i) {
    const TensorHandle& tensor = tensor_from(given.Get(i), "what is evaluated");
    roots.push_back(tensor.value());
    states.push_back(tensor.state());
  }
  return environment.start(
      [roots = std::move(roots)](ThreadPool& pool, const Cancellation* stop) {
        evaluate_or_explain(roots, {}, pool, stop);
      },
      std::make_unique<TensorSettlement>(std::move(states)), cancellation);
}

Napi::Value evaluate_updates(Environment& environment, const Napi::CallbackInfo& info) {
  const Napi::Array given = array_from(info[0], "the variables to update");
  CancellationHandle* const cancellation = cancellation_from(info[1]);
  std::vector<Value> updates;
  for (uint32_t i = 0; i < given.Length(); ++i) {
    const Value pending = variable_from(given.Get(i), "what is updated").variable()->pending();
    if (pending) updates.push_back(pending);
  }
  return environment.start(
      [updates = std::move(updates)](ThreadPool& pool, const Cancellation* stop) {
        evaluate_or_explain({}, updates, pool, stop);
      },
      std::make_unique<Settlement>(), cancellation);
}

Napi::Value read(Environment& environment, const Napi::CallbackInfo& info) {
  const TensorHandle& tensor = tensor_from(info[0], "what is read");
  const Value value = tensor.value();
  const Dims dims = tiny::bind(value.shape(), {});
  const NewArray array = new_array(environment, value.dtype(), dims);
  if (const auto held = value.node->result(value.index); held && array.bytes <= kCopiedAtOnce) {
    if (array.bytes > 0) std::memcpy(array.data, held->data(), array.bytes);
    const auto deferred = Napi::Promise::Deferred::New(environment.env());
    deferred.Resolve(array.array);
    return deferred.Promise();
  }
  auto settlement = std::make_unique<ReadSettlement>(tensor.state(), array.array);
  return environment.start(
      [value, data = array.data, bytes = array.bytes](ThreadPool& pool, const Cancellation* stop) {
        stop_if_cancelled(stop);
        if (variable_read(*value.node) != nullptr) {
          read_variable(value, {{}, data, bytes}, pool, stop);
          return;
        }
        const Value roots[] = {value};
        evaluate_or_explain(roots, {}, pool, stop);
        const auto held = value.node->result(value.index);
        if (!held) throw Error(ErrorCode::Disposed, "", "a tensor was disposed of before it was read");
        if (bytes > 0) std::memcpy(data, held->data(), bytes);
      },
      std::move(settlement), nullptr);
}

}  // namespace tiny::binding
