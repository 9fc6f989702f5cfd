// calibrate(threads, seconds): what this machine can do at most, for the benchmarks.
#include "../runtime/calibrate.h"

#include "binding.h"

namespace nodegrad {
namespace {

Napi::Array pair(Napi::Env env, const double (&rates)[2]) {
  Napi::Array array = Napi::Array::New(env, 2);
  array.Set(0u, rates[0]);
  array.Set(1u, rates[1]);
  return array;
}

Napi::Value calibrateNow(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  const int threads = call.Length() > 0 && call[0].IsNumber() ? call[0].As<Napi::Number>().Int32Value() : 1;
  double seconds = call.Length() > 1 && call[1].IsNumber() ? call[1].As<Napi::Number>().DoubleValue() : 1;
  if (!(seconds >= 0 && seconds <= 60)) seconds = 1;
  const Calibration measured = calibrate(threads, seconds);
  Napi::Object peak = Napi::Object::New(env);
  peak.Set("avx2", pair(env, measured.fmaAvx2));
  peak.Set("avx512", pair(env, measured.fmaAvx512));
  peak.Set("neon", pair(env, measured.fmaNeon));
  Napi::Object result = Napi::Object::New(env);
  result.Set("threads", measured.threads);
  result.Set("fmaPeak", peak);
  result.Set("copyBandwidth", measured.copyBandwidth);
  result.Set("readBandwidth", measured.readBandwidth);
  result.Set("triadBandwidth", measured.triadBandwidth);
  result.Set("updateBandwidth", measured.updateBandwidth);
  result.Set("stateBandwidth", measured.stateBandwidth);
  return result;
}

}  // namespace

void exportCalibrate(Napi::Env env, Napi::Object exports) {
  exports.Set("calibrate", Napi::Function::New(env, calibrateNow, "calibrate"));
}

}  // namespace nodegrad
