// Which product serves where nobody forces one: our own everywhere except in the measured cases below.
#pragma once
#include <cstdint>

#include "../runtime/cpu.h"

namespace nodegrad {

struct GemmTableRow {
  Isa isa;
  int bytes;              // of an element
  int64_t leastN, leastK; // OpenBLAS serves from here on in both
};

// Filled from measurements; none so far in which OpenBLAS is ahead.
constexpr GemmTableRow gemmTable[] = {
    {Isa::scalar, 4, 1, 1},  // OpenBLAS has SSE kernels; our scalar code is the oracle, not the fast path
    {Isa::scalar, 8, 1, 1},
};

inline bool gemmTableSaysOpenBlas(Isa isa, int bytes, int64_t n, int64_t k) {
  for (const GemmTableRow& row : gemmTable)
    if (row.isa == isa && row.bytes == bytes && n >= row.leastN && k >= row.leastK) return true;
  return false;
}

}  // namespace nodegrad
