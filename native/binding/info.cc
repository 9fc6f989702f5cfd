// What the addon says about itself and the machine, and the few switches of the runtime.
#include "../kernels/table.h"
#include "../ops/convolution.h"
#include "../ops/gemm.h"
#include "../ops/gemm_bfloat16.h"
#include "../runtime/blas.h"
#include "../runtime/cpu.h"
#include "../runtime/environment.h"
#include "../runtime/fpstate.h"
#include "../runtime/memory.h"
#include "../runtime/pool.h"
#include "../runtime/system.h"
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
  features.Set("amxbf16", f.amx_bf16);
  features.Set("neon", f.neon);
  features.Set("neonbf16", f.neon_bf16);
  Napi::Object o = Napi::Object::New(env);
  o.Set("cpu", features);
  o.Set("isa", kernels().name);
  o.Set("isaProblem", isaProblem() ? Napi::Value(Napi::String::New(env, isaProblem())) : env.Null());
  o.Set("numThreads", threads());
  o.Set("usableCpus", usableCpus());
  const GemmChoice choice = gemmChoice();
  o.Set("gemm", choice == GemmChoice::own ? "own" : choice == GemmChoice::openblas ? "openblas" : "auto");
  o.Set("reproducible", reproducible());
  o.Set("flushesDenormals", denormalsAreZero.load());
  const Blas& found = blas();
  Napi::Object b = Napi::Object::New(env);
  b.Set("available", found.available());
  b.Set("path", found.path);
  b.Set("config", found.config);
  b.Set("core", found.core);
  const std::string& problem = found.available() ? found.warning : found.reason;
  b.Set("problem", problem.empty() ? env.Null() : Napi::Value(Napi::String::New(env, problem)));
  o.Set("blas", b);
  // Nothing is chosen, and the system asked for nothing, before the first product.
  Napi::Object bfloat16 = Napi::Object::New(env);
  const char *name = bfloat16ProductName(), *trouble = bfloat16ProductProblem();
  bfloat16.Set("products", name ? Napi::Value(Napi::String::New(env, name)) : env.Null());
  bfloat16.Set("problem", trouble ? Napi::Value(Napi::String::New(env, trouble)) : env.Null());
  o.Set("bfloat16", bfloat16);
  const std::vector<std::string> refused = refusedVariables();
  Napi::Array list = Napi::Array::New(env, refused.size());
  for (size_t i = 0; i < refused.size(); ++i) list.Set(uint32_t(i), Napi::String::New(env, refused[i]));
  o.Set("refusedVariables", list);
  return o;
}

Napi::Value setReproducibleMode(const Napi::CallbackInfo& call) {
  setReproducible(call.Length() == 1 && call[0].ToBoolean().Value());
  return call.Env().Undefined();
}
Napi::Value setFlushDenormals(const Napi::CallbackInfo& call) {
  denormalsAreZero.store(call.Length() == 1 && call[0].ToBoolean().Value());
  return call.Env().Undefined();
}
Napi::Value setGemm(const Napi::CallbackInfo& call) {
  const std::string name = call.Length() == 1 && call[0].IsString() ? call[0].As<Napi::String>().Utf8Value() : "auto";
  setGemmChoice(name == "own" ? GemmChoice::own : name == "openblas" ? GemmChoice::openblas : GemmChoice::automatic);
  return call.Env().Undefined();
}

// gemmChosen(n, k, double) → 'own' or 'openblas'
Napi::Value gemmServing(const Napi::CallbackInfo& call) {
  if (call.Length() != 3 || !call[0].IsNumber() || !call[1].IsNumber() || !call[2].IsBoolean()) return call.Env().Undefined();
  const int64_t n = call[0].As<Napi::Number>().Int64Value(), k = call[1].As<Napi::Number>().Int64Value();
  return Napi::String::New(call.Env(), call[2].As<Napi::Boolean>().Value() ? gemmChosen<double>(n, k) : gemmChosen<float>(n, k));
}

