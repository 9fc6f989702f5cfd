// A matrix product by the system's OpenBLAS, in tiles whose rows all have the same bits; included by gemm.cc alone.
#pragma once
#include <algorithm>
#include <cstring>

#include "../kernels/table.h"
#include "../runtime/blas.h"
#include "../runtime/pool.h"
#include "column_sums.h"
#include "gemm.h"
#include "workspace.h"

namespace nodegrad {

// Every call has the same number of rows, the last tile padded, so that a row's bits do not depend on the batch it is in. That
// holds only where a core's kernels treat all rows of a call alike: Haswell's and Zen's sum the rows 6–11 of every twelve in
// another order than the rows 0–5. Eight rows are alike in all cores; sixty-four in those measured.
inline int64_t blasTileRows() {
  static const int64_t rows = [] {
    for (const char* core : {"Cooperlake", "SkylakeX", "Sandybridge", "Nehalem", "Penryn", "Core2", "Prescott"})
      if (blas().core == core) return 64;
    return 8;
  }();
  return rows;
}

template <class T> struct BlasPlan {
  int64_t rowTiles, columnTiles, width;
  bool padded;
  size_t rowsSize, workerSize;  // in elements
};

template <class T> BlasPlan<T> blasPlanOf(const Gemm<T>& g) {
  const int64_t blasRows = blasTileRows();
  BlasPlan<T> p;
  p.rowTiles = divideUp(g.m, blasRows);
  p.padded = g.m % blasRows != 0;
  p.width = divideUp(divideUp(g.n, divideUp(g.n, 256)), 64) * 64;
  p.columnTiles = divideUp(g.n, p.width);
  p.rowsSize = p.padded ? padded<T>(blasRows * g.k) : 0;
  p.workerSize = p.padded || g.epilogue.prior == Prior::old ? padded<T>(blasRows * p.width) : 0;
  return p;
}

template <class T> void gemmBlas(const Gemm<T>& g, void* workspace) {
  const Kernels<T>& kernels = kernelsOf<T>();
  const BlasPlan<T> p = blasPlanOf(g);
  const int64_t blasRows = blasTileRows();
  T* const last = aligned<T>(workspace);
  T* const workers = last + p.rowsSize;
  const bool turnA = g.aCol != 1, turnB = g.bCol != 1;
  // Of a single row any stride will do; the library checks it all the same.
  const int64_t bRow = turnB ? g.bCol : g.k == 1 ? std::max(g.bRow, g.n) : g.bRow;
  if (p.padded) {
    const int64_t i0 = (p.rowTiles - 1) * blasRows, m = g.m - i0;
    std::memset(last, 0, size_t(blasRows) * g.k * sizeof(T));
    if (turnA) kernels.copyBlock(g.k, m, g.a + i0, g.aCol, last, blasRows);
    else kernels.copyBlock(m, g.k, g.a + i0 * g.aRow, g.aRow, last, g.k);
  }
  auto tile = [&](int64_t index, int worker) {
    if (index >= p.rowTiles * p.columnTiles) return sumTile(g, index - p.rowTiles * p.columnTiles);
    const int64_t i0 = index % p.rowTiles * blasRows, j0 = index / p.rowTiles * p.width;
    const int64_t m = std::min(blasRows, g.m - i0), n = std::min(p.width, g.n - j0);
    const bool whole = m == blasRows;
    const T* a = whole ? g.a + i0 * g.aRow : last;
    const int64_t lda = !whole ? (turnA ? blasRows : g.k) : turnA ? g.aCol : g.aRow;
    T* const c = g.c + i0 * g.ldc + j0;
    const bool direct = whole && g.epilogue.prior != Prior::old;
    T* const to = direct ? c : workers + worker * p.workerSize;
    const int64_t toRow = direct ? g.ldc : p.width;
    blasProduct<T>(turnA, turnB, int(blasRows), int(n), int(g.k), a, int(lda), g.b + j0 * g.bCol, int(bRow), to, int(toRow));
    if (!direct || g.epilogue.prior != Prior::none || g.epilogue.beyondSums())
      kernels.gemmFinish(m, n, to, toRow, nullptr, 0, c, g.ldc, g.epilogue.at(i0, j0));
  };
  const int64_t tiles = p.rowTiles * p.columnTiles + sumTiles(g);
  if (blas().serial) {  // its callers take turns: helpers would only wait
    for (int64_t index = 0; index < tiles; ++index) tile(index, 0);
  } else {
    parallelFor(tiles, tile);
  }
}

}  // namespace nodegrad
