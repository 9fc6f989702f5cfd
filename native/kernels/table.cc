// Chooses the kernel table once, by CPU probe or NODEGRAD_ISA.
#include "table.h"

namespace nodegrad {

const KernelTable& kernelsFor(Isa isa) {
  switch (isa) {
    case Isa::avx512: return avx512Kernels();
    case Isa::avx2: return avx2Kernels();
    case Isa::neon: return neonKernels();
    default: return scalarKernels();
  }
}

const KernelTable& kernels() {
  static const KernelTable& table = kernelsFor(activeIsa());
  return table;
}

}  // namespace nodegrad
