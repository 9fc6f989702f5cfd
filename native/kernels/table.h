// The kernel table: one function per line of kernels.def and type, filled once per instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../runtime/cpu.h"

namespace nodegrad {

// Whether a result replaces what is there, is added to it, or is added to zero: 0 + x is x, but for the sign of a zero.
enum class Prior : int32_t { none, old, zero };

// What a matrix product does to its sums before they are stored: c = (prior +) sum (+ bias), then f(c), or f'(y)·c where there is a y.
// Each has a rounding of its own, in this order.
template <class T> struct Epilogue {
  Prior prior = Prior::none;
  const T* bias = nullptr;  // [n]
  bool relu = false;        // f is ReLU
  void (*map)(T* y, const T* x, int64_t n, bool streaming) = nullptr;  // another f
  const T* y = nullptr;  // [m, n]
  int64_t yRow = 0;
  void (*mapBackward)(T* dx, const T* dy, const T* y, int64_t n, bool streaming) = nullptr;  // another f'

  // The part of rows from i and columns from j. Always inlined: kernels use it, and may leave no symbol to share.
  __attribute__((always_inline)) Epilogue at(int64_t i, int64_t j) const {
    Epilogue part = *this;
    if (bias) part.bias += j;
    if (y) part.y += i * yRow + j;
    return part;
  }
  __attribute__((always_inline)) bool beyondSums() const { return bias || relu || map || y; }
};

template <class T> struct Kernels {
#define KERNEL(name, result, ...) result (*name)(__VA_ARGS__);
#include "kernels.def"
#undef KERNEL
};

struct KernelTable {
  const char* name;
  Kernels<float> f32;
  Kernels<double> f64;
};

const KernelTable& scalarKernels();
const KernelTable& avx2Kernels();
const KernelTable& avx512Kernels();
const KernelTable& kernelsFor(Isa);
const KernelTable& kernels();  // of activeIsa()

template <class T> const Kernels<T>& kernelsOf();
template <> inline const Kernels<float>& kernelsOf<float>() { return kernels().f32; }
template <> inline const Kernels<double>& kernelsOf<double>() { return kernels().f64; }

}  // namespace nodegrad
