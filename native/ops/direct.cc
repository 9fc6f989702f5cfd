// Direct convolution: patches of a tile of pixels that never leave a core's cache, times packed weights.
//
// The order of arithmetic is that of one matrix product (gemm.h): forward over k = (a, b, q), input gradient over (a, b, o), weight
// gradient over all pixels of all images. Bits do not depend on how the work is cut. An input gradient with stride s is s·s phases:
// the inputs that see the same taps are a convolution of dy with these taps only. It leaves out products with the zeros that im2col
// puts between the pixels of dy, which change no finite sum; a weight that is infinite or NaN makes NaN only where it is used.
#include <algorithm>
#include <cstring>

#include "../runtime/pool.h"
#include "convolution.h"
#include "gemm.h"
#include "patches.h"

namespace nodegrad::direct {
namespace {

constexpr int64_t lane = 16;
constexpr int64_t patchBytes = 192 << 10;      // of a tile: part of the second-level cache
constexpr int64_t partialBytes = 8 << 20;      // of the partial sums of a weight gradient, at least one set
constexpr int64_t leastItems = 64, leastSlices = 8;
constexpr int64_t sliceElements = 1 << 15;     // of the sums of an item of a weight gradient
constexpr int64_t packRows = 8;

// A row length whose multiples do not fall on the same sets of the cache.
template <class T> int64_t spread(int64_t count) {
  const int64_t row = padded<T>(count);
  return row * int64_t(sizeof(T)) % 1024 == 0 ? row + 64 / int64_t(sizeof(T)) : row;
}

// ---- forward, input gradient --------------------------------------------------------------------------------------------------

template <class T> struct Plan {
  bool backward;
  int64_t phases, outputs;  // outputs: channels of a group
  int64_t rows;             // most rows of a tile
  int64_t panel, panels;
  int64_t patchRow;
  int levels;               // tiles of partial sums
  size_t weights, patches, tile, worker;  // in elements
  Phase phase(const Convolution& s, int64_t i) const { return phaseOf(s, backward, i); }
};

template <class T> Plan<T> planOf(const Convolution& s, bool backward) {
  const Kernels<T>& kernels = kernelsOf<T>();
  Plan<T> p;
  p.backward = backward;
  p.phases = phasesOf(s, backward);
  p.outputs = backward ? s.inputs() : s.outputs();
  const int64_t k = s.taps() * (backward ? s.outputs() : s.inputs());
  int64_t width = 1, area = 1;
  for (int64_t i = 0; i < p.phases; ++i) {
    width = std::max(width, p.phase(s, i).width());
    area = std::max(area, p.phase(s, i).area());
  }
  p.panel = kernels.gemmVectors(1 << 10, p.outputs) * lane;
  p.panels = divideUp(p.outputs, p.panel);
  const int64_t unit = kernels.gemmRows(int(p.panel / lane));
  const int64_t enough = s.n > 0 ? divideUp(s.n * area, leastItems) : 1;
  p.rows = std::max<int64_t>(28, std::min<int64_t>({patchBytes / int64_t(sizeof(T)) / width, 448, enough}));
  p.rows = divideUp(p.rows, unit) * unit;
  p.patchRow = spread<T>(width);
  p.levels = sumLevels(sumBlocks(k));
  p.weights = padded<T>(k * p.outputs * s.groups);
  p.patches = padded<T>(p.rows * p.patchRow);
  p.tile = padded<T>(p.rows * p.panel);
  p.worker = p.patches + p.tile * (p.levels + 1);
  return p;
}
template <class T> size_t workspaceOf(const Convolution& s, bool backward) {
  const Plan<T> p = planOf<T>(s, backward);
  return (p.weights + p.worker * size_t(threads())) * sizeof(T);
}

template <class T> struct Run {
  const Convolution& s;
  const Plan<T>& p;
  const T* source;
  T* to;
  const Epilogue<T>& epilogue;
  T* weights;  // as packWeights leaves them
  T* workers;

  int64_t toChannels() const { return p.backward ? s.c : s.k; }
  int64_t columnsOf(int64_t panel) const { return std::min(p.panel, p.outputs - panel * p.panel); }
  int64_t groupSize() const { return s.taps() * s.inputs() * s.outputs(); }

  // Steps of k of the phase that lie before step `all` of the whole kernel: where the definition cuts.
  int64_t before(const Phase& f, int64_t all) const {
    const int64_t width = f.group, tap = all / width;
    int64_t count = 0;
    for (int64_t a = 0; a < f.v.taps; ++a)
      for (int64_t b = 0; b < f.h.taps; ++b) {
        const int64_t here = (f.v.tapFirst + a * f.v.tapEvery) * s.kw + f.h.tapFirst + b * f.h.tapEvery;
        count += here < tap ? width : here == tap ? all % width : 0;
      }
    return count;
  }

  void multiply() const {
    int64_t tiles = 0;
    for (int64_t i = 0; i < p.phases; ++i) tiles += divideUp(s.n * p.phase(s, i).area(), p.rows);
    parallelFor(tiles * s.groups, [&](int64_t index, int worker) {
      int64_t tile = index % tiles, weight = 0;
      for (int64_t i = 0;; ++i) {
        const Phase f = p.phase(s, i);
        const int64_t all = s.n * f.area(), mine = divideUp(all, p.rows);
        if (tile < mine) {
          const int64_t first = all * tile / mine, end = all * (tile + 1) / mine;
          return tileOf(f, index / tiles, weights + index / tiles * groupSize() + weight * p.outputs, first, end - first, workers + worker * p.worker);
        }
        tile -= mine;
        weight += f.width();
      }
    });
  }

  void tileOf(const Phase& f, int64_t g, const T* b, int64_t first, int64_t m, T* patches) const {
    const Kernels<T>& kernels = kernelsOf<T>();
    T* const tiles = patches + p.patches;
    const int64_t k = f.width(), sums = sumBlocks(s.taps() * f.group);
    gather(f, source + g * f.group, first, m, 0, k, patches, p.patchRow);
    const bool straight = f.v.toStep == 1 && f.h.toStep == 1;
    for (int64_t panel = 0; panel < p.panels; ++panel) {
      const int64_t n = columnsOf(panel), j = g * p.outputs + panel * p.panel;
      const T* const columns = b + panel * p.panel * k;
      T* const c = to + first * toChannels() + j;
      if (straight && sums == 1 && k > 0 && epilogue.prior != Prior::old) {
        steps(m, n, 0, k, patches, columns, c, toChannels(), epilogue.at(first, j));
        continue;
      }
      addBlocks(sums, [&](int64_t block, int level) {
        T* const sum = tiles + level * p.tile;
        const int64_t k0 = block == 0 ? 0 : before(f, block * sumBlock), k1 = block == sums - 1 ? k : before(f, (block + 1) * sumBlock);
        if (k1 > k0) steps(m, n, k0, k1, patches, columns, sum, p.panel, {});
        else clear(sum, p.panel, m, n);
      }, [&](int level) {
        T* const left = tiles + level * p.tile;
        kernels.gemmFinish(m, n, left, p.panel, left + p.tile, p.panel, left, p.panel, {});
      });
      if (straight) {
        kernels.gemmFinish(m, n, tiles, p.panel, nullptr, 0, c, toChannels(), epilogue.at(first, j));
        continue;
      }
      stretches(f, first, m, [&](int64_t image, int64_t row, int64_t column, int64_t here, int64_t done) {
        const int64_t pixel = (image * f.v.toSize + f.v.toFirst + row * f.v.toStep) * f.h.toSize + f.h.toFirst + column * f.h.toStep;
        Epilogue<T> part = epilogue.at(pixel, j);
        part.yRow *= f.h.toStep;
        kernels.gemmFinish(here, n, tiles + done * p.panel, p.panel, nullptr, 0, to + pixel * toChannels() + j, toChannels() * f.h.toStep, part);
      });
    }
  }

  // c = patches·columns over k in [k0, k1), in pieces that keep the columns in the cache.
  void steps(int64_t m, int64_t n, int64_t k0, int64_t k1, const T* patches, const T* columns, T* c, int64_t cRow, const Epilogue<T>& last) const {
    const int64_t k = k1 - k0, piece = k <= 768 ? k : divideUp(k, divideUp(k, 512));
    for (int64_t at = k0; at < k1; at += piece) {
      const int64_t count = std::min(piece, k1 - at);
      kernelsOf<T>().gemmPanel(m, n, count, patches + at, p.patchRow, 1, columns + at * n, n, at == k0 ? nullptr : c, cRow, c, cRow,
                               at + count == k1 ? last : Epilogue<T>());
    }
  }
};

template <class T>
void convolve(const Convolution& s, bool backward, const T* source, const T* w, T* to, const Epilogue<T>& epilogue, void* workspace) {
  const Plan<T> p = planOf<T>(s, backward);
  T* const base = static_cast<T*>(workspace);
  const Run<T> run = {s, p, source, to, epilogue, base, base + p.weights};
  packWeights(s, backward, p.panel, w, base);
  run.multiply();
}

// ---- weight gradient ----------------------------------------------------------------------------------------------------------

// dw[width, k] of a group is a product over all pixels, whose blocks of 2048 a tree adds. An item computes a slice of its rows over a
// part of the pixels: 2ˡ neighbouring blocks, a subtree. What the parts give is added by the rest of the tree.
template <class T> struct GradientPlan {
  int64_t width, outputs, panel;
  int64_t slice, slices;      // rows of dw
  int64_t span, spans;        // columns of dw, whole panels
  int64_t blocks, part, parts;  // part: blocks of a part, a power of two
  int levels;
  int64_t chunk;              // pixels whose patches lie in the cache together
  size_t dw, patches, columns, tile, worker;  // in elements; dw: the sums of a part
};

template <class T> GradientPlan<T> gradientPlanOf(const Convolution& s) {
  const Kernels<T>& kernels = kernelsOf<T>();
  GradientPlan<T> p;
  p.width = s.taps() * s.inputs();
  p.outputs = s.outputs();
  p.panel = kernels.gemmVectors(std::min<int64_t>(p.width, 1 << 10), p.outputs) * lane;
  const int64_t panels = divideUp(p.outputs, p.panel);
  p.span = divideUp(panels, divideUp(p.outputs, 256)) * p.panel;
  p.spans = divideUp(p.outputs, p.span);
  p.chunk = 256;
  const int64_t pixels = s.pixels();
  p.blocks = sumBlocks(pixels);
  // A slice is large, so that x and dy are read few times, but there is work for all.
  const int64_t unit = kernels.gemmRows(int(p.panel / lane)), large = std::clamp<int64_t>(sliceElements / p.span, 112, 256);
  const int64_t items = s.groups * p.spans * divideUp(p.blocks, 2);
  const int64_t rows = std::min(large, divideUp(p.width, std::max<int64_t>(1, leastSlices / items)));
  p.slices = divideUp(p.width, divideUp(rows, unit) * unit);
  p.slice = divideUp(p.width, p.slices);
  p.dw = padded<T>(p.width * p.outputs * s.groups);
  p.part = 1;
  while (p.part < p.blocks && (p.slices * p.spans * s.groups * divideUp(p.blocks, p.part) > leastItems * 2 ||
                               divideUp(p.blocks, p.part) * int64_t(p.dw * sizeof(T)) > partialBytes))
    p.part *= 2;
  p.parts = divideUp(p.blocks, p.part);
  p.levels = sumLevels(std::min(p.part, p.blocks));
  p.patches = padded<T>(p.chunk * spread<T>(p.slice));
  p.columns = padded<T>(p.chunk * p.span);
  p.tile = padded<T>(p.slice * p.span);
  p.worker = p.patches + p.columns + p.tile * p.levels;
  return p;
}

template <class T> struct GradientRun {
  const Convolution& s;
  const GradientPlan<T>& p;
  const T *x, *dy;
  T* sums;  // [parts][groups][width][outputs]
  T* workers;

  // Blocks [first, first + count) of rows [k0, k1) and the columns from j0 on of group g, added to one sum.
  void subtree(int64_t g, int64_t k0, int64_t k1, int64_t j0, int64_t first, int64_t count, T* out, T* work) const {
    const Kernels<T>& kernels = kernelsOf<T>();
    const Phase f = forwardPhase(s);
    T* const patches = work;
    T* const packed = work + p.patches;
    T* const tiles = packed + p.columns;
    const int64_t m = k1 - k0, row = spread<T>(p.slice), pixels = s.pixels(), n = std::min(p.span, p.outputs - j0);
    addBlocks(count, [&](int64_t block, int level) {
      T* const sum = tiles + level * p.tile;
      const int64_t begin = (first + block) * sumBlock, end = p.blocks == 1 ? pixels : std::min(pixels, begin + sumBlock);
      for (int64_t at = begin; at < end; at += p.chunk) {
        const int64_t here = std::min(p.chunk, end - at);
        gather(f, x + g * f.group, at, here, k0, k1, patches, row);
        const bool pack = p.panel < s.k;
        const T* const rows = dy + at * s.k + g * p.outputs + j0;
        for (int64_t i = 0; pack && i < here; i += packRows)  // dy is read once, in order
          for (int64_t j = 0; j < n; j += p.panel)
            kernels.copyBlock(std::min(packRows, here - i), std::min(p.panel, n - j), rows + i * s.k + j, s.k, packed + j * p.chunk + i * p.panel, p.panel);
        for (int64_t j = 0; j < n; j += p.panel) {
          const int64_t columns = std::min(p.panel, n - j), bRow = pack ? p.panel : s.k;
          const T* const b = pack ? packed + j * p.chunk : rows;
          kernels.gemmPanel(m, columns, here, patches, 1, row, b, bRow, at == begin ? nullptr : sum + j, n, sum + j, n, {});
        }
      }
    }, [&](int level) { kernels.accumulate(tiles + level * p.tile, tiles + (level + 1) * p.tile, m * n); });
    kernels.copyBlock(m, n, tiles, n, out, p.outputs);
  }

  void multiply() const {
    const int64_t pieces = p.slices * p.spans;
    parallelFor(p.parts * s.groups * pieces, [&](int64_t index, int worker) {
      const int64_t part = index / (s.groups * pieces), g = index / pieces % s.groups, slice = index % pieces / p.spans, j = index % p.spans * p.span;
      const int64_t k0 = p.width * slice / p.slices, k1 = p.width * (slice + 1) / p.slices, first = part * p.part;
      T* const out = sums + part * p.dw + (g * p.width + k0) * p.outputs + j;
      subtree(g, k0, k1, j, first, std::min(p.part, p.blocks - first), out, workers + worker * p.worker);
    });
  }

  // dw = (prior +) the tree over the parts.
  void finish(T* dw, Prior prior) const {
    const Kernels<T>& kernels = kernelsOf<T>();
    const int64_t rows = std::max<int64_t>(1, 4096 / p.outputs), tiles = divideUp(p.width, rows);
    parallelFor(s.groups * tiles, [&](int64_t index, int) {
      const int64_t g = index / tiles, i = index % tiles * rows, m = std::min(rows, p.width - i);
      T* const at = sums + (g * p.width + i) * p.outputs;
      for (int64_t step = 1; step < p.parts; step *= 2)
        for (int64_t part = 0; part + step < p.parts; part += 2 * step) kernels.accumulate(at + part * p.dw, at + (part + step) * p.dw, m * p.outputs);
      Epilogue<T> epilogue;
      epilogue.prior = prior;
      kernels.gemmFinish(m, p.outputs, at, p.outputs, nullptr, 0, dw + i * s.k + g * p.outputs, s.k, epilogue);
    });
  }
};

// Not where matrix products C[·, n] over k go to OpenBLAS: so do those of the other algorithms then.
template <class T> bool serves(const Convolution& s, int64_t n, int64_t k) {
  return s.c > 0 && s.k > 0 && std::strcmp(gemmChosen<T>(n, k), "own") == 0;
}

}  // namespace

template <class T> bool servesForward(const Convolution& s) { return serves<T>(s, s.outputs(), s.taps() * s.inputs()); }
template <class T> size_t forwardWorkspace(const Convolution& s) { return workspaceOf<T>(s, false); }
template <class T> void forward(const Convolution& s, const T* x, const T* w, T* y, const Epilogue<T>& epilogue, void* workspace) {
  convolve(s, false, x, w, y, epilogue, workspace);
}

template <class T> bool servesInputGradient(const Convolution& s) {
  return serves<T>(s, s.inputs(), s.taps() * s.outputs()) && fewPhases(s);
}
template <class T> size_t inputGradientWorkspace(const Convolution& s) { return workspaceOf<T>(s, true); }
template <class T> void inputGradient(const Convolution& s, const T* dy, const T* w, T* dx, const Epilogue<T>& epilogue, void* workspace) {
  convolve(s, true, dy, w, dx, epilogue, workspace);
}

template <class T> bool servesWeightGradient(const Convolution& s) { return serves<T>(s, s.outputs(), unblocked); }
template <class T> size_t weightGradientWorkspace(const Convolution& s) {
  const GradientPlan<T> p = gradientPlanOf<T>(s);
  return (p.dw * size_t(p.parts) + p.worker * size_t(threads())) * sizeof(T);
}
template <class T> void weightGradient(const Convolution& s, const T* x, const T* dy, T* dw, Prior prior, void* workspace) {
  const GradientPlan<T> p = gradientPlanOf<T>(s);
  T* const base = static_cast<T*>(workspace);
  const GradientRun<T> run = {s, p, x, dy, base, base + p.dw * p.parts};
  if (s.pixels() > 0) run.multiply();
  else std::fill_n(base, p.dw, T(0));
  run.finish(dw, prior);
}

NODEGRAD_CONVOLUTION_INSTANCES(float)
NODEGRAD_CONVOLUTION_INSTANCES(double)

}  // namespace nodegrad::direct
