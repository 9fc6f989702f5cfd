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

// The tree of the op `sum`: the left half of the blocks is the larger one.
template <class T> void sumColumns(T* out, const T* x, int64_t rows, int64_t columns, int64_t row) {
  const Kernels<T>& kernels = kernelsOf<T>();
  if (rows <= columnBlock) return kernels.sumColumns(out, x, rows, columns, row);
  const int64_t left = ((rows + columnBlock - 1) / columnBlock + 1) / 2 * columnBlock;
  alignas(64) T right[sumWidth];
  sumColumns(out, x, left, columns, row);
  sumColumns(right, x + left * row, rows - left, columns, row);
  kernels.accumulate(out, right, columns);
}

template <class T> void sumTile(const Gemm<T>& g, int64_t tile) {
  const int64_t j = tile * sumWidth, columns = std::min(sumWidth, g.n - j);
  alignas(64) T total[sumWidth];
  sumColumns(total, g.b + j, g.k, columns, g.bRow);
  if (g.sumsPrior == Prior::zero) std::fill(g.sums + j, g.sums + j + columns, T(0));
  if (g.sumsPrior == Prior::none) std::memcpy(g.sums + j, total, size_t(columns) * sizeof(T));
  else kernelsOf<T>().accumulate(g.sums + j, total, columns);
}

}  // namespace nodegrad
