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

// Where the operand that is read along its rows is packed though it need not be. Intel's prefetchers follow no panel of a wide matrix: 69 % of
// the peak as it lies, 95 where the first strip of rows packs it beside its products (Granite Rapids, [128, 784]·[784, 512]). AMD's follow one,
// unless its rows fall on few sets of the cache, of a long k some more (Zen 5: 88 and 95 %; 98 and 96 where they do not, 528 columns). For many
// rows and a matrix larger than a share of the second-level cache, a pass before the products is ahead by 5 % (1024³).
// Other makers' processors, those of arm64 among them, have not been measured: they are taken for AMD's, here and below.
inline bool packsBeside(int64_t rowBytes, int64_t k) { return cpuFeatures().intel || rowBytes % (k > 512 ? 1024 : 2048) == 0; }
inline bool packsBefore(int64_t m, int64_t rowBytes, int64_t bytes) {
  return !cpuFeatures().intel && m >= 128 && (rowBytes % 4096 == 0 || bytes > (2 << 20));
}

// The steps of k that gemmVectors is told of where panels are packed once and used again and again: up to 256 they count as near, and of panels
// that take the same time the widest is taken. A GRU of 256 units is 25 % slower with narrow ones (Zen 5).
inline int64_t stepsOfKept(int64_t k) { return k <= 256 && k > 64 ? 64 : k; }

// How much of a tile's rows stays in the second-level cache beside the panels that pass by.
inline int64_t nearBytes() { return int64_t(cpuFeatures().intel ? 768 : 512) << 10; }

}  // namespace nodegrad
