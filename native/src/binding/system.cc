#include "binding/system.h"

#include <thread>

#include "binding/conversion.h"
#include "binding/errors.h"
#include "graph/execute.h"
#include "kernels/matmul/blas.h"
#include "kernels/peak/peak.h"
#include "ops/registry.h"
#include "runtime/cpu.h"
#include "runtime/memory.h"

namespace tiny::binding {

Napi::Value memory_statistics(Environment& environment, const Napi::CallbackInfo&) {
  const MemoryStats stats = memory_stats();
  Napi::Object result = Napi::Object::New(environment.env());
  result.Set("live", static_cast<double>(stats.live));
  result.Set("peak", static_cast<double>(stats.peak));
  result.Set("limit", static_cast<double>(stats.limit));
  result.Set("cached", static_cast<double>(stats.cached));
  return result;
}

Napi::Value limit_memory(Environment& environment, const Napi::CallbackInfo& info) {
  const int64_t bytes = integer_from(info[0], "the memory limit");
  if (bytes < 0) throw wrong_argument("the memory limit must be a number of bytes, or 0 for none");
  set_memory_limit(bytes);
  return environment.env().Undefined();
}

Napi::Value reset_peak(Environment& environment, const Napi::CallbackInfo&) {
  reset_memory_peak();
  return environment.env().Undefined();
}

Napi::Value threads(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::Number::New(environment.env(), Engine::instance().threads());
}

Napi::Value set_threads(Environment& environment, const Napi::CallbackInfo& info) {
  const int64_t count = integer_from(info[0], "the number of threads");
  if (count < 1 || count > 256) {
    throw wrong_argument("threads must be from 1 to 256, not " + std::to_string(count));
  }
  Engine::instance().set_threads(static_cast<int>(count));
  return environment.env().Undefined();
}

Napi::Value cpu(Environment& environment, const Napi::CallbackInfo&) {
  const Napi::Env env = environment.env();
  const CacheSizes& sizes = cache_sizes();
  Napi::Object caches = Napi::Object::New(env);
  caches.Set("l1", static_cast<double>(sizes.l1));
  caches.Set("l2", static_cast<double>(sizes.l2));
  caches.Set("l3", static_cast<double>(sizes.l3));
  Napi::Array isas = Napi::Array::New(env);
  for (const Isa usable : usable_isas()) isas.Set(isas.Length(), std::string(name_of(usable)));
  Napi::Object result = Napi::Object::New(env);
  result.Set("isa", std::string(name_of(isa())));
  result.Set("isas", isas);
  result.Set("model", cpu_model());
  result.Set("caches", caches);
  result.Set("processors", static_cast<double>(std::max(1u, std::thread::hardware_concurrency())));
  return result;
}

namespace {

struct Peaks {
  double fma = 0, bf16 = 0, read = 0;
};

class PeaksSettlement final : public Settlement {
 public:
  explicit PeaksSettlement(std::shared_ptr<const Peaks> peaks) : peaks_(std::move(peaks)) {}
  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result.Set("fma", peaks_->fma);
    result.Set("bf16", peaks_->bf16);
    result.Set("read", peaks_->read);
    return result;
  }

 private:
  std::shared_ptr<const Peaks> peaks_;
};

}  // namespace

Napi::Value peaks(Environment& environment, const Napi::CallbackInfo&) {
  const auto found = std::make_shared<Peaks>();
  return environment.start(
      [found](ThreadPool& pool, const Cancellation*) {
        found->fma = measure_peak(pool, PeakKind::Fma);
        found->bf16 = measure_peak(pool, PeakKind::Bf16);
        found->read = measure_read(pool);
      },
      std::make_unique<PeaksSettlement>(found), nullptr);
}

Napi::Value blas_use(Environment& environment, const Napi::CallbackInfo& info) {
  blas::use(text_from(info[0], "the BLAS library"));
  return environment.env().Undefined();
}

Napi::Value blas_off(Environment& environment, const Napi::CallbackInfo&) {
  blas::off();
  return environment.env().Undefined();
}

Napi::Value blas_active(Environment& environment, const Napi::CallbackInfo&) {
  const std::optional<std::string> path = blas::active();
  if (!path) return environment.env().Null();
  return Napi::String::New(environment.env(), *path);
}

Napi::Value op_names(Environment& environment, const Napi::CallbackInfo&) {
  const std::vector<OpEntry> entries = all_ops();
  Napi::Array names = Napi::Array::New(environment.env(), entries.size());
  for (uint32_t i = 0; i < entries.size(); ++i) names.Set(i, entries[i].name);
  return names;
}

Napi::Value switch_profiling(Environment& environment, const Napi::CallbackInfo& info) {
  set_profiling(flag_from(info[0], "profiling"));
  return environment.env().Undefined();
}

Napi::Value op_times(Environment& environment, const Napi::CallbackInfo&) {
  const Napi::Env env = environment.env();
  const std::vector<OpTime> times = profile();
  Napi::Array result = Napi::Array::New(env, times.size());
  for (uint32_t i = 0; i < times.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("op", times[i].op);
    entry.Set("calls", static_cast<double>(times[i].calls));
    entry.Set("seconds", times[i].seconds);
    result.Set(i, entry);
  }
  return result;
}

}  // namespace tiny::binding
