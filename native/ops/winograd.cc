// 3×3 convolution with stride 1 by Winograd's minimal filtering: native/kernels/winograd.h has the formulas.
//
// The order of arithmetic: sums over channels are those of a matrix product, one per position of a tile; a tile depends on nothing but
// its own image. The weight gradient's sums over tiles: see gradientPlan.
#include <algorithm>
#include <cstring>

#include "gemm_table.h"
#include "../runtime/pool.h"
#include "convolution.h"
#include "weight_gradients.h"
#include "workspace.h"

namespace nodegrad::winograd {
namespace {

constexpr int64_t lane = 16;
constexpr int64_t whole(int64_t channels) { return divideUp(channels, lane) * lane; }
// Elements between the rows of a matrix of transformed tiles, and between its positions: never a multiple of 4 KiB, which one set of a
// cache would have to hold.
constexpr int64_t pitch(int64_t channels) { return channels <= lane ? lane : whole(channels) + lane; }
constexpr int64_t positionSize(int64_t rows, int64_t row) { return rows * row + lane; }

// The outputs of an image cut into tiles of m × m.
struct Tiling {
  int m;
  int64_t rows, columns;
  int64_t image() const { return rows * columns; }
  int64_t positions() const { return (m + 2) * (m + 2); }

  // body(first tile from `begin`, count, image, row, column) for each run of neighbours in a row.
  template <class F> void runs(int64_t begin, int64_t end, F&& body) const {
    for (int64_t t = begin; t < end;) {
      const int64_t in = t % image(), column = in % columns, count = std::min(columns - column, end - t);
      body(t - begin, count, t / image(), in / columns * m, column * m);
      t += count;
    }
  }
};
// As many products as an image needs; the larger tile pays unless most of it lies outside.
double productsOf(int64_t oh, int64_t ow, int64_t m) { return double(divideUp(oh, m)) * double(divideUp(ow, m)) * double((m + 2) * (m + 2)); }
Tiling tilingOf(int64_t oh, int64_t ow) {
  const int m = productsOf(oh, ow, 2) <= productsOf(oh, ow, 4) ? 2 : 4;
  return {m, divideUp(oh, m), divideUp(ow, m)};
}

// Below, a transform of whole vectors of channels costs more than it saves.
constexpr int64_t leastChannels = 8, leastOfBoth = 24;

// 3×3, stride 1, padding 0 … 2 on each side, and fewer products than there are without transforms.
bool serves(const Convolution& s) {
  const int64_t bottom = s.oh + 2 - s.h - s.padTop, right = s.ow + 2 - s.w - s.padLeft;
  for (int64_t pad : {s.padTop, s.padLeft, bottom, right})
    if (pad < 0 || pad > 2) return false;
  return s.kh == 3 && s.kw == 3 && s.strideH == 1 && s.strideW == 1 && s.dilationH == 1 && s.dilationW == 1 && s.groups == 1 &&
         s.c >= leastChannels && s.k >= leastChannels && s.c + s.k >= leastOfBoth;
}
bool pays(int64_t oh, int64_t ow, double products) { return 1.25 * std::min(productsOf(oh, ow, 2), productsOf(oh, ow, 4)) < products; }
bool pays(int64_t oh, int64_t ow) { return pays(oh, ow, 9.0 * double(oh) * double(ow)); }

// ---- forward, and the input gradient as a forward with turned weights ---------------------------------------------------------------

struct Problem {  // source [n, h, w, c] → destination [n, oh, ow, k]
  int64_t n, h, w, c, oh, ow, k, padTop, padLeft;
  int64_t row;  // elements from a pixel of the destination to the next
  bool turned;  // weights are [3, 3, k, c] and run backwards
};
Problem forwardProblem(const Convolution& s) { return {s.n, s.h, s.w, s.c, s.oh, s.ow, s.k, s.padTop, s.padLeft, s.row, false}; }
Problem inputProblem(const Convolution& s) { return {s.n, s.oh, s.ow, s.k, s.h, s.w, s.c, 2 - s.padTop, 2 - s.padLeft, s.c, true}; }

// Either the weights are transformed once and blocks of tiles take all of them, or, where the weights are many and the tiles few, the
// tiles are transformed once and panels of weights, never stored, take all of them. The bits are the same.
template <class T> struct Plan {
  Problem p;
  Tiling tiling;
  int64_t tiles, panel, columns;    // of weights in a panel; of all panels
  bool wide;                        // the second way
  int64_t group, groups;            // columns of a task of the second way
  int64_t block, blocks;            // tiles at a time
  int64_t inputSize, outputSize, weightSize, turnedSize, workerSize, sharedSize;  // in elements
  int64_t inputPosition, outputRow, outputPosition, weightPosition;
};

constexpr int64_t wideWeights = int64_t(6) << 20;  // bytes of transformed weights that stay in a cache beside the tiles
constexpr int64_t steps = 64;                      // input channels whose weights are transformed at a time

template <class T> Plan<T> planOf(const Problem& p) {
  Plan<T> plan;
  plan.p = p;
  plan.tiling = tilingOf(p.oh, p.ow);
  const int64_t positions = plan.tiling.positions();
  plan.tiles = p.n * plan.tiling.image();
  plan.columns = whole(p.k);
  plan.panel = kernelsOf<T>().gemmVectors(24, plan.columns, stepsOfKept(std::min<int64_t>(p.c, 128))) * lane;
  plan.wide = positions * p.c * plan.columns * int64_t(sizeof(T)) > wideWeights && plan.tiles <= 384;
  plan.group = plan.panel * std::max<int64_t>(1, 64 / plan.panel);
  plan.groups = divideUp(plan.columns, plan.group);
  // As many as leave what becomes of them in a core's caches.
  const int64_t both = p.c + plan.columns, most = plan.wide ? 96 : both <= 2 * lane ? 16 : both * int64_t(sizeof(T)) > 1200 ? 12 : 24;
  plan.blocks = std::max<int64_t>(1, divideUp(plan.tiles, most));
  plan.block = divideUp(plan.tiles, plan.blocks);
  const int64_t inputs = plan.wide ? plan.tiles : plan.block;
  plan.inputPosition = positionSize(inputs, pitch(p.c));
  plan.inputSize = positions * plan.inputPosition;
  plan.outputRow = pitch(plan.wide ? plan.group : p.k);
  plan.outputPosition = positionSize(plan.block, plan.outputRow);
  plan.outputSize = positions * plan.outputPosition;
  plan.weightPosition = positionSize(plan.wide ? std::min(steps, p.c) : p.c, plan.wide ? plan.group : plan.columns);
  plan.weightSize = positions * plan.weightPosition;
  plan.turnedSize = p.turned ? 9 * std::min(steps, p.c) * plan.panel : 0;
  plan.sharedSize = whole(p.c) + (plan.wide ? plan.inputSize : plan.weightSize);
  plan.workerSize = plan.outputSize + plan.turnedSize + (plan.wide ? plan.weightSize : plan.inputSize);
  return plan;
}

template <class T> size_t workspaceOf(const Problem& p) {
  const Plan<T> plan = planOf<T>(p);
  return size_t(plan.sharedSize + plan.workerSize * threads()) * sizeof(T) + 64;
}

template <class T> struct Run {
  const Plan<T>& plan;
  const T *x, *w;
  T* y;
  const Epilogue<T>& epilogue;
  T *zeros, *shared, *workers;
  bool streaming;
  const Kernels<T>& kernels = kernelsOf<T>();

  T* outputsOf(int worker) const { return workers + worker * plan.workerSize; }
  T* turnedOf(int worker) const { return outputsOf(worker) + plan.outputSize; }
  T* ownOf(int worker) const { return turnedOf(worker) + plan.turnedSize; }  // inputs, or weights

  // Weights of input channels [c0, c0 + count) and output channels from j0, `width` with the padding.
  void weights(int64_t c0, int64_t count, int64_t j0, int64_t width, T* to, T* turned) const {
    const Problem& p = plan.p;
    const int64_t columns = std::min(width, p.k - j0);
    const T* from = w + c0 * p.k + j0;
    int64_t tap = p.c * p.k, row = p.k;
    if (p.turned) {
      const int64_t size = count * width;
      for (int64_t t = 0; t < 9; ++t)
        kernels.transposeBlock(columns, count, w + (t * p.k + j0) * p.c + c0, p.c, turned + t * size, width);
      from = turned + 8 * size;
      tap = -size;
      row = width;
    }
    kernels.winogradWeights(plan.tiling.m, count, columns, from, tap, row, to, width, plan.weightPosition);
  }
  void inputs(int64_t begin, int64_t end, T* to) const {
    const Problem& p = plan.p;
    plan.tiling.runs(begin, end, [&](int64_t first, int64_t count, int64_t image, int64_t row, int64_t column) {
      kernels.winogradInput(plan.tiling.m, count, x + image * p.h * p.w * p.c, p.h, p.w, p.c, row - p.padTop, column - p.padLeft, zeros,
                            to + first * pitch(p.c), pitch(p.c), plan.inputPosition);
    });
  }
  void outputs(int64_t begin, int64_t end, const T* from, int64_t j0, int64_t channels) const {
    const Problem& p = plan.p;
    plan.tiling.runs(begin, end, [&](int64_t first, int64_t count, int64_t image, int64_t row, int64_t column) {
      const int64_t pixels = p.oh * p.ow;
      kernels.winogradOutput(plan.tiling.m, count, from + first * plan.outputRow, plan.outputRow, plan.outputPosition,
                             y + image * pixels * p.row + j0, p.oh, p.ow, p.row, channels, row, column, streaming, epilogue.at(image * pixels, j0));
    });
  }

  void blocks() const {
    const Problem& p = plan.p;
    const int64_t pieces = divideUp(p.c, steps), panels = divideUp(plan.columns, plan.panel);
    parallelFor(pieces * panels, [&](int64_t task, int worker) {
      const int64_t panel = task / pieces, c0 = task % pieces * steps, j0 = panel * plan.panel, width = std::min(plan.panel, plan.columns - j0);
      weights(c0, std::min(steps, p.c - c0), j0, width, shared + j0 * p.c + c0 * width, turnedOf(worker));
    });
    parallelFor(plan.blocks, [&](int64_t task, int worker) {
      const int64_t begin = plan.tiles * task / plan.blocks, end = plan.tiles * (task + 1) / plan.blocks;
      T *const v = ownOf(worker), *const m = outputsOf(worker);
      inputs(begin, end, v);
      kernels.winogradMultiply(plan.tiling.positions(), end - begin, plan.columns, p.c, v, pitch(p.c), plan.inputPosition, shared, plan.panel,
                               p.c * plan.panel, plan.weightPosition, m, plan.outputRow, plan.outputPosition, false);
      outputs(begin, end, m, 0, p.k);
      if (streaming) kernels.fence();
    });
  }
  void groups() const {
    const Problem& p = plan.p;
    constexpr int64_t piece = 8;
    parallelFor(divideUp(plan.tiles, piece), [&](int64_t task, int) {
      inputs(task * piece, std::min(plan.tiles, (task + 1) * piece), shared + task * piece * pitch(p.c));
    });
    parallelFor(plan.groups * plan.blocks, [&](int64_t task, int worker) {
      const int64_t part = task % plan.blocks, begin = plan.tiles * part / plan.blocks, end = plan.tiles * (part + 1) / plan.blocks;
      const int64_t j0 = task / plan.blocks * plan.group, n = std::min(plan.group, plan.columns - j0);
      T *const u = ownOf(worker), *const m = outputsOf(worker);
      for (int64_t c0 = 0; c0 < p.c; c0 += steps) {
        const int64_t count = std::min(steps, p.c - c0);
        for (int64_t j = 0; j < n; j += plan.panel)
          weights(c0, count, j0 + j, std::min(plan.panel, n - j), u + j * count, turnedOf(worker));
        kernels.winogradMultiply(plan.tiling.positions(), end - begin, n, count, shared + begin * pitch(p.c) + c0, pitch(p.c), plan.inputPosition, u,
                                 plan.panel, count * plan.panel, plan.weightPosition, m, plan.outputRow, plan.outputPosition, c0 > 0);
      }
      outputs(begin, end, m, j0, std::min(plan.group, p.k - j0));
      if (streaming) kernels.fence();
    });
  }
};

template <class T> void run(const Problem& p, const T* x, const T* w, T* y, const Epilogue<T>& epilogue, void* workspace) {
  if (p.n == 0) return;
  const Plan<T> plan = planOf<T>(p);
  T* const zeros = aligned<T>(workspace);
  T* const shared = zeros + whole(p.c);
  std::memset(zeros, 0, size_t(p.c) * sizeof(T));
  const bool streaming = p.n * p.oh * p.ow * p.k * int64_t(sizeof(T)) > streamingBytes && p.row * sizeof(T) % 64 == 0 &&
                         reinterpret_cast<uintptr_t>(y) % 64 == 0 && epilogue.prior != Prior::old && !epilogue.map && !epilogue.mapBackward;
  const Run<T> run = {plan, x, w, y, epilogue, zeros, shared, shared + plan.sharedSize - whole(p.c), streaming};
  if (plan.wide) run.groups();
  else run.blocks();
}

// ---- weight gradient ----------------------------------------------------------------------------------------------------------------

// Tiles are taken in blocks: a block's products are summed in order from zero and added to the sum of the blocks before. Where the
// channels are few, a fixed number of parts, runs of blocks, have sums of their own, which are added in order at the end.
template <class T> struct GradientPlan {
  Tiling tiling;
  int64_t tiles, block, blocks;
  int64_t parts;                             // 0: threads share the channels, not the tiles
  int64_t rows, columns;                     // channels of a task where they are shared
  int64_t rowBlocks, columnBlocks;
  int64_t inputPosition, gradientPosition, sumPosition;
  int64_t inputSize, gradientSize, sumSize;  // in elements
};

template <class T> GradientPlan<T> gradientPlan(const Convolution& s) {
  GradientPlan<T> plan;
  plan.tiling = tilingOf(s.oh, s.ow);
  const int64_t positions = plan.tiling.positions(), all = whole(s.k);
  plan.tiles = s.n * plan.tiling.image();
  const bool few = s.c * all <= 96 * 96;
  plan.block = few ? 48 : 256;
  plan.blocks = divideUp(plan.tiles, plan.block);
  plan.parts = few ? std::clamp<int64_t>(plan.blocks, 1, 16) : 0;
  plan.rows = few ? s.c : std::min<int64_t>(s.c, 64);
  plan.columns = few ? all : std::min<int64_t>(all, 64);
  plan.rowBlocks = divideUp(s.c, plan.rows);
  plan.columnBlocks = divideUp(all, plan.columns);
  const int64_t most = std::min(plan.block, std::max<int64_t>(1, plan.tiles));
  plan.inputPosition = positionSize(most, pitch(s.c));
  plan.gradientPosition = positionSize(most, pitch(s.k));
  plan.sumPosition = positionSize(plan.rows, plan.columns);
  plan.inputSize = positions * plan.inputPosition;
  plan.gradientSize = positions * plan.gradientPosition;
  plan.sumSize = positions * plan.sumPosition;
  return plan;
}

template <class T> struct GradientRun {
  const Convolution& s;
  const GradientPlan<T>& plan;
  const T *x, *dy;
  T* dw;
  Prior prior;
  T *zeros, *sums, *tiles;
  const Kernels<T>& kernels = kernelsOf<T>();

  // Tiles [begin, end) of both operands from row `first` of their matrices on.
  void transform(int64_t begin, int64_t end, T* v, T* d, int64_t first) const {
    plan.tiling.runs(begin, end, [&](int64_t at, int64_t count, int64_t image, int64_t row, int64_t column) {
      kernels.winogradInput(plan.tiling.m, count, x + image * s.h * s.w * s.c, s.h, s.w, s.c, row - s.padTop, column - s.padLeft, zeros,
                            v + (first + at) * pitch(s.c), pitch(s.c), plan.inputPosition);
      kernels.winogradGradient(plan.tiling.m, count, dy + image * s.oh * s.ow * s.k, s.oh, s.ow, s.k, row, column, zeros,
                               d + (first + at) * pitch(s.k), pitch(s.k), plan.gradientPosition);
    });
  }
  void inverse(int64_t c0, int64_t rows, int64_t j0, const T* sum, int64_t parts) const {
    kernels.winogradInverse(plan.tiling.m, rows, std::min(plan.columns, s.k - j0), sum, plan.columns, plan.sumPosition, parts, plan.sumSize,
                            dw + c0 * s.k + j0, s.c * s.k, s.k, prior);
  }

  void byTiles() const {
    parallelFor(plan.parts, [&](int64_t part, int worker) {
      T *const v = tiles + worker * (plan.inputSize + plan.gradientSize), *const d = v + plan.inputSize, *const sum = sums + part * plan.sumSize;
      const int64_t from = plan.blocks * part / plan.parts, to = plan.blocks * (part + 1) / plan.parts;
      if (from == to) std::memset(sum, 0, size_t(plan.sumSize) * sizeof(T));
      for (int64_t b = from; b < to; ++b) {
        const int64_t begin = b * plan.block, end = std::min(plan.tiles, begin + plan.block);
        transform(begin, end, v, d, 0);
        kernels.winogradAccumulate(plan.tiling.positions(), s.c, plan.columns, end - begin, v, pitch(s.c), plan.inputPosition, d, pitch(s.k),
                                   plan.gradientPosition, sum, plan.columns, plan.sumPosition, b == from ? Prior::none : Prior::old);
      }
    });
    constexpr int64_t piece = 4;
    parallelFor(divideUp(s.c, piece), [&](int64_t task, int) {
      const int64_t c0 = task * piece;
      inverse(c0, std::min(piece, s.c - c0), 0, sums + c0 * plan.columns, plan.parts);
    });
  }

  void byChannels() const {
    T *const v = tiles, *const d = tiles + plan.inputSize;
    constexpr int64_t piece = 8;
    for (int64_t b = 0; b < std::max<int64_t>(1, plan.blocks); ++b) {
      const int64_t begin = b * plan.block, count = std::min(plan.tiles, begin + plan.block) - begin;
      parallelFor(divideUp(count, piece), [&](int64_t task, int) {
        transform(begin + task * piece, begin + std::min(count, (task + 1) * piece), v, d, task * piece);
      });
      parallelFor(plan.rowBlocks * plan.columnBlocks, [&](int64_t task, int worker) {
        const int64_t c0 = task / plan.columnBlocks * plan.rows, j0 = task % plan.columnBlocks * plan.columns;
        const int64_t rows = std::min(plan.rows, s.c - c0), columns = std::min(plan.columns, whole(s.k) - j0);
        T* const sum = sums + (plan.blocks > 1 ? task : worker) * plan.sumSize;
        if (count == 0) std::memset(sum, 0, size_t(plan.sumSize) * sizeof(T));
        else
          kernels.winogradAccumulate(plan.tiling.positions(), rows, columns, count, v + c0, pitch(s.c), plan.inputPosition, d + j0, pitch(s.k),
                                     plan.gradientPosition, sum, plan.columns, plan.sumPosition, b == 0 ? Prior::none : Prior::old);
        if (b + 1 >= plan.blocks) inverse(c0, rows, j0, sum, 1);
      });
    }
  }
};

template <class T> int64_t sumsOf(const GradientPlan<T>& plan) {
  return plan.parts ? plan.parts : plan.blocks > 1 ? plan.rowBlocks * plan.columnBlocks : threads();
}

}  // namespace

template <class T> bool servesForward(const Convolution& s) { return serves(s) && pays(s.oh, s.ow); }
template <class T> size_t forwardWorkspace(const Convolution& s) { return workspaceOf<T>(forwardProblem(s)); }
template <class T> void forward(const Convolution& s, const T* x, const T* w, T* y, const Epilogue<T>& epilogue, void* workspace) {
  run(forwardProblem(s), x, w, y, epilogue, workspace);
}

template <class T> bool servesInputGradient(const Convolution& s) { return serves(s) && pays(s.h, s.w); }
template <class T> size_t inputGradientWorkspace(const Convolution& s) { return workspaceOf<T>(inputProblem(s)); }
template <class T> void inputGradient(const Convolution& s, const T* dy, const T* w, T* dx, const Epilogue<T>& epilogue, void* workspace) {
  run(inputProblem(s), dy, w, dx, epilogue, workspace);
}

template <class T> bool servesWeightGradient(const Convolution& s) { return serves(s) && pays(s.oh, s.ow, tapwise::productsOf(s)); }
template <class T> size_t weightGradientWorkspace(const Convolution& s) {
  const GradientPlan<T> plan = gradientPlan<T>(s);
  const int64_t tiles = (plan.inputSize + plan.gradientSize) * (plan.parts ? threads() : 1);
  return size_t(whole(std::max(s.c, s.k)) + sumsOf(plan) * plan.sumSize + tiles) * sizeof(T) + 64;
}
template <class T> void weightGradient(const Convolution& s, const T* x, const T* dy, T* dw, Prior prior, void* workspace) {
  const GradientPlan<T> plan = gradientPlan<T>(s);
  T* const zeros = aligned<T>(workspace);
  T* const sums = zeros + whole(std::max(s.c, s.k));
  std::memset(zeros, 0, size_t(std::max(s.c, s.k)) * sizeof(T));
  const GradientRun<T> run = {s, plan, x, dy, dw, prior, zeros, sums, sums + sumsOf(plan) * plan.sumSize};
  if (plan.parts) run.byTiles();
  else run.byChannels();
}

NODEGRAD_CONVOLUTION_INSTANCES(float)
NODEGRAD_CONVOLUTION_INSTANCES(double)

}  // namespace nodegrad::winograd
