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

// Whether the first strip of rows packs the other operand's panels for the rest of a tile, where its rows lie so many bytes apart. Intel's
// prefetchers follow no panel of a wide matrix: 69 % of the peak against 95 (Granite Rapids, [128, 784]·[784, 512]). AMD's do, unless the rows
// fall on few sets of the cache (Zen 5: 88 and 95 %; rows 528 apart 98, and 96 packed).
inline bool packsBeside(int64_t rowBytes) { return cpuFeatures().intel || rowBytes % 2048 == 0; }

// How much of a tile's rows stays in the second-level cache beside the panels that pass by.
inline int64_t nearBytes() { return int64_t(cpuFeatures().intel ? 768 : 512) << 10; }

}  // namespace nodegrad
