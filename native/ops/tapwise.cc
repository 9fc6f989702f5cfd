// Weight gradients of small images: for each tap a matrix product over the pixels at which it lies inside, of all shards of a batch in one
// tile of dw after the other.
#include <algorithm>
#include <cstring>

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

template <class T> struct Plan {
  int64_t panel, rows, slices, spans;  // of a tile: columns, rows; tiles of a tap's rows, and parts of its columns
  int64_t runs, levels;
  size_t tile, worker;                 // in elements
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
  p.worker = p.tile * size_t(p.levels) + padded<T>(divideUp(p.runs * int64_t(sizeof(GemmRun)), int64_t(sizeof(T))));
  return p;
}

template <class T> struct Run {
  const Convolution& s;
  const Plan<T>& p;
  const GradientShards<T>& shards;
  T* dw;
  Prior prior;
  T* workers;

  // The rows of positions at which a tap lies inside: where they begin in x and in dy.
  int64_t runsOf(const Phase& f, int64_t a, int64_t b, int64_t n, GemmRun* runs) const {
    int64_t count = 0;
    const int64_t j = f.h.begin(b);
    for (int64_t image = 0; image < n; ++image)
      for (int64_t i = f.v.begin(a); i < f.v.end(a); ++i)
        runs[count++] = {((image * s.h + f.v.source(i, a)) * s.w + f.h.source(j, b)) * s.c, ((image * s.oh + i) * s.ow + j) * s.k};
    return count;
  }

  void multiply() const {
    const Kernels<T>& kernels = kernelsOf<T>();
    const Phase f = forwardPhase(s);
    const int64_t in = s.inputs(), out = s.outputs(), panels = divideUp(out, p.panel);
    parallelFor(s.groups * s.taps() * p.slices * p.spans, [&](int64_t index, int worker) {
      const int64_t span = index % p.spans, slice = index / p.spans % p.slices, tap = index / (p.spans * p.slices) % s.taps();
      const int64_t g = index / (p.spans * p.slices * s.taps()), a = tap / s.kw, b = tap % s.kw;
      const int64_t q = in * slice / p.slices, rows = in * (slice + 1) / p.slices - q;
      const int64_t steps = std::max<int64_t>(0, f.h.end(b) - f.h.begin(b));
      T* const tiles = workers + size_t(worker) * p.worker;
      GemmRun* const runs = reinterpret_cast<GemmRun*>(tiles + p.tile * size_t(p.levels));
      int64_t count = 0;  // of a shard's runs, by its images
      for (int64_t i = 0; i < shards.count && steps > 0; ++i) count += runsOf(f, a, b, shards.images(i), runs + count);
      for (int64_t panel = panels * span / p.spans; panel < panels * (span + 1) / p.spans; ++panel) {
        const int64_t j = panel * p.panel, n = std::min(p.panel, out - j);
        T* const to = dw + (tap * in + q) * s.k + g * out + j;
        const GemmRun* at = runs;
        const auto product = [&](int64_t i, T* c, int64_t cRow, Prior before) {
          const int64_t ofShard = steps > 0 ? shards.images(i) * std::max<int64_t>(0, f.v.end(a) - f.v.begin(a)) : 0;
          Epilogue<T> epilogue;
          epilogue.prior = before;
          kernels.gemmRuns(rows, n, at, ofShard, steps, shards.x(i) + g * in + q, 1, f.h.step * s.c, shards.dy(i) + g * out + j, s.k, nullptr, 0, c, cRow, epilogue,
                           {});
          at += ofShard;
        };
        if (shards.count == 1) {
          product(0, to, s.k, prior);
          continue;
        }
        addShards(shards, [&](int64_t i, int64_t level, bool isAdded) {
          product(i, tiles + level * p.tile, n, isAdded ? Prior::old : prior == Prior::none ? Prior::none : Prior::zero);
        }, [&](int64_t level) { kernels.accumulate(tiles + level * p.tile, tiles + (level + 1) * p.tile, rows * n); });
        Epilogue<T> epilogue;
        epilogue.prior = prior;
        kernels.gemmFinish(rows, n, tiles, n, nullptr, 0, to, s.k, epilogue);
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
