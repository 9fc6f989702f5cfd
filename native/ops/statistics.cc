// Norms and statistics in float64. Tiles are cut by length, and blocks of 4096 are joined by one tree: the bits never depend on threads.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

constexpr int64_t block = 4096;
constexpr int64_t tileBlocks = 4;

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

double plus(double a, double b) { return a + b; }
double folded(const double* sums, int64_t blocks) { return blocks ? foldBlocks(sums, blocks, plus) : 0; }

// Σ x², and how many x are not finite: none while the sum is finite, and they are looked for only when it is not.
void run_sum_squares(const Call& c) {
  const int64_t length = c.length(2);
  double* sums = static_cast<double*>(c.workspace);
  byFloat(c, [&]<class T>() {
    const T* x = c.in<T>(2);
    forBlocks(length, [&](int64_t at, int64_t n, int64_t b) { sums[b] = kernelsOf<T>().sumSquares(x + at, n); });
    const double sum = folded(sums, tilesOf(length, block));
    int64_t others = 0;
    if (!(sum - sum == 0))
      for (int64_t i = 0; i < length; ++i) others += !(x[i] - x[i] == 0);
    *c.out<double>(0) = sum;
    *c.out<double>(1) = double(others);
  });
}
size_t squaresSpace(const Call& c) { return size_t(tilesOf(c.length(2), block)) * sizeof(double); }
const char* checkSums(const Call& c) { return c.length(0) == 1 && c.length(1) == 1 ? nullptr : "a sum has one element"; }

// The same in two halves, for a tensor whose blocks several processes have: Σ x² of each block, and their sum along the tree.
void run_sum_squares_blocks(const Call& c) {
  double* sums = c.out<double>(0);
  byFloat(c, [&]<class T>() {
    const T* x = c.in<T>(1);
    forBlocks(c.length(1), [&](int64_t at, int64_t n, int64_t b) { sums[b] = kernelsOf<T>().sumSquares(x + at, n); });
  });
}
const char* checkBlocks(const Call& c) { return c.length(0) == tilesOf(c.length(1), block) ? nullptr : "a block has one sum"; }

void run_sum_blocks(const Call& c) { *c.out<double>(0) = folded(c.in<double>(1), c.length(1)); }
const char* checkSumBlocks(const Call& c) { return c.length(0) == 1 ? nullptr : "a sum has one element"; }

// Σ (a − b)², and Σ b² in the same pass
void run_sum_squares_difference(const Call& c) {
  const int64_t length = c.length(2), blocks = tilesOf(length, block);
  double *differences = static_cast<double*>(c.workspace), *squares = differences + blocks;
  byFloat(c, [&]<class T>() {
    const T *x = c.in<T>(2), *y = c.in<T>(3);
    forBlocks(length, [&](int64_t at, int64_t n, int64_t b) {
      differences[b] = kernelsOf<T>().sumSquaresDifference(x + at, y + at, n, squares + b);
    });
  });
  *c.out<double>(0) = folded(differences, blocks);
  *c.out<double>(1) = folded(squares, blocks);
}
size_t differenceSpace(const Call& c) { return 2 * squaresSpace(c); }
const char* checkDifference(const Call& c) { return c.length(2) != c.length(3) ? "operands of different lengths" : checkSums(c); }

// ---- statistics: elements that are not finite, zeros, and of the finite ones mean, population std, least, largest; a histogram if asked ----

struct Moments { double count, zeros, mean, squares, least, largest; };

// Two parts as one (Chan, Golub & LeVeque 1979): nothing cancels.
Moments joined(const Moments& a, const Moments& b) {
  if (a.count == 0) return b;
  if (b.count == 0) return a;
  const double count = a.count + b.count, apart = b.mean - a.mean;
  return {count,
          a.zeros + b.zeros,
          a.mean + apart * (b.count / count),
          a.squares + b.squares + apart * apart * (a.count * (b.count / count)),
          a.least < b.least ? a.least : b.least,
          a.largest > b.largest ? a.largest : b.largest};
}

constexpr int64_t bins = 256;

// A tile counts for itself; counts are whole numbers, so their order is free.
void run_statistics(const Call& c) {
  const int64_t length = c.length(2), blocks = tilesOf(length, block), tiles = tilesOf(blocks, tileBlocks);
  Moments* moments = static_cast<Moments*>(c.workspace);
  int32_t* counts = c.length(1) ? reinterpret_cast<int32_t*>(moments + blocks) : nullptr;
  for (int64_t i = 0; counts && i < tiles * bins; ++i) counts[i] = 0;
  byFloat(c, [&]<class T>() {
    const T* x = c.in<T>(2);
    forBlocks(length, [&](int64_t at, int64_t n, int64_t b) {
      kernelsOf<T>().statistics(x + at, n, &moments[b].count, counts ? counts + b / tileBlocks * bins : nullptr);
    });
  });
  const Moments all = blocks ? foldBlocks(moments, blocks, joined) : Moments{};
  const double nothing = __builtin_nan("");
  double* out = c.out<double>(0);
  out[0] = double(length) - all.count;
  out[1] = all.zeros;
  out[2] = all.count > 0 ? all.mean : nothing;
  out[3] = all.count > 0 ? __builtin_sqrt(all.squares / all.count) : nothing;
  out[4] = all.count > 0 ? all.least : nothing;
  out[5] = all.count > 0 ? all.largest : nothing;
  for (int64_t j = 0; j < c.length(1); ++j) {
    int32_t sum = 0;
    for (int64_t t = 0; t < tiles; ++t) sum += counts[t * bins + j];
    c.out<int32_t>(1)[j] = sum;
  }
}
const char* checkStatistics(const Call& c) {
  if (c.length(0) != 6) return "statistics are 6 numbers";
  if (c.length(1) != 0 && c.length(1) != bins) return "a histogram of statistics has 256 bins, or none";
  return c.length(2) > INT32_MAX ? "too many elements for int32 counts" : nullptr;
}
size_t statisticsSpace(const Call& c) {
  const int64_t blocks = tilesOf(c.length(2), block);
  return size_t(blocks) * sizeof(Moments) + size_t(c.length(1) ? tilesOf(blocks, tileBlocks) * bins : 0) * sizeof(int32_t);
}

}  // namespace

extern const OpFunctions op_sum_squares = {run_sum_squares, checkSums, squaresSpace};
extern const OpFunctions op_sum_squares_blocks = {run_sum_squares_blocks, checkBlocks};
extern const OpFunctions op_sum_blocks = {run_sum_blocks, checkSumBlocks};
extern const OpFunctions op_sum_squares_difference = {run_sum_squares_difference, checkDifference, differenceSpace};

extern const OpFunctions op_statistics = {run_statistics, checkStatistics, statisticsSpace};

}  // namespace nodegrad::ops
