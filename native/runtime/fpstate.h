// Floating-point state guard: native code always computes in IEEE default mode, and the caller's mode comes back afterwards.
#pragma once
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace nodegrad {

class FpState {
 public:
#if defined(__x86_64__)
  FpState() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }  // round to nearest, no flush to zero, all exceptions masked, flags clear
  ~FpState() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#endif
};

// While one lives, denormal numbers are zero, those that come in and those that go out: what products of bfloat16 are defined by.
class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(0x9fc0); }  // FTZ and DAZ
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#endif
};

}  // namespace nodegrad
