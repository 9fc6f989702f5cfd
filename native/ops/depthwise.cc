// Depthwise convolution, a group for each channel: vectors over channels, taps in registers, nothing is copied.
//
// The order of arithmetic is that of im2col: forward and input gradient over the taps in order, weight gradient over all pixels as a matrix
// product. Taps that fall outside of the image are left out, where im2col multiplies zeros: no finite sum changes.
#include <algorithm>

#include "../runtime/pool.h"
#include "convolution.h"
#include "gemm.h"
#include "phases.h"

namespace nodegrad::depthwise {
namespace {

constexpr int64_t lane = 16;
constexpr int64_t rowsBytes = 256 << 10;  // of the rows that an output row reads, of a slice of channels: part of the first-level cache
constexpr double leastTile = 1 << 17;     // products: about a microsecond
constexpr int64_t partialBytes = 1 << 20;  // of the partial sums of a weight gradient, at least one set

bool serves(const Convolution& s) { return s.groups > 1 && s.groups == s.c && s.k == s.c && s.taps() <= unblocked; }

// Calls body(from, end, firstTap, endTap) for the parts of the stretch [begin, end) of an axis whose positions see the same taps.
template <class F> void parts(const Axis& h, int64_t begin, int64_t end, F&& body) {
  const auto taps = [&](int64_t p) {
    int64_t first = 0, last = h.taps;
    const auto outside = [&](int64_t t) { const int64_t x = h.source(p, t); return x < 0 || x >= h.size; };
    while (first < last && outside(first)) ++first;
    while (first < last && outside(last - 1)) --last;
    return std::pair(first, last);
  };
  // The first and the last tap reach farthest; between these bounds all taps are inside.
  const int64_t low = h.taps > 0 ? std::max(h.begin(0), h.begin(h.taps - 1)) : 0, high = h.taps > 0 ? std::min(h.end(0), h.end(h.taps - 1)) : 0;
  for (int64_t p = begin; p < end;) {
    const int64_t next = p >= low && p < high ? std::min(end, high) : p + 1;
    const auto [first, last] = taps(p);
    body(p, next, first, last);
    p = next;
  }
}

template <class T> int64_t sliceOf(const Convolution& s, const Phase& f) {
  const int64_t row = std::max<int64_t>(1, f.h.size * int64_t(sizeof(T)) * (f.v.taps + 1));
  return std::clamp<int64_t>(rowsBytes / row / lane * lane, lane, divideUp(s.c, lane) * lane);
}

template <class T> size_t workspaceOf(const Convolution& s, bool backward) {
  const int64_t row = backward ? s.w : s.ow;
  int64_t slice = lane;
  for (int64_t i = 0; i < phasesOf(s, backward); ++i) slice = std::max(slice, sliceOf<T>(s, phaseOf(s, backward, i)));
  return s.n == 0 ? 0 : size_t(row * slice) * sizeof(T) * size_t(threads());
}

template <class T>
void convolve(const Convolution& s, bool backward, const T* source, const T* w, T* to, const Epilogue<T>& epilogue, void* workspace) {
  const Kernels<T>& kernels = kernelsOf<T>();
  const int64_t c = s.c;
  const size_t rowSize = workspaceOf<T>(s, backward) / sizeof(T) / size_t(threads());
  for (int64_t phase = 0; phase < phasesOf(s, backward); ++phase) {
    const Phase f = phaseOf(s, backward, phase);
    if (f.area() == 0) continue;
    const int64_t slice = sliceOf<T>(s, f), rows = s.n * f.v.positions;
    const int64_t band = std::clamp<int64_t>(int64_t(leastTile / double(f.h.positions * c * std::max<int64_t>(1, f.v.taps * f.h.taps))), 1, rows);
    const int64_t tiles = divideUp(rows, band);
    parallelFor(tiles, [&](int64_t tile, int worker) {
      for (int64_t q = 0; q < c; q += slice)
        for (int64_t row = rows * tile / tiles; row < rows * (tile + 1) / tiles; ++row) {
          const int64_t n = row / f.v.positions, i = row % f.v.positions, channels = std::min(slice, c - q);
          const int64_t pixel = (n * f.v.toSize + f.v.toFirst + i * f.v.toStep) * f.h.toSize + f.h.toFirst;
          T* const last = to + pixel * c + q;
          const int64_t lastStep = f.h.toStep * c;
          T* const y = epilogue.prior == Prior::old ? static_cast<T*>(workspace) + size_t(worker) * rowSize : last;
          const int64_t yStep = epilogue.prior == Prior::old ? slice : lastStep;
          parts(f.v, i, i + 1, [&](int64_t, int64_t, int64_t a0, int64_t a1) {
            parts(f.h, 0, f.h.positions, [&](int64_t j0, int64_t j1, int64_t b0, int64_t b1) {
              const int64_t at = (n * f.v.size + f.v.source(i, a0)) * f.h.size + f.h.source(j0, b0);
              const int64_t tap = (f.v.tapFirst + a0 * f.v.tapEvery) * s.kw + f.h.tapFirst + b0 * f.h.tapEvery;
              kernels.depthwise(j1 - j0, channels, a1 - a0, b1 - b0, source + (a1 > a0 && b1 > b0 ? at * c + q : 0), f.v.tapStep * f.h.size * c,
                                f.h.tapStep * c, f.h.step * c, w + (a1 > a0 && b1 > b0 ? tap * c + q : 0), f.v.tapEvery * s.kw * c, f.h.tapEvery * c,
                                y + j0 * yStep, yStep);
            });
          });
          Epilogue<T> part = epilogue.at(pixel, q);
          part.yRow *= f.h.toStep;
          if (y == last && part.prior != Prior::zero && !part.beyondSums()) continue;
          kernels.gemmFinish(f.h.positions, channels, y, yStep, nullptr, 0, last, lastStep, part);
        }
    });
  }
}

// ---- weight gradient ----------------------------------------------------------------------------------------------------------

// An item takes a slice of channels over a part of the pixels: 2ˡ neighbouring blocks of the definition.
template <class T> struct GradientPlan {
  int64_t blocks, part, parts, slice, slices;
  int levels;
  size_t dw, tile, worker;  // in elements
};
template <class T> GradientPlan<T> gradientPlanOf(const Convolution& s) {
  GradientPlan<T> p;
  p.slice = std::clamp<int64_t>(s.c / 8 / lane * lane, lane, 4 * lane);
  p.slices = divideUp(s.c, p.slice);
  p.blocks = sumBlocks(s.pixels());
  p.dw = padded<T>(s.taps() * s.c);
  p.part = 1;
  while (p.part < p.blocks && (p.slices * divideUp(p.blocks, p.part) > 64 || divideUp(p.blocks, p.part) * int64_t(p.dw * sizeof(T)) > partialBytes))
    p.part *= 2;
  p.parts = divideUp(p.blocks, p.part);
  p.levels = sumLevels(std::min(p.part, p.blocks));
  p.tile = padded<T>(s.taps() * p.slice);
  p.worker = p.tile * size_t(p.levels);
  return p;
}

// sums[taps][slice] of the block of pixels [begin, end) for the channels from q on.
template <class T>
void gradientBlock(const Convolution& s, const Phase& f, const T* x, const T* dy, int64_t q, int64_t channels, int64_t begin, int64_t end, T* sums,
                   int64_t slice) {
  const Kernels<T>& kernels = kernelsOf<T>();
  const int64_t c = s.c;
  clear(sums, slice, s.taps(), slice);
  stretches(f, begin, end - begin, [&](int64_t n, int64_t i, int64_t j, int64_t here, int64_t done) {
    parts(f.v, i, i + 1, [&](int64_t, int64_t, int64_t a0, int64_t a1) {
      parts(f.h, j, j + here, [&](int64_t j0, int64_t j1, int64_t b0, int64_t b1) {
        if (a0 == a1 || b0 == b1) return;
        const int64_t at = (n * f.v.size + f.v.source(i, a0)) * f.h.size + f.h.source(j0, b0);
        kernels.depthwiseGradient(j1 - j0, channels, a1 - a0, b1 - b0, x + at * c + q, f.v.tapStep * f.h.size * c, f.h.tapStep * c, f.h.step * c,
                                  dy + (begin + done + j0 - j) * c + q, c, sums + (a0 * s.kw + b0) * slice, s.kw * slice, slice);
      });
    });
  });
}

}  // namespace

template <class T> bool servesForward(const Convolution& s) { return serves(s); }
template <class T> size_t forwardWorkspace(const Convolution& s) { return workspaceOf<T>(s, false); }
template <class T> void forward(const Convolution& s, const T* x, const T* w, T* y, const Epilogue<T>& epilogue, void* workspace) {
  convolve(s, false, x, w, y, epilogue, workspace);
}

template <class T> bool servesInputGradient(const Convolution& s) {
  return serves(s) && fewPhases(s);
}
template <class T> size_t inputGradientWorkspace(const Convolution& s) { return workspaceOf<T>(s, true); }
template <class T> void inputGradient(const Convolution& s, const T* dy, const T* w, T* dx, const Epilogue<T>& epilogue, void* workspace) {
  convolve(s, true, dy, w, dx, epilogue, workspace);
}

template <class T> bool servesWeightGradient(const Convolution& s) { return serves(s); }
template <class T> size_t weightGradientWorkspace(const Convolution& s) {
  const GradientPlan<T> p = gradientPlanOf<T>(s);
  return (p.dw * size_t(p.parts) + p.worker * size_t(threads())) * sizeof(T);
}
template <class T> void weightGradient(const Convolution& s, const T* x, const T* dy, T* dw, Prior prior, void* workspace) {
  const Kernels<T>& kernels = kernelsOf<T>();
  const GradientPlan<T> p = gradientPlanOf<T>(s);
  const Phase f = forwardPhase(s);
  T* const sums = static_cast<T*>(workspace);
  T* const workers = sums + p.dw * p.parts;
  const int64_t pixels = s.pixels();
  parallelFor(p.slices * p.parts, [&](int64_t index, int worker) {
    const int64_t part = index / p.slices, q = index % p.slices * p.slice, channels = std::min(p.slice, s.c - q), first = part * p.part;
    T* const tiles = workers + size_t(worker) * p.worker;
    addBlocks(std::min(p.part, p.blocks - first), [&](int64_t block, int level) {
      const int64_t begin = (first + block) * sumBlock, end = p.blocks == 1 ? pixels : std::min(pixels, begin + sumBlock);
      gradientBlock(s, f, x, dy, q, channels, begin, end, tiles + level * p.tile, p.slice);
    }, [&](int level) { kernels.accumulate(tiles + level * p.tile, tiles + (level + 1) * p.tile, s.taps() * p.slice); });
    kernels.copyBlock(s.taps(), channels, tiles, p.slice, sums + part * p.dw + q, s.c);
  });
  for (int64_t step = 1; step < p.parts; step *= 2)
    for (int64_t part = 0; part + step < p.parts; part += 2 * step)
      kernels.accumulate(sums + part * p.dw, sums + (part + step) * p.dw, s.taps() * s.c);
  Epilogue<T> epilogue;
  epilogue.prior = prior;
  kernels.gemmFinish(s.taps(), s.c, sums, s.c, nullptr, 0, dw, s.c, epilogue);
}

NODEGRAD_CONVOLUTION_INSTANCES(float)
NODEGRAD_CONVOLUTION_INSTANCES(double)

}  // namespace nodegrad::depthwise
