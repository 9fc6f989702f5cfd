// Convolutions without patches: a row of pixels is the rows of a matrix product as it lies, for it steps evenly through its source.
//
// The order of arithmetic is that of one matrix product, as in direct.cc. Taps above and below the image are left out, where im2col
// multiplies zeros: no finite sum changes.
#include <algorithm>
#include <cstring>

#include "../runtime/pool.h"
#include "convolution.h"
#include "gemm.h"
#include "patches.h"

namespace nodegrad::rows {
namespace {

constexpr int64_t lane = 16;
constexpr int64_t mostTaps = 64;
constexpr int64_t windowBytes = 64 << 10;   // of the rows of the source that an item reads: part of the second-level cache
constexpr double leastItem = 1 << 20;       // products: some microseconds
constexpr int64_t leastItems = 64;
constexpr int64_t mostWeights = 1 << 15;    // of a weight gradient: sums in the first-level cache or close to it
constexpr int64_t leastRows = 14;           // of a micro-tile of a weight gradient
constexpr int64_t partialBytes = 1 << 20;   // of the partial sums of a weight gradient, at least one set

// Columns [columns] of the source from `first` on, outside ones included, that a row of positions reads.
struct Span {
  int64_t first, columns;
};
Span spanOf(const Convolution& s, bool backward) {
  int64_t low = 0, high = 1;
  for (int64_t i = 0; i < phasesOf(s, backward); ++i) {
    const Axis h = phaseOf(s, backward, i).h;
    if (h.taps == 0 || h.positions == 0) continue;
    low = std::min({low, h.source(0, 0), h.source(0, h.taps - 1)});
    high = std::max({high, h.source(h.positions - 1, 0) + 1, h.source(h.positions - 1, h.taps - 1) + 1});
  }
  return {low, high - low};
}

// Columns [span) of a row of the source, channels of a group, to pixels `step` apart; outside of the row: zeros.
template <class T> void copyRow(const Phase& f, const Span& span, const T* row, T* to, int64_t step) {
  const int64_t left = std::min(span.columns, -span.first), inside = std::clamp<int64_t>(f.h.size, 0, span.columns - left);
  clear(to, step, left, f.group);
  if (step == f.group && f.group == f.channels) std::memcpy(to + left * step, row, size_t(inside * step) * sizeof(T));
  else copyRows(inside, f.group, row, f.channels, to + left * step, step);
  clear(to + (left + inside) * step, step, span.columns - left - inside, f.group);
}

// ---- forward, input gradient --------------------------------------------------------------------------------------------------

template <class T> struct Plan {
  bool backward;
  int64_t phases, outputs, panel;
  int64_t rows, band, bands;  // rows of positions of an image, of an item
  Span span;
  bool copies;
  int64_t pixel;              // elements from a pixel of the window to the next
  size_t weights, window;     // in elements
};

template <class T> Plan<T> planOf(const Convolution& s, bool backward) {
  Plan<T> p;
  p.backward = backward;
  p.phases = phasesOf(s, backward);
  p.outputs = backward ? s.inputs() : s.outputs();
  p.panel = kernelsOf<T>().gemmVectors(1 << 10, p.outputs) * lane;
  p.span = spanOf(s, backward);
  const Phase f = phaseOf(s, backward, 0);
  p.rows = f.v.positions;  // the first phase has most
  p.copies = p.span.first < 0 || p.span.columns > f.h.size || f.group != f.channels;
  p.pixel = p.copies ? f.group : f.channels;
  const int64_t line = p.span.columns * p.pixel, step = std::min(f.v.step, f.v.size), high = s.kh * s.dilationH;
  const double products = double(f.h.positions) * double(p.outputs) * double(s.taps() * f.group);
  const int64_t most = std::min<int64_t>({windowBytes / int64_t(sizeof(T)) / std::max<int64_t>(1, line * step), divideUp(s.n * p.rows, leastItems)});
  p.band = std::clamp<int64_t>(most, std::min<int64_t>(p.rows, int64_t(leastItem / products) + 1), std::max<int64_t>(1, p.rows));
  p.bands = divideUp(p.rows, p.band);
  p.weights = padded<T>(s.taps() * s.inputs() * s.outputs() * s.groups);
  p.window = p.copies ? padded<T>(std::min(f.v.size, p.band * step + high) * line) : 0;
  return p;
}
template <class T> size_t workspaceOf(const Convolution& s, bool backward) {
  const Plan<T> p = planOf<T>(s, backward);
  return (p.weights + p.window * size_t(threads())) * sizeof(T);
}

// Rows [first, end) of positions of an image, in all phases.
template <class T>
void bandOf(const Convolution& s, const Plan<T>& p, const T* source, const T* weights, T* to, const Epilogue<T>& epilogue, int64_t g, int64_t image,
            int64_t first, int64_t end, T* window) {
  const Phase whole = phaseOf(s, p.backward, 0);
  const T* base = source + image * whole.v.size * whole.h.size * whole.channels + g * whole.group;
  int64_t top = 0, line = whole.h.size * whole.channels;
  if (p.copies) {
    int64_t bottom = 0;
    top = whole.v.size;
    for (int64_t i = 0; i < p.phases; ++i) {
      const Axis v = phaseOf(s, p.backward, i).v;
      if (v.taps == 0 || v.positions == 0) continue;
      top = std::min({top, v.source(first, 0), v.source(first, v.taps - 1)});
      bottom = std::max({bottom, v.source(end - 1, 0) + 1, v.source(end - 1, v.taps - 1) + 1});
    }
    top = std::max<int64_t>(0, top);
    for (int64_t y = top; y < std::min(bottom, whole.v.size); ++y) copyRow(whole, p.span, base + y * line, window + (y - top) * p.span.columns * p.pixel, p.pixel);
    base = window;
    line = p.span.columns * p.pixel;
  }
  const int64_t left = p.copies ? p.span.first : 0, toChannels = p.backward ? s.c : s.k;
  for (int64_t panel = 0; panel < p.outputs; panel += p.panel) {
    const int64_t n = std::min(p.panel, p.outputs - panel), j = g * p.outputs + panel;
    int64_t before = 0;
    for (int64_t i = 0; i < p.phases; ++i) {
      const Phase f = phaseOf(s, p.backward, i);
      const T* const columns = weights + before * p.outputs + panel * f.width();
      before += f.width();
      if (f.h.positions == 0) continue;
      const int64_t together = f.h.tapStep == 1 && p.pixel == f.group ? f.h.taps : 1;  // taps that are neighbours in the window
      for (int64_t row = first; row < std::min(end, f.v.positions); ++row) {
        GemmRun runs[mostTaps];
        int64_t count = 0;
        for (int64_t a = 0; a < f.v.taps; ++a) {
          const int64_t y = f.v.source(row, a);
          for (int64_t b = 0; y >= 0 && y < f.v.size && b < f.h.taps; b += together)
            runs[count++] = {(y - top) * line + (f.h.source(0, b) - left) * p.pixel, (a * f.h.taps + b) * f.group * n};
        }
        const int64_t pixel = (image * f.v.toSize + f.v.toFirst + row * f.v.toStep) * f.h.toSize + f.h.toFirst;
        Epilogue<T> part = epilogue.at(pixel, j);
        part.yRow *= f.h.toStep;
        kernelsOf<T>().gemmRuns(f.h.positions, n, runs, count, together * f.group, base, f.h.step * p.pixel, 1, columns, n, nullptr, 0,
                                to + pixel * toChannels + j, toChannels * f.h.toStep, part);
      }
    }
  }
}

template <class T>
void convolve(const Convolution& s, bool backward, const T* source, const T* w, T* to, const Epilogue<T>& epilogue, void* workspace) {
  const Plan<T> p = planOf<T>(s, backward);
  T* const weights = static_cast<T*>(workspace);
  T* const windows = weights + p.weights;
  packWeights(s, backward, p.panel, w, weights);
  parallelFor(s.groups * s.n * p.bands, [&](int64_t index, int worker) {
    const int64_t g = index / (s.n * p.bands), image = index / p.bands % s.n, band = index % p.bands;
    bandOf(s, p, source, weights + g * s.taps() * s.inputs() * s.outputs(), to, epilogue, g, image, p.rows * band / p.bands, p.rows * (band + 1) / p.bands,
           windows + size_t(worker) * p.window);
  });
}

// ---- weight gradient ----------------------------------------------------------------------------------------------------------

// dw[width, k] of a group is a product over all pixels, whose blocks of 2048 a tree adds. An item takes `high` rows of the kernel over
// 2ˡ neighbouring blocks. Its window has a line for each row of dy: pixels of `high` rows of the source between each other, so that what
// an element of dy is multiplied with lies in one piece.
template <class T> struct GradientPlan {
  Span span;
  int64_t high, pieces;  // pieces: kh / high
  bool copies;
  int64_t pixel, line, lines;   // of a window, in elements; lines of it
  int64_t rows, panel;          // rows of dw of an item
  int64_t blocks, part, parts;  // part: blocks of a part, a power of two
  size_t dw, tile, window, worker;
};

template <class T> GradientPlan<T> gradientPlanOf(const Convolution& s) {
  GradientPlan<T> p;
  p.span = spanOf(s, false);
  p.high = s.kw * s.inputs() < leastRows ? s.kh : 1;
  p.pieces = s.kh / p.high;
  p.copies = p.high > 1 || p.span.first < 0 || p.span.columns > s.w || s.groups > 1;
  p.pixel = p.high * s.inputs();
  p.line = padded<T>(p.span.columns * p.pixel);
  p.lines = std::clamp<int64_t>(windowBytes / int64_t(sizeof(T)) / p.line, 1, mostTaps);
  p.rows = p.pixel * s.kw;
  p.panel = kernelsOf<T>().gemmVectors(p.rows, s.outputs()) * lane;
  p.blocks = sumBlocks(s.pixels());
  p.dw = padded<T>(s.taps() * s.inputs() * s.k);
  p.part = 1;
  while (p.part < p.blocks && (s.groups * p.pieces * divideUp(p.blocks, p.part) > leastItems || divideUp(p.blocks, p.part) * int64_t(p.dw * sizeof(T)) > partialBytes))
    p.part *= 2;
  p.parts = divideUp(p.blocks, p.part);
  p.tile = padded<T>(p.rows * s.outputs());
  p.window = p.copies ? p.line * p.lines : 0;
  p.worker = p.window + p.tile * size_t(sumLevels(std::min(p.part, p.blocks)));
  return p;
}

// sums[rows][outputs] of pixels [begin, end) for kernel rows from a on.
template <class T>
void gradientBlock(const Convolution& s, const GradientPlan<T>& p, const T* x, const T* dy, int64_t a, int64_t begin, int64_t end, T* sums, T* window) {
  const Phase f = forwardPhase(s);
  const int64_t outputs = s.outputs();
  GemmRun runs[mostTaps];
  int64_t count = 0, length = 0;
  const auto multiply = [&] {
    for (int64_t j = 0; j < outputs && count > 0; j += p.panel)
      kernelsOf<T>().gemmRuns(p.rows, std::min(p.panel, outputs - j), runs, count, length, p.copies ? window : x, 1, f.h.step * p.pixel, dy + j, s.k,
                              sums + j, outputs, sums + j, outputs, {});
    count = 0;
  };
  clear(sums, outputs, p.rows, outputs);
  stretches(f, begin, end - begin, [&](int64_t n, int64_t i, int64_t j, int64_t here, int64_t done) {
    const auto inside = [&](int64_t b) { const int64_t y = f.v.source(i, a + b); return y >= 0 && y < f.v.size; };
    const auto source = [&](int64_t b) { return (n * f.v.size + f.v.source(i, a + b)) * f.h.size * f.channels; };
    if (p.high == 1 && !inside(0)) return;
    if (count == p.lines || here != length) multiply();
    length = here;
    T* const line = window + count * p.line;
    for (int64_t b = 0; b < p.high && p.copies; ++b) {
      if (inside(b)) copyRow(f, p.span, x + source(b), line + b * f.group, p.pixel);
      else clear(line + b * f.group, p.pixel, p.span.columns, f.group);
    }
    const int64_t first = j * f.h.step * p.pixel;
    runs[count] = {first + (p.copies ? count * p.line : source(0)), (begin + done) * s.k};
    ++count;
  });
  multiply();
}

// Not where matrix products C[·, n] over k go to OpenBLAS; and not where a row reads far beyond its source.
template <class T> bool serves(const Convolution& s, bool backward, int64_t n, int64_t k) {
  if (s.c == 0 || s.k == 0 || s.taps() > mostTaps || k > unblocked || std::strcmp(gemmChosen<T>(n, k), "own") != 0) return false;
  return spanOf(s, backward).columns <= 2 * (backward ? s.ow : s.w) + mostTaps;
}

}  // namespace

template <class T> bool servesForward(const Convolution& s) { return serves<T>(s, false, s.outputs(), s.taps() * s.inputs()); }
template <class T> size_t forwardWorkspace(const Convolution& s) { return workspaceOf<T>(s, false); }
template <class T> void forward(const Convolution& s, const T* x, const T* w, T* y, const Epilogue<T>& epilogue, void* workspace) {
  convolve(s, false, x, w, y, epilogue, workspace);
}

template <class T> bool servesInputGradient(const Convolution& s) { return fewPhases(s) && serves<T>(s, true, s.inputs(), s.taps() * s.outputs()); }
template <class T> size_t inputGradientWorkspace(const Convolution& s) { return workspaceOf<T>(s, true); }
template <class T> void inputGradient(const Convolution& s, const T* dy, const T* w, T* dx, const Epilogue<T>& epilogue, void* workspace) {
  convolve(s, true, dy, w, dx, epilogue, workspace);
}

template <class T> bool servesWeightGradient(const Convolution& s) {
  return s.dilationW == 1 && serves<T>(s, false, s.outputs(), unblocked) && s.taps() * s.inputs() * s.k <= mostWeights;
}
template <class T> size_t weightGradientWorkspace(const Convolution& s) {
  const GradientPlan<T> p = gradientPlanOf<T>(s);
  return (p.dw * size_t(p.parts) + p.worker * size_t(threads())) * sizeof(T);
}
template <class T> void weightGradient(const Convolution& s, const T* x, const T* dy, T* dw, Prior prior, void* workspace) {
  const Kernels<T>& kernels = kernelsOf<T>();
  const GradientPlan<T> p = gradientPlanOf<T>(s);
  T* const sums = static_cast<T*>(workspace);  // [parts][groups][width][outputs]
  T* const workers = sums + p.dw * p.parts;
  const int64_t pixels = s.pixels(), in = s.inputs(), out = s.outputs(), width = s.taps() * in;
  parallelFor(p.parts * s.groups * p.pieces, [&](int64_t index, int worker) {
    const int64_t part = index / (s.groups * p.pieces), g = index / p.pieces % s.groups, a = index % p.pieces * p.high, first = part * p.part;
    T* const window = workers + size_t(worker) * p.worker;
    T* const tiles = window + p.window;
    addBlocks(std::min(p.part, p.blocks - first), [&](int64_t block, int level) {
      const int64_t begin = (first + block) * sumBlock, end = p.blocks == 1 ? pixels : std::min(pixels, begin + sumBlock);
      gradientBlock(s, p, x + g * in, dy + g * out, a, begin, end, tiles + level * p.tile, window);
    }, [&](int level) { kernels.accumulate(tiles + level * p.tile, tiles + (level + 1) * p.tile, p.rows * out); });
    T* const to = sums + part * p.dw + g * width * out;
    for (int64_t row = 0; row < p.high; ++row)
      for (int64_t b = 0; b < s.kw; ++b)
        std::copy_n(tiles + (b * p.high + row) * in * out, in * out, to + ((a + row) * s.kw + b) * in * out);
  });
  for (int64_t step = 1; step < p.parts; step *= 2)
    for (int64_t part = 0; part + step < p.parts; part += 2 * step) kernels.accumulate(sums + part * p.dw, sums + (part + step) * p.dw, width * s.k);
  Epilogue<T> epilogue;
  epilogue.prior = prior;
  for (int64_t g = 0; g < s.groups; ++g) kernels.gemmFinish(width, out, sums + g * width * out, out, nullptr, 0, dw + g * out, s.k, epilogue);
}

NODEGRAD_CONVOLUTION_INSTANCES(float)
NODEGRAD_CONVOLUTION_INSTANCES(double)

}  // namespace nodegrad::rows
