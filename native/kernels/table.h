// The kernel table: one function per line of kernels.def and type, filled once per instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../runtime/cpu.h"

namespace nodegrad {

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
