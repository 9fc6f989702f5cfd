// Weight gradients of small images: for each tap a matrix product over the pixels at which it lies inside, of all shards of a batch in one
// tile of dw after the other.
#include <algorithm>

#include "../runtime/pool.h"
#include "gemm.h"
#include "phases.h"
#include "weight_gradients.h"

namespace nodegrad::tapwise {
namespace {

constexpr int64_t lane = 16;
constexpr int64_t mostPixels = 16;       // of an image: larger ones have windows that pay, or go through Winograd
constexpr int64_t leastInputs = 32;      // rows of a tile
constexpr int64_t tileBytes = 24 << 10;  // of all levels: half of a first-level cache
constexpr int64_t leastItems = 16;
constexpr int64_t mostSteps = 128;       // of k at a time: their rows of dy stay in the first-level cache
constexpr int64_t leastPacked = 32;      // steps of k for which these rows are packed

template <class T> struct Plan {
  int64_t panel, rows, slices, spans;  // of a tile: columns, rows; tiles of a tap's rows, and parts of its columns
  int64_t runs, levels;
  size_t tile, packed, worker;         // in elements
};

template <class T> Plan<T> planOf(const Convolution& s, const GradientShards<T>& shards) {
  Plan<T> p;
  int64_t most = 1;
  p.runs = 0;
  for (int64_t i = 0; i < shards.count; ++i) {
    p.runs += shards.images(i) * s.oh;
    most = std::max(most, shards.images(i) * s.oh * s.ow);
  }
  p.levels = waitingSums(shards);
  p.panel = kernelsOf<T>().gemmVectors(64, s.outputs(), most) * lane;
  const int64_t high = std::clamp<int64_t>(tileBytes / int64_t(sizeof(T)) / (p.panel * p.levels), lane, 64);
  p.slices = divideUp(s.inputs(), high);
  p.rows = divideUp(s.inputs(), p.slices);
  const int64_t panels = divideUp(s.outputs(), p.panel);
  p.spans = std::min(panels, divideUp(leastItems, s.groups * s.taps() * p.slices));
  p.tile = padded<T>(p.rows * p.panel);
  p.packed = most < leastPacked ? 0 : padded<T>(std::min(most, mostSteps) * p.panel);
  // One more tile takes what a product has so far.
  p.worker = p.tile * size_t(p.levels + 1) + p.packed + padded<T>(divideUp(p.runs * int64_t(sizeof(GemmRun)), int64_t(sizeof(T))));
  return p;
}

template <class T> struct Run {
  const Convolution& s;
  const Plan<T>& p;
  const GradientShards<T>& shards;
  T* dw;
  Prior prior;
  T* workers;

  // The rows of positions at which a tap lies inside, shard by shard: where they begin in x and in dy.
  void findRuns(const Phase& f, int64_t a, int64_t b, GemmRun* runs) const {
    const int64_t j = f.h.begin(b);
    for (int64_t shard = 0; shard < shards.count; ++shard)
      for (int64_t image = 0; image < shards.images(shard); ++image)
        for (int64_t i = f.v.begin(a); i < f.v.end(a); ++i)
          *runs++ = {((image * s.h + f.v.source(i, a)) * s.w + f.h.source(j, b)) * s.c, ((image * s.oh + i) * s.ow + j) * s.k};
  }

  // A tap's rows and columns of dw, and the steps of each of its runs.
  struct Tile {
    int64_t rows, n, x, dy, steps;  // x, dy: where its channels begin
    T *sums, *packed;               // levels, and one more
  };

  // c = (before +) a shard's product.
  void product(const Tile& t, int64_t shard, const GemmRun* runs, int64_t count, T* c, int64_t cRow, Prior before) const {
    const Kernels<T>& kernels = kernelsOf<T>();
    const int64_t most = std::max<int64_t>(1, mostSteps / std::max<int64_t>(1, t.steps)), width = divideUp(t.n, lane) * lane;
    const bool isWhole = count <= most;
    T *const sum = isWhole ? c : t.sums + p.levels * p.tile, *start = nullptr;
    const int64_t sumRow = isWhole ? cRow : t.n;
    Epilogue<T> epilogue;
    epilogue.prior = before;
    GemmRun dense[mostSteps];
    int64_t at = 0;
    do {
      const int64_t here = std::min(most, count - at);
      const bool packs = here * t.steps >= leastPacked;
      for (int64_t i = 0; i < here && packs; ++i) dense[i] = {runs[at + i].a, i * t.steps * width};
      kernels.gemmRuns(t.rows, t.n, runs + at, here, t.steps, shards.x(shard) + t.x, 1, s.strideW * s.c, shards.dy(shard) + t.dy, s.k, start, sumRow, sum,
                       sumRow, isWhole ? epilogue : Epilogue<T>(), packs ? GemmStream<T>{t.packed, dense} : GemmStream<T>());
      start = sum;
    } while ((at += most) < count);
    if (!isWhole) kernels.gemmFinish(t.rows, t.n, sum, sumRow, nullptr, 0, c, cRow, epilogue);
  }

  void multiply() const {
    const Kernels<T>& kernels = kernelsOf<T>();
    const Phase f = forwardPhase(s);
    const int64_t in = s.inputs(), out = s.outputs(), panels = divideUp(out, p.panel);
    parallelFor(s.groups * s.taps() * p.slices * p.spans, [&](int64_t index, int worker) {
      const int64_t span = index % p.spans, slice = index / p.spans % p.slices, tap = index / (p.spans * p.slices) % s.taps();
      const int64_t g = index / (p.spans * p.slices * s.taps()), a = tap / s.kw, b = tap % s.kw, first = in * slice / p.slices;
      Tile t;
      t.rows = in * (slice + 1) / p.slices - first;
      t.x = g * in + first;
      t.steps = std::max<int64_t>(0, f.h.end(b) - f.h.begin(b));
      t.sums = workers + size_t(worker) * p.worker;
      t.packed = t.sums + p.tile * size_t(p.levels + 1);
      GemmRun* const runs = reinterpret_cast<GemmRun*>(t.packed + p.packed);
      const int64_t ofImage = t.steps > 0 ? std::max<int64_t>(0, f.v.end(a) - f.v.begin(a)) : 0;
      if (ofImage > 0) findRuns(f, a, b, runs);
      for (int64_t panel = panels * span / p.spans; panel < panels * (span + 1) / p.spans; ++panel) {
        const int64_t j = panel * p.panel;
        t.n = std::min(p.panel, out - j);
        t.dy = g * out + j;
        T* const to = dw + (tap * in + first) * s.k + t.dy;
        if (shards.count == 1) {
          product(t, 0, runs, shards.images(0) * ofImage, to, s.k, prior);
          continue;
        }
        int64_t at = 0;
        addShards(shards, [&](int64_t i, int64_t level, bool isAdded) {
          const int64_t count = shards.images(i) * ofImage;
          product(t, i, runs + at, count, t.sums + level * p.tile, t.n, isAdded ? Prior::old : prior == Prior::none ? Prior::none : Prior::zero);
          at += count;
        }, [&](int64_t level) { kernels.accumulate(t.sums + level * p.tile, t.sums + (level + 1) * p.tile, t.rows * t.n); });
        Epilogue<T> epilogue;
        epilogue.prior = prior;
        kernels.gemmFinish(t.rows, t.n, t.sums, t.n, nullptr, 0, to, s.k, epilogue);
      }
    });
  }
};

}  // namespace

bool serves(const Convolution& s) {
  return s.oh * s.ow <= mostPixels && s.inputs() >= leastInputs && s.pixels() <= unblocked;
}
double productsOf(const Convolution& s) {
  const auto along = [](const Axis& axis) {
    int64_t inside = 0;
    for (int64_t t = 0; t < axis.taps; ++t) inside += std::max<int64_t>(0, axis.end(t) - axis.begin(t));
    return double(inside);
  };
  const Phase f = forwardPhase(s);
  return along(f.v) * along(f.h);
}
template <class T> size_t workspace(const Convolution& s, const GradientShards<T>& shards) {
  return planOf(s, shards).worker * size_t(threads()) * sizeof(T);
}
template <class T> void weightGradient(const Convolution& s, const GradientShards<T>& shards, T* dw, Prior prior, void* workspace) {
  const Plan<T> p = planOf(s, shards);
  Run<T>{s, p, shards, dw, prior, static_cast<T*>(workspace)}.multiply();
}

#define INSTANCES(T)                                                               \
  template size_t workspace<T>(const Convolution&, const GradientShards<T>&);      \
  template void weightGradient<T>(const Convolution&, const GradientShards<T>&, T*, Prior, void*);
INSTANCES(float)
INSTANCES(double)
#undef INSTANCES

}  // namespace nodegrad::tapwise
