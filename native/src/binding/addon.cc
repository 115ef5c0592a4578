#include "binding/cancellation.h"
#include "binding/environment.h"
#include "binding/errors.h"
#include "binding/evaluation.h"
#include "binding/file.h"
#include "binding/plan.h"
#include "binding/stay_loaded.h"
#include "binding/system.h"
#include "binding/tensor.h"
#include "binding/variable.h"

namespace tiny::binding {

namespace {

// crossings(): calls into native code so far; asking is not counted.
Napi::Value crossings(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Environment::of(info.Env()).crossings));
}

template <Napi::Value (*function)(Environment&, const Napi::CallbackInfo&)>
void define(Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New<crossing<function>>(exports.Env(), name));
}

Napi::Object load(Napi::Env env, Napi::Object exports) {
  stay_loaded();
  Environment::open(env);
  Environment& environment = Environment::of(env);
  TensorHandle::define(environment);
  VariableHandle::define(environment);
  PlanHandle::define(environment);
  CancellationHandle::define(environment);
  FileHandle::define(environment);

  define<set_error_classes>(exports, "setErrorClasses");
  define<apply_op>(exports, "apply");
  define<newest_node>(exports, "newestNode");
  define<from_data>(exports, "fromData");
  define<create_variable>(exports, "createVariable");
  define<variable_from_tensor>(exports, "variableFrom");
  define<evaluate_roots>(exports, "evaluate");
  define<evaluate_updates>(exports, "evaluateUpdates");
  define<read>(exports, "read");
  define<gradients_of>(exports, "gradients");
  define<begin_trace>(exports, "beginTrace");
  define<make_placeholder>(exports, "placeholder");
  define<end_trace>(exports, "endTrace");
  define<abandon_trace>(exports, "abandonTrace");
  define<run_plan>(exports, "run");
  define<cancellation>(exports, "cancellation");
  define<memory_statistics>(exports, "memoryStats");
  define<limit_memory>(exports, "setMemoryLimit");
  define<reset_peak>(exports, "resetMemoryPeak");
  define<threads>(exports, "threads");
  define<set_threads>(exports, "setThreads");
  define<cpu>(exports, "cpu");
  define<peaks>(exports, "peaks");
  define<blas_use>(exports, "blasUse");
  define<blas_off>(exports, "blasOff");
  define<blas_active>(exports, "blasActive");
  define<op_names>(exports, "ops");
  define<switch_profiling>(exports, "setProfiling");
  define<op_times>(exports, "profile");
  define<open_file>(exports, "openSafetensors");
  define<save_file>(exports, "saveSafetensors");
  exports.Set("crossings", Napi::Function::New<crossings>(env, "crossings"));
  return exports;
}

}  // namespace

}  // namespace tiny::binding

// The macro declares its own functions; they find ours by this name.
static Napi::Object load_addon(Napi::Env env, Napi::Object exports) {
  return tiny::binding::load(env, exports);
}
NODE_API_MODULE(core, load_addon)
