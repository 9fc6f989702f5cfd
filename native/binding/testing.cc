// What the tests need to see of the calling thread: its floating-point state, and a way to disturb it. lib does not use it.
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "../runtime/cpu.h"
#include "binding.h"

namespace nodegrad {
namespace {

// fpState() → [MXCSR, x87 control word]; fpState(mxcsr) sets MXCSR first. [0, 0] on other processors.
Napi::Value fpState(const Napi::CallbackInfo& call) {
  unsigned mxcsr = 0;
  unsigned short x87 = 0;
#if defined(__x86_64__)
  constexpr unsigned settable = 0xffff, masks = 0x1f80;  // an unmasked exception would be a signal: masks stay on
  if (call.Length() > 0 && call[0].IsNumber()) _mm_setcsr((call[0].As<Napi::Number>().Uint32Value() & settable) | masks);
  mxcsr = _mm_getcsr();
  __asm__ volatile("fnstcw %0" : "=m"(x87));
#endif
  Napi::Array state = Napi::Array::New(call.Env(), 2);
  state.Set(0u, double(mxcsr));
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