// convolutionChosen(direction, double, geometry) → the algorithm that serves; direction and geometry: see ops/convolution.h
Napi::Value convolutionServing(const Napi::CallbackInfo& call) {
  const Napi::Value none = call.Env().Undefined();
  if (call.Length() != 3 || !call[0].IsNumber() || !call[1].IsBoolean() || !call[2].IsTypedArray()) return none;
  const int64_t direction = call[0].As<Napi::Number>().Int64Value();
  if (direction < 0 || direction > 2 || call[2].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) return none;
  const Napi::Float64Array given = call[2].As<Napi::Float64Array>();
  if (given.ElementLength() != convolutionInts) return none;
  int64_t ints[convolutionInts];
  for (int i = 0; i < convolutionInts; ++i) {
    const double value = given[size_t(i)];
    if (!(value >= 0 && value < double(int64_t(1) << 31))) return none;
    ints[i] = int64_t(value);
  }
  const Convolution geometry = convolutionOf(ints);
  if (checkConvolution(geometry)) return none;
  const auto way = ConvolutionDirection(direction);
  const bool isDouble = call[1].As<Napi::Boolean>().Value();
  return Napi::String::New(call.Env(), isDouble ? convolutionChosen<double>(geometry, way) : convolutionChosen<float>(geometry, way));
}

Napi::Value setThreadCount(const Napi::CallbackInfo& call) {
  if (call.Length() == 1 && call[0].IsNumber()) setThreads(call[0].As<Napi::Number>().Int32Value());
  return Napi::Number::New(call.Env(), threads());
}

// adviseHuge(view), addressOf(view) → bytes past a 64-byte boundary
bool viewOf(const Napi::CallbackInfo& call, void** data, size_t* bytes) {
  Operand view;
  if (call.Length() < 1 || !operandOf(call.Env(), call[0], &view)) return false;
  *data = view.data;
  *bytes = size_t(view.length * dtypeSize(view.dtype));
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

// reportMemory(change, later): bytes of SharedArrayBuffers that lib has made, or that have been collected. V8 counts none of them. `later`: it
// hears of it with the next report, for which createProgram cares: each report of much memory makes it collect garbage.
constexpr double mostReported = 1125899906842624;  // V8 ends the process for far more
Napi::Value reportMemory(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Instance* instance = env.GetInstanceData<Instance>();
  const double change = call.Length() >= 1 && call[0].IsNumber() ? call[0].As<Napi::Number>().DoubleValue() : 0;
  if (!(change >= -double(instance->shared) && change <= mostReported - double(instance->shared))) return env.Undefined();
  instance->shared += int64_t(change);
  instance->ledger->bytes += int64_t(change);
  bool later = false;
  if (call.Length() == 2) napi_get_value_bool(env, call[1], &later);  // as it was where it is none
  if (!later) instance->ledger->report(env);
  return env.Undefined();
}

}  // namespace

void MemoryLedger::report(napi_env env) {
  const int64_t now = bytes.load(), change = now - reported;
  if (change == 0) return;
  reported = now;
  int64_t total;
  napi_adjust_external_memory(env, change, &total);
}

void exportInfo(Napi::Env env, Napi::Object exports) {
  exports.Set("info", Napi::Function::New(env, info, "info"));
  exports.Set("setThreads", Napi::Function::New(env, setThreadCount, "setThreads"));
  exports.Set("setFlushDenormals", Napi::Function::New(env, setFlushDenormals, "setFlushDenormals"));
  exports.Set("setReproducible", Napi::Function::New(env, setReproducibleMode, "setReproducible"));
  exports.Set("gemmChosen", Napi::Function::New(env, gemmServing, "gemmChosen"));
  exports.Set("convolutionChosen", Napi::Function::New(env, convolutionServing, "convolutionChosen"));
  exports.Set("setGemm", Napi::Function::New(env, setGemm, "setGemm"));
  exports.Set("adviseHugePages", Napi::Function::New(env, adviseHuge, "adviseHugePages"));
  exports.Set("reportMemory", Napi::Function::New(env, reportMemory, "reportMemory"));
  exports.Set("misalignment", Napi::Function::New(env, misalignment, "misalignment"));
}

}  // namespace nodegrad
