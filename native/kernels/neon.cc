// All kernels, instantiated for NEON, which every AArch64 processor has. Only the one table leaves this file, as from the other files of
// instruction sets.
#include <cstddef>
#include <cstdint>
#if defined(__aarch64__)
#include <arm_neon.h>
#define NODEGRAD_NEON 1  // the compiler says __aarch64__ in scalar.cc too
#endif
#include "table.h"

#if defined(__aarch64__)
namespace neon {
namespace {
#include "vec_neon.h"
#include "all.h"
}  // namespace
}  // namespace neon

const nodegrad::KernelTable& nodegrad::neonKernels() {
  static const nodegrad::KernelTable table = {"neon", neon::table<float>(), neon::table<double>(), neon::bfloat16Table()};
  return table;
}
#else
const nodegrad::KernelTable& nodegrad::neonKernels() { return nodegrad::scalarKernels(); }
#endif
