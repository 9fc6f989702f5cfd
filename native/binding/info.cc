// What the addon says about itself and the machine, and the few switches of the runtime.
#include "../kernels/table.h"
#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/pool.h"
#include "binding.h"

namespace nodegrad {
namespace {

Napi::Value info(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  const CpuFeatures& f = cpuFeatures();
  Napi::Object features = Napi::Object::New(env);
  features.Set("brand", f.brand);
  features.Set("family", f.family);
  features.Set("model", f.model);
  features.Set("avx2", f.avx2);
  features.Set("fma", f.fma);
  features.Set("avx512", f.avx512);
  features.Set("avx512bf16", f.avx512_bf16);
  features.Set("avx512vnni", f.avx512_vnni);
  Napi::Object o = Napi::Object::New(env);
  o.Set("cpu", features);
  o.Set("isa", kernels().name);
  o.Set("isaProblem", isaProblem() ? Napi::Value(Napi::String::New(env, isaProblem())) : env.Null());
  o.Set("threads", threads());
  o.Set("usableCpus", usableCpus());
  return o;
}

Napi::Value setThreadCount(const Napi::CallbackInfo& call) {
  if (call.Length() == 1 && call[0].IsNumber()) setThreads(call[0].As<Napi::Number>().Int32Value());
  return Napi::Number::New(call.Env(), threads());
}

// adviseHuge(view), addressOf(view) → bytes past a 64-byte boundary
bool viewOf(const Napi::CallbackInfo& call, void** data, size_t* bytes) {
  napi_typedarray_type type;
  size_t length;
  if (call.Length() < 1 || napi_get_typedarray_info(call.Env(), call[0], &type, &length, data, nullptr, nullptr) != napi_ok) return false;
  *bytes = length * (type == napi_float64_array ? 8 : type == napi_uint8_array ? 1 : 4);
  return true;
}
Napi::Value adviseHuge(const Napi::CallbackInfo& call) {
  void* data;
  size_t bytes;
  if (viewOf(call, &data, &bytes)) adviseHugePages(data, bytes);
  return call.Env().Undefined();
}
Napi::Value misalignment(const Napi::CallbackInfo& call) {
  void* data;
  size_t bytes;
  return Napi::Number::New(call.Env(), viewOf(call, &data, &bytes) ? double(uintptr_t(data) & 63) : 0);
}

}  // namespace

void exportInfo(Napi::Env env, Napi::Object exports) {
  exports.Set("info", Napi::Function::New(env, info, "info"));
  exports.Set("setThreads", Napi::Function::New(env, setThreadCount, "setThreads"));
  exports.Set("adviseHugePages", Napi::Function::New(env, adviseHuge, "adviseHugePages"));
  exports.Set("misalignment", Napi::Function::New(env, misalignment, "misalignment"));
}

}  // namespace nodegrad
