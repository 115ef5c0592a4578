#pragma once

#include "binding/environment.h"

namespace tiny::binding {

// memoryStats(), setMemoryLimit(bytes), resetMemoryPeak()
Napi::Value memory_statistics(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value limit_memory(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value reset_peak(Environment& environment, const Napi::CallbackInfo& info);

// threads(), setThreads(n), cpu()
Napi::Value threads(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value set_threads(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value cpu(Environment& environment, const Napi::CallbackInfo& info);

// peaks(): a promise of { fma, bf16, read }, operations and bytes per second of the whole pool
Napi::Value peaks(Environment& environment, const Napi::CallbackInfo& info);

// blasUse(path), blasOff(), blasActive()
Napi::Value blas_use(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value blas_off(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value blas_active(Environment& environment, const Napi::CallbackInfo& info);

// ops(), setProfiling(on), profile()
Napi::Value op_names(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value switch_profiling(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value op_times(Environment& environment, const Napi::CallbackInfo& info);

}  // namespace tiny::binding
