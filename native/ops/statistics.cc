// Norms and statistics in float64. Tiles are cut by length, and blocks of 4096 are joined by one tree: the bits never depend on threads.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

constexpr int64_t block = 4096;
constexpr int64_t tileBlocks = 8;

size_t blockSums(const Call& c) { return size_t(tilesOf(c.length(1), block)) * sizeof(double); }

// The left part is the larger half.
template <class S, class Join> S foldBlocks(const S* p, int64_t n, Join join) {
  if (n == 1) return p[0];
  const int64_t left = (n + 1) / 2;
  return join(foldBlocks(p, left, join), foldBlocks(p + left, n - left, join));
}

// `body(begin, count, block)` for every block of `length` elements.
template <class F> void forBlocks(int64_t length, F body) {
  const int64_t blocks = tilesOf(length, block);
  parallelFor(tilesOf(blocks, tileBlocks), [&](int64_t tile, int) {
    for (int64_t b = tile * tileBlocks; b < (tile + 1) * tileBlocks && b < blocks; ++b)
      body(b * block, b + 1 < blocks ? block : length - b * block, b);
  });
}

template <class F> double sumOfBlocks(const Call& c, F kernel) {
  const int64_t blocks = tilesOf(c.length(1), block);
  if (blocks == 0) return 0;
  double* sums = static_cast<double*>(c.workspace);
  forBlocks(c.length(1), [&](int64_t at, int64_t n, int64_t b) { sums[b] = kernel(at, n); });
  return foldBlocks(sums, blocks, [](double a, double b) { return a + b; });
}

// Σ x²
void run_sum_squares(const Call& c) {
  byFloat(c, [&]<class T>() {
    const T* x = c.in<T>(1);
    *c.out<double>(0) = sumOfBlocks(c, [&](int64_t at, int64_t n) { return kernelsOf<T>().sumSquares(x + at, n); });
  });
}
const char* checkSumSquares(const Call& c) { return c.length(0) == 1 ? nullptr : "a sum has one element"; }

// Σ (a − b)²
void run_sum_squares_difference(const Call& c) {
  byFloat(c, [&]<class T>() {
    const T *a = c.in<T>(1), *b = c.in<T>(2);
    *c.out<double>(0) = sumOfBlocks(c, [&](int64_t at, int64_t n) { return kernelsOf<T>().sumSquaresDifference(a + at, b + at, n); });
  });
}
const char* checkSumSquaresDifference(const Call& c) {
  if (c.length(1) != c.length(2)) return "operands of different lengths";
  return checkSumSquares(c);
}

}  // namespace

extern const OpFunctions op_sum_squares = {run_sum_squares, checkSumSquares, blockSums};
extern const OpFunctions op_sum_squares_difference = {run_sum_squares_difference, checkSumSquaresDifference, blockSums};

}  // namespace nodegrad::ops
