// Reductions of [outer, n, inner] to [outer, inner], and the histogram.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "gemm.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

constexpr int64_t columnTile = 256;    // columns of one tile

struct Shape { int64_t outer, n, inner; };
Shape shapeOf(const Call& c) { return {c.ints[0], c.ints[1], c.ints[2]}; }

const char* checkShape(const Call& c, int full, int reduced) {
  const Shape s = shapeOf(c);
  const int64_t out = checkedProduct(s.outer, s.inner);
  if (out < 0 || checkedProduct(out, s.n) != c.length(full)) return "the tensor does not have as many elements as its dimensions say";
  if (out != c.length(reduced)) return "the reduced tensor does not have as many elements as its dimensions say";
  return nullptr;
}
const char* checkSum(const Call& c) { return checkShape(c, 1, 0); }
const char* checkExtreme(const Call& c) {
  if (const char* problem = checkShape(c, 2, 0)) return problem;
  if (c.length(1) != c.length(0)) return "values and indices of different lengths";
  if (c.ints[1] < 1 || c.ints[1] > INT32_MAX) return "nothing to choose from, or too much for an int32 index";
  return nullptr;
}

// ---- sum ----

// Rows of contiguous elements: a tile is a few rows. Very long rows are cut where the kernel's own tree would cut them.
template <class T> void sumRows(const Call& c, Shape s) {
  constexpr int64_t block = 4096;
  const auto& k = kernelsOf<T>();
  T* out = c.out<T>(0);
  const T* x = c.in<T>(1);
  if (s.n <= 16 * block) {
    const int64_t rows = s.n == 0 ? s.outer : elementTile / s.n + 1;
    parallelFor(tilesOf(s.outer, rows), [&](int64_t tile, int) {
      for (int64_t r = tile * rows; r < (tile + 1) * rows && r < s.outer; ++r) out[r] = k.sum(x + r * s.n, s.n);
    });
    return;
  }
  T* leaves = static_cast<T*>(c.workspace);
  const int64_t blocks = tilesOf(s.n, block);
  for (int64_t r = 0; r < s.outer; ++r) {
    parallelFor(tilesOf(blocks, 8), [&](int64_t tile, int) {
      for (int64_t b = tile * 8; b < tile * 8 + 8 && b < blocks; ++b)
        leaves[b] = k.sum(x + r * s.n + b * block, b + 1 < blocks ? block : s.n - b * block);
    });
    // The kernel's tree over blocks: the left part is the larger half.
    struct Tree {
      static T fold(const T* p, int64_t n) {
        if (n == 1) return p[0];
        const int64_t left = (n + 1) / 2;
        return fold(p, left) + fold(p + left, n - left);
      }
    };
    out[r] = Tree::fold(leaves, blocks);
  }
}

// Columns: row blocks into the workspace, then the same tree over blocks.
template <class T> void sumColumns(const Call& c, Shape s) {
  const auto& k = kernelsOf<T>();
  T* out = c.out<T>(0);
  const T* x = c.in<T>(1);
  const int64_t blocks = s.n ? tilesOf(s.n, columnBlock) : 1, tiles = tilesOf(s.inner, columnTile);
  T* partial = blocks > 1 ? static_cast<T*>(c.workspace) : out;
  parallelFor(s.outer * blocks * tiles, [&](int64_t tile, int) {
    const int64_t j = tile % tiles * columnTile, b = tile / tiles % blocks, o = tile / tiles / blocks;
    const int64_t rows = s.n - b * columnBlock < columnBlock ? s.n - b * columnBlock : columnBlock;
    k.sumColumns(partial + (o * blocks + b) * s.inner + j, x + (o * s.n + b * columnBlock) * s.inner + j, rows,
                 s.inner - j < columnTile ? s.inner - j : columnTile, s.inner);
  });
  if (blocks == 1) return;
  struct Tree {
    // Folds blocks [0, n) at p into p[0].
    static void fold(const Kernels<T>& k, T* p, int64_t n, int64_t inner) {
      if (n == 1) return;
      const int64_t left = (n + 1) / 2;
      fold(k, p, left, inner);
      fold(k, p + left * inner, n - left, inner);
      k.accumulate(p, p + left * inner, inner);
    }
  };
  for (int64_t o = 0; o < s.outer; ++o) {
    T* p = partial + o * blocks * s.inner;
    Tree::fold(k, p, blocks, s.inner);
    for (int64_t j = 0; j < s.inner; ++j) out[o * s.inner + j] = p[j];
  }
}

void sumInto(const Call& c) {
  const Shape s = shapeOf(c);
  byFloat(c, [&]<class T>() { s.inner == 1 ? sumRows<T>(c, s) : sumColumns<T>(c, s); });
}
// y = Σ x; with a prior y += Σ x or y = 0 + Σ x, and the sums go to the workspace first.
void run_sum(const Call& c) {
  if (c.length(0) == 0) return;
  if (c.fused.prior == Prior::none) return sumInto(c);
  byFloat(c, [&]<class T>() {
    T* const sums = static_cast<T*>(c.workspace);
    const Operand operands[] = {{sums, c.length(0), c.dtype}, c.operands[1]};
    Call sum = c;
    sum.operands = operands;
    sum.workspace = sums + (c.length(0) + 15) / 16 * 16;
    sumInto(sum);
    if (c.fused.prior == Prior::zero) kernelsOf<T>().fill(c.out<T>(0), T(0), c.length(0));
    kernelsOf<T>().accumulate(c.out<T>(0), sums, c.length(0));
  });
}
size_t sumWorkspace(const Call& c) {
  const Shape s = shapeOf(c);
  const int64_t size = dtypeSize(c.dtype), first = c.fused.prior == Prior::none ? 0 : (c.length(0) + 15) / 16 * 16 * size;
  if (s.inner == 1) return size_t(first + tilesOf(s.n, 4096) * size);
  return size_t(first + s.outer * tilesOf(s.n, columnBlock) * s.inner * size);
}

