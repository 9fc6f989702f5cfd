// All kernels, instantiated for avx2. Only the one table leaves this file: everything else has internal linkage, so that the
// linker can never hand this file's instructions to code that runs on a smaller CPU.
#include <cstddef>
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "table.h"

#if defined(__x86_64__)
namespace avx2 {
namespace {
#include "vec_avx2.h"
#include "all.h"
}  // namespace
}  // namespace avx2

const nodegrad::KernelTable& nodegrad::avx2Kernels() {
  static const nodegrad::KernelTable table = {"avx2", avx2::table<float>(), avx2::table<double>(), avx2::bfloat16Table()};
  return table;
}
#else
const nodegrad::KernelTable& nodegrad::avx2Kernels() { return nodegrad::scalarKernels(); }
#endif
