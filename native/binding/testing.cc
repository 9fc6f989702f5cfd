// What the tests need to see of the calling thread: its floating-point state, and a way to disturb it. lib does not use it.
#include "../runtime/cpu.h"
#include "../runtime/fpstate.h"
#include "binding.h"

namespace nodegrad {
namespace {

// fpState() → [MXCSR or FPCR, x87 control word]; fpState(control) sets the first one before. 0 for what the processor does not have.
Napi::Value fpState(const Napi::CallbackInfo& call) {
  unsigned short x87 = 0;
#if defined(__aarch64__)
  constexpr unsigned settable = 0x3c00000;  // default NaN, flush to zero and rounding: the other bits trap, or change what Node.js computes
#else
  constexpr unsigned settable = 0xffff;
#endif
  // An unmasked exception would be a signal: masks stay on.
  if (call.Length() > 0 && call[0].IsNumber()) FpControl::write((call[0].As<Napi::Number>().Uint32Value() & settable) | FpControl::ieee);
  const unsigned control = FpControl::read();
#if defined(__x86_64__)
  __asm__ volatile("fnstcw %0" : "=m"(x87));
#endif
  Napi::Array state = Napi::Array::New(call.Env(), 2);
  state.Set(0u, double(control));
  state.Set(1u, double(x87));
  return state;
}

// Before the first product of bfloat16; the system is asked for tiles all the same.
Napi::Value assumeTileInstructions(const Napi::CallbackInfo& call) {
  assumeTiles();
  return call.Env().Undefined();
}

}  // namespace

void exportTesting(Napi::Env env, Napi::Object exports) {
  exports.Set("fpState", Napi::Function::New(env, fpState, "fpState"));
  exports.Set("assumeTiles", Napi::Function::New(env, assumeTileInstructions, "assumeTiles"));
}

}  // namespace nodegrad