// ---- max, min ----

template <bool Max> void extreme(const Call& c) {
  const Shape s = shapeOf(c);
  byFloat(c, [&]<class T>() {
    const auto& k = kernelsOf<T>();
    T* out = c.out<T>(0);
    int32_t* index = c.out<int32_t>(1);
    const T* x = c.in<T>(2);
    if (s.inner == 1) {
      const int64_t rows = elementTile / s.n + 1;
      parallelFor(tilesOf(s.outer, rows), [&](int64_t tile, int) {
        for (int64_t r = tile * rows; r < (tile + 1) * rows && r < s.outer; ++r)
          out[r] = (Max ? k.maxRow : k.minRow)(x + r * s.n, s.n, index + r);
      });
    } else {
      const int64_t tiles = tilesOf(s.inner, columnTile);
      parallelFor(s.outer * tiles, [&](int64_t tile, int) {
        const int64_t j = tile % tiles * columnTile, o = tile / tiles;
        (Max ? k.maxColumns : k.minColumns)(out + o * s.inner + j, index + o * s.inner + j, x + o * s.n * s.inner + j, s.n,
                                            s.inner - j < columnTile ? s.inner - j : columnTile, s.inner);
      });
    }
  });
}
void run_max(const Call& c) { extreme<true>(c); }
void run_min(const Call& c) { extreme<false>(c); }

// dx[o, index[o, j], j] = dy[o, j], zero elsewhere: the gradient goes to the first of equal elements.
void run_select_backward(const Call& c) {
  const Shape s = shapeOf(c);
  if (c.length(0) == 0) return;
  byFloat(c, [&]<class T>() {
    T* dx = c.out<T>(0);
    const T* dy = c.in<T>(1);
    const int32_t* index = c.in<int32_t>(2);
    parallelFor(s.outer, [&](int64_t o, int) {
      kernelsOf<T>().fill(dx + o * s.n * s.inner, T(0), s.n * s.inner);
      for (int64_t j = 0; j < s.inner; ++j) dx[(o * s.n + indexBelow(index + o * s.inner + j, s.n)) * s.inner + j] = dy[o * s.inner + j];
    });
  });
}
const char* checkSelectBackward(const Call& c) {
  if (const char* problem = checkShape(c, 0, 1)) return problem;
  if (c.length(2) != c.length(1)) return "gradients and indices of different lengths";
  return nullptr;
}
Refusal guardSelectBackward(const Call& c) {
  return refuseOutside("index of the reduced axis", c.in<int32_t>(2), c.length(2), 0, c.ints[1] - 1);
}

// ---- histogram ----

// counts[i] = how many x lie in [low + i·width, low + (i+1)·width), the last bin closed; others and NaN are not counted.
void run_histogram(const Call& c) {
  const int64_t bins = c.length(0);
  int32_t* counts = c.out<int32_t>(0);
  for (int64_t i = 0; i < bins; ++i) counts[i] = 0;
  const double low = c.reals[0], high = c.reals[1], scale = double(bins) / (high - low);
  byFloat(c, [&]<class T>() {
    const T* x = c.in<T>(1);
    for (int64_t i = 0; i < c.length(1); ++i) {
      const double v = double(x[i]);
      if (!(v >= low && v <= high)) continue;
      // In a denormal range bins per unit overflow: there the share of the range comes first.
      const double bin = scale <= __DBL_MAX__ ? (v - low) * scale : (v - low) / (high - low) * double(bins);
      ++counts[bin < double(bins) ? int64_t(bin) : bins - 1];
    }
  });
}
const char* checkHistogram(const Call& c) {
  if (c.length(0) < 1) return "a histogram needs at least one bin";
  if (c.length(1) > INT32_MAX) return "too many elements for int32 counts";
  if (!(c.reals[1] > c.reals[0]) || !(c.reals[1] - c.reals[0] < __builtin_inf())) return "the range is empty or not finite";
  return nullptr;
}

// Writes nothing: its guard ends the step where an element is NaN or infinite.
void run_require_finite(const Call&) {}
const char* checkRequireFinite(const Call&) { return nullptr; }
Refusal guardRequireFinite(const Call& c) {
  Refusal refusal;
  byFloat(c, [&]<class T>() {
    const T* x = c.in<T>(0);
    for (int64_t i = 0; i < c.length(0); ++i)
      if (!(x[i] - x[i] == T(0))) refusal.what = "the value is not finite";
  });
  return refusal;
}

}  // namespace

extern const OpFunctions op_require_finite = {run_require_finite, checkRequireFinite, nullptr, guardRequireFinite, 0};
extern const OpFunctions op_sum = {run_sum, checkSum, sumWorkspace};
extern const OpFunctions op_max = {run_max, checkExtreme};
extern const OpFunctions op_min = {run_min, checkExtreme};
extern const OpFunctions op_select_backward = {run_select_backward, checkSelectBackward, nullptr, guardSelectBackward, 2};
extern const OpFunctions op_histogram = {run_histogram, checkHistogram};

}  // namespace nodegrad::ops
