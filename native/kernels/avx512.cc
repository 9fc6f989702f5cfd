// All kernels, instantiated for avx512. Only the one table leaves this file: everything else has internal linkage, so that the
// linker can never hand this file's instructions to code that runs on a smaller CPU.
#include <cstddef>
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "table.h"

#if defined(__x86_64__)
namespace avx512 {
namespace {
#include "vec_avx512.h"
#include "all.h"
}  // namespace
}  // namespace avx512

const nodegrad::KernelTable& nodegrad::avx512Kernels() {
  static const nodegrad::KernelTable table = {"avx512", avx512::table<float>(), avx512::table<double>(), avx512::bfloat16Table()};
  return table;
}
#else
const nodegrad::KernelTable& nodegrad::avx512Kernels() { return nodegrad::scalarKernels(); }
#endif
