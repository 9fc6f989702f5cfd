// All kernels, instantiated for scalar. Only the one table leaves this file: everything else has internal linkage, so that the
// linker can never hand this file's instructions to code that runs on a smaller CPU.
#include <cstddef>
#include <cstdint>

#include "table.h"

namespace scalar {
namespace {
#include "fma.h"
#include "vec_scalar.h"
#include "all.h"
}  // namespace
}  // namespace scalar

const nodegrad::KernelTable& nodegrad::scalarKernels() {
  static const nodegrad::KernelTable table = {"scalar", scalar::table<float>(), scalar::table<double>(), scalar::bfloat16Table()};
  return table;
}

