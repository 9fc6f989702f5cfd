// Floating-point state guards: native code computes in IEEE default mode, or with denormal numbers as zero where that was asked for, and the
// caller's mode comes back afterwards.
#pragma once
#include <atomic>
#include <cstdint>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace nodegrad {

// Whether denormal numbers are zero, those that come in and those that go out: see setFlushDenormals in lib/runtime.ts.
inline std::atomic<bool> denormalsAreZero{false};

// The control register of the processor: round to nearest, no exception traps, flags clear. `flushing` takes denormal numbers for zero, those that come
// in and those that go out.
#if defined(__x86_64__)
struct FpControl {  // MXCSR
  static constexpr unsigned ieee = 0x1f80, flushing = 0x9fc0, flags = 0x3f;  // flushing: FTZ and DAZ
  static unsigned read() { return _mm_getcsr(); }
  static void write(unsigned control) { _mm_setcsr(control); }
};
#elif defined(__aarch64__)
struct FpControl {  // FPCR
  static constexpr unsigned ieee = 0, flushing = 1u << 24, flags = 0;  // flushing: FZ
  static unsigned read() {
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return unsigned(control);
  }
  static void write(unsigned control) { __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t(control)) : "memory"); }
};
#else
struct FpControl {
  static constexpr unsigned ieee = 0, flushing = 0, flags = 0;
  static unsigned read() { return 0; }
  static void write(unsigned) {}
};
#endif

class FpState {
 public:
  FpState() : FpState(denormalsAreZero.load(std::memory_order_relaxed) ? FpControl::flushing : FpControl::ieee) {}
  // As another thread computes.
  explicit FpState(unsigned control) : saved_(FpControl::read()) { FpControl::write(control); }
  ~FpState() { FpControl::write(saved_); }
  static unsigned control() { return FpControl::read() & ~FpControl::flags; }

 private:
  unsigned saved_;
};

// While one lives, denormal numbers are zero, those that come in and those that go out: what products of bfloat16 are defined by.
class FlushDenormals {
 public:
  FlushDenormals() : saved_(FpControl::read()) { FpControl::write(FpControl::flushing); }
  ~FlushDenormals() { FpControl::write(saved_); }

 private:
  unsigned saved_;
};

}  // namespace nodegrad
