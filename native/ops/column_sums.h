// Column sums beside a matrix product, for bias gradients: tiles that the product's own region computes with its own.
#pragma once
#include <algorithm>
#include <cstring>

#include "../kernels/table.h"
#include "gemm.h"

namespace nodegrad {

// Columns of a tile.
constexpr int64_t sumWidth = 64;

template <class T> int64_t sumTiles(const Gemm<T>& g) { return g.sums ? (g.n + sumWidth - 1) / sumWidth : 0; }

// At most columnBlock rows; of bfloat16 they are widened first.
template <class T> void sumBlockColumns(T* out, const T* x, int64_t rows, int64_t columns, int64_t row) {
  kernelsOf<T>().sumColumns(out, x, rows, columns, row);
}
inline void sumBlockColumns(float* out, const bfloat16* x, int64_t rows, int64_t columns, int64_t row) {
  alignas(64) float wide[columnBlock * sumWidth];
  for (int64_t i = 0; i < rows; ++i) kernels().bf16.widen(wide + i * columns, x + i * row, columns);
  kernelsOf<float>().sumColumns(out, wide, rows, columns, columns);
}

// The tree of the op `sum`: the left half of the blocks is the larger one.
template <class T, class S> void sumColumns(T* out, const S* x, int64_t rows, int64_t columns, int64_t row) {
  if (rows <= columnBlock) return sumBlockColumns(out, x, rows, columns, row);
  const int64_t left = ((rows + columnBlock - 1) / columnBlock + 1) / 2 * columnBlock;
  alignas(64) T right[sumWidth];
  sumColumns(out, x, left, columns, row);
  sumColumns(right, x + left * row, rows - left, columns, row);
  kernelsOf<T>().accumulate(out, right, columns);
}

// One tile of sums[n] of b[rows, n].
template <class T, class S> void sumTile(T* sums, Prior prior, const S* b, int64_t rows, int64_t n, int64_t row, int64_t tile) {
  const int64_t j = tile * sumWidth, columns = std::min(sumWidth, n - j);
  alignas(64) T total[sumWidth];
  sumColumns(total, b + j, rows, columns, row);
  if (prior == Prior::zero) std::fill(sums + j, sums + j + columns, T(0));
  if (prior == Prior::none) std::memcpy(sums + j, total, size_t(columns) * sizeof(T));
  else kernelsOf<T>().accumulate(sums + j, total, columns);
}
template <class T> void sumTile(const Gemm<T>& g, int64_t tile) { sumTile(g.sums, g.sumsPrior, g.b, g.k, g.n, g.bRow, tile); }

}  // namespace nodegrad
