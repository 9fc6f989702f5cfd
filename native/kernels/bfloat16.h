// bfloat16: the upper half of a float32. A type of storage only: what is computed with it is float32.
#pragma once
#include <cstdint>

namespace nodegrad {

struct bfloat16 {
  uint16_t bits;

  // Always inlined: kernels use it, and may leave no symbol to share.
  bfloat16() = default;
  // Rounded to nearest, ties to even. NaN stays NaN, and quiet; what is denormal becomes zero, as the instructions of processors have it.
  __attribute__((always_inline)) explicit constexpr bfloat16(float x) : bits(rounded(__builtin_bit_cast(uint32_t, x))) {}
  // Rounded once: float32 in between is rounded to odd, which keeps what decides ties.
  __attribute__((always_inline)) explicit constexpr bfloat16(double x) : bits(rounded(toOdd(x))) {}
  __attribute__((always_inline)) explicit constexpr bfloat16(int32_t x) : bfloat16(double(x)) {}
  __attribute__((always_inline)) constexpr operator float() const { return __builtin_bit_cast(float, uint32_t(bits) << 16); }

 private:
  __attribute__((always_inline)) static constexpr uint16_t rounded(uint32_t x) {
    if ((x & 0x7fffffff) > 0x7f800000) return uint16_t(x >> 16 | 0x40);
    if ((x & 0x7f800000) == 0) return uint16_t(x >> 16 & 0x8000);
    return uint16_t((x + 0x7fff + (x >> 16 & 1)) >> 16);
  }
  __attribute__((always_inline)) static constexpr uint32_t toOdd(double x) {
    const float f = float(x);
    const uint32_t bits = __builtin_bit_cast(uint32_t, f);
    if (double(f) == x || x != x || (bits & 1)) return bits;
    // Towards x, which lies beside an even f; beyond the largest float32 the rounding decides.
    const bool outward = (double(f) < x) == (x > 0);
    return (bits & 0x7fffffff) == 0x7f800000 ? bits : outward ? bits + 1 : bits - 1;
  }
};

// The type that arithmetic on what is stored as S runs in.
template <class S> struct ArithmeticOf { using type = S; };
template <> struct ArithmeticOf<bfloat16> { using type = float; };
template <class S> using Arithmetic = typename ArithmeticOf<S>::type;

}  // namespace nodegrad
