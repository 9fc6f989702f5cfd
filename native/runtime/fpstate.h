// Floating-point state guards: native code computes in IEEE default mode, or with denormal numbers as zero where that was asked for, and the
// caller's mode comes back afterwards.
#pragma once
#include <atomic>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace nodegrad {

// Whether denormal numbers are zero, those that come in and those that go out: see setFlushDenormals in lib/runtime.ts.
inline std::atomic<bool> denormalsAreZero{false};

class FpState {
 public:
#if defined(__x86_64__)
  // Round to nearest, all exceptions masked, flags clear; FTZ and DAZ where asked for.
  FpState() : FpState(denormalsAreZero.load(std::memory_order_relaxed) ? 0x9fc0 : 0x1f80) {}
  // As another thread computes.
  explicit FpState(unsigned control) : saved_(_mm_getcsr()) { _mm_setcsr(control); }
  ~FpState() { _mm_setcsr(saved_); }
  static unsigned control() { return _mm_getcsr() & ~0x3fu; }

 private:
  unsigned saved_;
#else
  FpState() = default;
  explicit FpState(unsigned) {}
  static unsigned control() { return 0; }
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
