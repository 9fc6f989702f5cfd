// Direct convolution: a row of pixels is the rows of a matrix product as it lies, for it steps evenly through its source. At most the
// rows of the source that a tile reads are copied, for the zeros beside them.
//
// The order of arithmetic is that of one matrix product (gemm.h): forward over k = (a, b, q), input gradient over (a, b, o), weight
// gradient over all pixels of all images. Bits do not depend on how the work is cut. An input gradient with stride s is s·s phases:
// the inputs that see the same taps are a convolution of dy with these taps only. That leaves out products with the zeros that im2col
// puts between the pixels of dy; and taps above and below an image are left out too. Neither changes a finite sum; but an infinite
// weight makes no NaN there.
#include <algorithm>
#include <cstring>

#include "gemm_table.h"
#include "../runtime/pool.h"
#include "convolution.h"
#include "gemm.h"
#include "phases.h"
#include "weight_gradients.h"

namespace nodegrad::direct {
namespace {

constexpr int64_t lane = 16;
constexpr int64_t mostRuns = 256;              // of a product: on the stack
constexpr int64_t windowBytes = 64 << 10;      // of the rows of the source that a tile reads: part of the second-level cache
constexpr double leastItem = 1 << 18;          // products: some microseconds
constexpr int64_t leastItems = 64;
constexpr int64_t rowPixels = 256;
// Of a weight gradient: sums of a piece, rows of its micro-tile, pieces, bytes of partial sums (at least one set).
constexpr int64_t pieceElements = 1 << 15, leastRows = 14, leastPieces = 8, partialBytes = 8 << 20;

// A pointwise convolution may take several rows of an image for one.
Convolution longRows(Convolution s) {
  if (s.taps() != 1 || s.strideH != 1 || s.strideW != 1 || s.padTop != 0 || s.padLeft != 0 || s.oh != s.h || s.ow != s.w) return s;
  int64_t together = std::clamp<int64_t>(rowPixels / std::max<int64_t>(1, s.w), 1, std::max<int64_t>(1, s.h));
  while (s.h % together != 0) --together;
  s.oh = s.h /= together;
  s.ow = s.w *= together;
  return s;
}

// ---- forward, input gradient --------------------------------------------------------------------------------------------------

template <class T> struct Plan {
  bool backward;
  int64_t phases, outputs, panel;  // outputs: channels of a group
  int64_t rows, band, bands;       // rows of positions of an image, of a tile
  Span span;
  bool copies;
  int64_t pixel;                   // elements from a pixel of the window to the next
  int levels;                      // rows of partial sums
  size_t weights, window, sums, worker;  // in elements
};

template <class T> Plan<T> planOf(const Convolution& s, bool backward) {
  Plan<T> p;
  p.backward = backward;
  p.phases = phasesOf(s, backward);
  p.outputs = backward ? s.inputs() : s.outputs();
  p.panel = kernelsOf<T>().gemmVectors(1 << 10, p.outputs, stepsOfKept(s.taps() * phaseOf(s, backward, 0).group)) * lane;
  p.span = spanOf(s, backward);
  const Phase f = phaseOf(s, backward, 0);  // has most positions
  p.rows = f.v.positions;
  p.copies = p.span.first < 0 || p.span.columns > f.h.size || f.group != f.channels;
  p.pixel = p.copies ? f.group : f.channels;
  const int64_t line = p.span.columns * p.pixel, step = std::min(f.v.step, f.v.size), high = s.kh * s.dilationH;
  const double products = double(f.h.positions) * double(p.outputs) * double(s.taps() * f.group);
  // What a tile reads and what it writes stays in the cache.
  const int64_t widest = std::max(line * step, f.h.positions * p.outputs * p.phases);
  const int64_t most = std::min<int64_t>(windowBytes / int64_t(sizeof(T)) / widest, divideUp(s.n * p.rows, leastItems));
  p.band = std::clamp<int64_t>(most, std::min<int64_t>(p.rows, int64_t(leastItem / products) + 1), std::max<int64_t>(1, p.rows));
  p.bands = divideUp(p.rows, p.band);
  const int64_t sums = sumBlocks(s.taps() * f.group);
  p.levels = sums > 1 ? sumLevels(sums) : 0;
  p.weights = padded<T>(s.taps() * s.inputs() * s.outputs() * s.groups);
  p.window = p.copies ? padded<T>(std::min(f.v.size, p.band * step + high) * line) : 0;
  p.sums = padded<T>(f.h.positions * p.panel);
  p.worker = p.window + p.sums * size_t(p.levels);
  return p;
}
template <class T> size_t workspaceOf(const Convolution& s, bool backward) {
  const Plan<T> p = planOf<T>(s, backward);
  return (p.weights + p.worker * size_t(threads())) * sizeof(T);
}

// A row of positions of a phase times a panel of the weights.
template <class T> struct Product {
  int64_t m, n;
  GemmRun runs[mostRuns];  // taps that are neighbours in the source, `length` steps of k
  int64_t count, length;
  const T *a, *b;
  int64_t aRow;

  void multiply(T* c, int64_t cRow, const Epilogue<T>& epilogue) const {
    kernelsOf<T>().gemmRuns(m, n, runs, count, length, a, aRow, 1, b, n, nullptr, 0, c, cRow, epilogue, {});
  }
  // Steps [k0, k1) alone.
  void part(int64_t k0, int64_t k1, T* c) const {
    bool onward = false;
    for (int64_t i = 0, together; i < count; i += together) {
      const auto at = [&](int64_t run) { return runs[run].b / n; };
      const int64_t skip = std::max<int64_t>(0, k0 - at(i)), steps = std::min(length, k1 - at(i)) - skip;
      together = 1;
      if (steps <= 0) continue;
      while (steps == length && i + together < count && at(i + together) + length <= k1) ++together;
      kernelsOf<T>().gemmRuns(m, n, runs + i, together, steps, a + skip, aRow, 1, b + skip * n, n, onward ? c : nullptr, n, c, n, {}, {});
      onward = true;
    }
    if (!onward) clear(c, n, m, n);
  }
};

template <class T> struct Run {
  const Convolution& s;
  const Plan<T>& p;
  const T* source;
  T* to;
  const Epilogue<T>& epilogue;
  T* weights;  // as packWeights leaves them
  T* workers;

  // Steps of k of the phase that lie before step `all` of the whole kernel: where the definition cuts.
  int64_t before(const Phase& f, int64_t all) const {
    const int64_t tap = all / f.group;
    int64_t count = 0;
    for (int64_t a = 0; a < f.v.taps; ++a)
      for (int64_t b = 0; b < f.h.taps; ++b) {
        const int64_t here = (f.v.tapFirst + a * f.v.tapEvery) * s.kw + f.h.tapFirst + b * f.h.tapEvery;
        count += here < tap ? f.group : here == tap ? all % f.group : 0;
      }
    return count;
  }

  void multiply() const {
    parallelFor(s.groups * s.n * p.bands, [&](int64_t index, int worker) {
      const int64_t g = index / (s.n * p.bands), image = index / p.bands % s.n, band = index % p.bands;
      bandOf(g, image, p.rows * band / p.bands, p.rows * (band + 1) / p.bands, workers + size_t(worker) * p.worker);
    });
  }

  // Rows [first, end) of positions of an image, in all phases.
  void bandOf(int64_t g, int64_t image, int64_t first, int64_t end, T* window) const {
    const Phase whole = phaseOf(s, p.backward, 0);
    int64_t top = 0, bottom = 0, line = whole.h.size * whole.channels;
    const T* base = source + image * whole.v.size * line + g * whole.group;
    if (p.copies) {
      top = whole.v.size;
      for (int64_t i = 0; i < p.phases; ++i) {
        const Axis v = phaseOf(s, p.backward, i).v;
        if (v.taps == 0) continue;
        top = std::min({top, v.source(first, 0), v.source(first, v.taps - 1)});
        bottom = std::max({bottom, v.source(end - 1, 0) + 1, v.source(end - 1, v.taps - 1) + 1});
      }
      top = std::max<int64_t>(0, top);
      const int64_t windowLine = p.span.columns * p.pixel;
      for (int64_t y = top; y < std::min(bottom, whole.v.size); ++y) {
        T* const at = window + (y - top) * windowLine;
        clearSides(p.span, whole.h.size, at, p.pixel);
        copyRow(p.span, whole, whole.group, base + y * line, at, p.pixel);
      }
      base = window;
      line = windowLine;
    }
    const int64_t left = p.copies ? p.span.first : 0;
    for (int64_t panel = 0; panel < p.outputs; panel += p.panel) {
      const T* columns = weights + g * s.taps() * s.inputs() * s.outputs();
      for (int64_t i = 0; i < p.phases; ++i) {
        const Phase f = phaseOf(s, p.backward, i);
        Product<T> product;
        product.m = f.h.positions;
        product.n = std::min(p.panel, p.outputs - panel);
        product.a = base;
        product.aRow = f.h.step * p.pixel;
        product.b = columns + panel * f.width();
        columns += f.width() * p.outputs;
        const int64_t together = f.h.tapStep == 1 && p.pixel == f.group ? f.h.taps : 1;
        product.length = together * f.group;
        for (int64_t row = first; row < std::min(end, f.v.positions) && product.m > 0; ++row) {
          product.count = 0;
          for (int64_t a = 0; a < f.v.taps; ++a) {
            const int64_t y = f.v.source(row, a);
            for (int64_t b = 0; y >= 0 && y < f.v.size && b < f.h.taps; b += together)
              product.runs[product.count++] = {(y - top) * line + (f.h.source(0, b) - left) * p.pixel, (a * f.h.taps + b) * f.group * product.n};
          }
          rowOf(f, product, image, row, g * p.outputs + panel, window + p.window);
        }
      }
    }
  }

  void rowOf(const Phase& f, const Product<T>& product, int64_t image, int64_t row, int64_t column, T* sums) const {
    const int64_t channels = p.backward ? s.c : s.row;
    const int64_t pixel = (image * f.v.toSize + f.v.toFirst + row * f.v.toStep) * f.h.toSize + f.h.toFirst;
    T* const c = to + pixel * channels + column;
    Epilogue<T> part = epilogue.at(pixel, column);
    part.yRow *= f.h.toStep;
    if (p.levels == 0) return product.multiply(c, channels * f.h.toStep, part);
    const Kernels<T>& kernels = kernelsOf<T>();
    const int64_t blocks = sumBlocks(s.taps() * f.group), m = product.m, n = product.n;
    addBlocks(blocks, [&](int64_t block, int level) {
      product.part(block == 0 ? 0 : before(f, block * sumBlock), block == blocks - 1 ? f.width() : before(f, (block + 1) * sumBlock), sums + level * p.sums);
    }, [&](int level) { kernels.accumulate(sums + level * p.sums, sums + (level + 1) * p.sums, m * n); });
    kernels.gemmFinish(m, n, sums, n, nullptr, 0, c, channels * f.h.toStep, part);
  }
};

template <class T>
void convolve(const Convolution& s, bool backward, const T* source, const T* w, T* to, const Epilogue<T>& epilogue, void* workspace) {
  const Plan<T> p = planOf<T>(s, backward);
  T* const base = static_cast<T*>(workspace);
  packWeights(s, backward, p.panel, w, base);
  Run<T>{s, p, source, to, epilogue, base, base + p.weights}.multiply();
}

// ---- weight gradient ----------------------------------------------------------------------------------------------------------

// dw[width, k] of a group is a product over all pixels, whose blocks of 2048 a tree adds. An item computes a piece of it over a part of
// the pixels: 2ˡ neighbouring blocks, a subtree. What the parts give is added by the rest of the tree. A piece is `span` columns of
// `high` · `wide` taps of `slice` channels. Its window has a line for each row of dy, in which pixels of `high` rows of the source
// follow each other, so that what an element of dy is multiplied with lies together.
template <class T> struct GradientPlan {
  Span source;
  int64_t high, wide, slice, rows;    // rows = high · wide · slice
  int64_t slices, spans, span, panel, pieces;
  bool copies, packs;
  int64_t pixel, line, lines, chunk;  // of a window in elements, its lines, pixels of dy that belong to it
  int64_t blocks, part, parts;        // part: blocks of a part, a power of two
  size_t dw, tile, window, worker;    // in elements; dw: the sums of a part
};

template <class T> GradientPlan<T> gradientPlanOf(const Convolution& s) {
  const Kernels<T>& kernels = kernelsOf<T>();
  GradientPlan<T> p;
  const int64_t in = s.inputs(), out = s.outputs(), width = s.taps() * in;
  p.source = spanOf(s, false);
  p.wide = s.dilationW == 1 ? s.kw : 1;
  p.panel = kernels.gemmVectors(std::min<int64_t>(width, 1 << 10), out, 64) * lane;
  const int64_t panels = divideUp(out, p.panel);
  p.span = divideUp(panels, divideUp(out, 256)) * p.panel;
  p.spans = divideUp(out, p.span);
  // A piece is large, so that x and dy are read few times, but there is work for all.
  p.blocks = sumBlocks(s.pixels());
  const int64_t most = std::clamp<int64_t>(pieceElements / p.span, 112, 256);
  p.high = p.wide == s.kw && (s.kw * in < leastRows || (width <= most && p.blocks >= leastPieces)) ? s.kh : 1;
  const int64_t taps = s.taps() / (p.high * p.wide), items = s.groups * p.spans * taps * p.blocks;
  p.slice = std::clamp<int64_t>(std::min(most / (p.high * p.wide), divideUp(in, std::max<int64_t>(1, leastPieces / items))), 1, in);
  if (p.slice < in) p.slice = std::min(in, divideUp(p.slice, lane) * lane);
  p.slices = divideUp(in, p.slice);
  p.pieces = taps * p.slices * p.spans;
  p.rows = p.high * p.wide * p.slice;

  p.copies = p.high > 1 || p.source.first < 0 || p.source.columns > s.w || p.slice < s.c;
  p.packs = p.panel < s.k;
  p.pixel = p.high * p.slice;
  p.line = padded<T>(p.source.columns * p.pixel);
  p.lines = std::clamp<int64_t>(std::min(2 * windowBytes / int64_t(sizeof(T)) / p.line, divideUp(rowPixels, std::max<int64_t>(1, s.ow))), 1, mostRuns);
  p.chunk = p.lines * s.ow;
  p.dw = padded<T>(width * s.k);
  p.part = 1;
  while (p.part < p.blocks && (s.groups * p.pieces * divideUp(p.blocks, p.part) > 2 * leastItems ||
                               divideUp(p.blocks, p.part) * int64_t(p.dw * sizeof(T)) > partialBytes))
    p.part *= 2;
  p.parts = divideUp(p.blocks, p.part);
  p.tile = padded<T>(p.rows * p.span);
  p.window = p.copies ? p.line * p.lines : 0;
  p.worker = p.window + (p.packs ? padded<T>(p.chunk * p.panel) : 0) + p.tile * size_t(sumLevels(std::min(p.part, p.blocks)));
  return p;
}

template <class T> struct GradientRun {
  const Convolution& s;
  const GradientPlan<T>& p;
  const T *x, *dy;
  T* sums;  // [parts][groups][width][outputs]
  T* workers;

  struct Piece { int64_t a, b, q, channels, j, n; };  // taps from (a, b) on, channels of x and dy

  // sums[rows][n] of pixels [begin, end).
  void block(const Piece& piece, int64_t begin, int64_t end, T* sum, T* window) const {
    const Kernels<T>& kernels = kernelsOf<T>();
    const Phase f = forwardPhase(s);
    T* const packed = window + p.window;
    const int64_t n = piece.n, pixel = p.copies ? p.high * piece.channels : s.c;
    GemmRun runs[mostRuns], dense[mostRuns];  // over dy as it lies, and as the first strip of rows leaves it
    int64_t count = 0, length = 0;
    const auto multiply = [&] {
      for (int64_t j = 0; j < n && count > 0; j += p.panel) {
        const int64_t columns = std::min(p.panel, n - j), width = divideUp(columns, lane) * lane;
        for (int64_t i = 0; i < count && p.packs; ++i) dense[i] = {runs[i].a, i * length * width};
        kernels.gemmRuns(p.high * p.wide * piece.channels, columns, runs, count, length, p.copies ? window : x, 1, f.h.step * pixel, dy + piece.j + j, s.k,
                         sum + j, n, sum + j, n, {}, p.packs ? GemmStream<T>{packed, dense} : GemmStream<T>());
      }
      count = 0;
    };
    clear(sum, n, p.high * p.wide * piece.channels, n);
    stretches(f, begin, end - begin, [&](int64_t image, int64_t i, int64_t j, int64_t here, int64_t done) {
      const auto inside = [&](int64_t a) { const int64_t y = f.v.source(i, piece.a + a); return y >= 0 && y < f.v.size; };
      const auto source = [&](int64_t a) { return (image * f.v.size + f.v.source(i, piece.a + a)) * f.h.size * f.channels + piece.q; };
      if (p.high == 1 && !inside(0)) return;
      if (count == p.lines || here != length) multiply();
      length = here;
      T* const line = window + count * p.line;
      if (p.copies) clearSides(p.source, f.h.size, line, pixel);
      for (int64_t a = 0; a < p.high && p.copies; ++a)
        copyRow(p.source, f, piece.channels, inside(a) ? x + source(a) : nullptr, line + a * piece.channels, pixel);
      runs[count] = {p.copies ? count * p.line + (f.h.source(j, piece.b) - p.source.first) * pixel : source(0) + f.h.source(j, piece.b) * pixel,
                     (begin + done) * s.k};
      ++count;
    });
    multiply();
  }

  void multiply() const {
    const Kernels<T>& kernels = kernelsOf<T>();
    const int64_t in = s.inputs(), out = s.outputs(), width = s.taps() * in, pixels = s.pixels(), across = s.kw / p.wide;
    parallelFor(p.parts * s.groups * p.pieces, [&](int64_t index, int worker) {
      const int64_t part = index / (s.groups * p.pieces), g = index / p.pieces % s.groups, first = part * p.part;
      const int64_t span = index % p.spans * p.span, slice = index / p.spans % p.slices * p.slice, tap = index % p.pieces / (p.spans * p.slices);
      const Piece piece = {tap / across * p.high, tap % across, g * in + slice, std::min(p.slice, in - slice), g * out + span, std::min(p.span, out - span)};
      T* const window = workers + size_t(worker) * p.worker;
      T* const tiles = window + p.window + (p.packs ? padded<T>(p.chunk * p.panel) : 0);
      addBlocks(std::min(p.part, p.blocks - first), [&](int64_t index, int level) {
        const int64_t begin = (first + index) * sumBlock, end = p.blocks == 1 ? pixels : std::min(pixels, begin + sumBlock);
        block(piece, begin, end, tiles + level * p.tile, window);
      }, [&](int level) { kernels.accumulate(tiles + level * p.tile, tiles + (level + 1) * p.tile, p.rows * piece.n); });
      T* const to = sums + part * p.dw + g * width * out + slice * out + span;
      for (int64_t a = 0; a < p.high; ++a)
        for (int64_t b = 0; b < p.wide; ++b)
          kernels.copyBlock(piece.channels, piece.n, tiles + (b * p.high + a) * piece.channels * piece.n, piece.n,
                            to + ((piece.a + a) * s.kw + piece.b + b) * in * out, out);
    });
  }

  // dw = (prior +) the tree over the parts.
  void finish(T* dw, Prior prior) const {
    const Kernels<T>& kernels = kernelsOf<T>();
    const int64_t out = s.outputs(), width = s.taps() * s.inputs(), rows = std::max<int64_t>(1, 4096 / out), tiles = divideUp(width, rows);
    parallelFor(s.groups * tiles, [&](int64_t index, int) {
      const int64_t g = index / tiles, i = index % tiles * rows, m = std::min(rows, width - i);
      T* const at = sums + (g * width + i) * out;
      for (int64_t step = 1; step < p.parts; step *= 2)
        for (int64_t part = 0; part + step < p.parts; part += 2 * step) kernels.accumulate(at + part * p.dw, at + (part + step) * p.dw, m * out);
      Epilogue<T> epilogue;
      epilogue.prior = prior;
      kernels.gemmFinish(m, out, at, out, nullptr, 0, dw + i * s.k + g * out, s.k, epilogue);
    });
  }
};

// Not where matrix products C[·, n] over k go to OpenBLAS: so do those of the other algorithms then. Nor where a row reads far beyond
// its source, or taps are too many.
template <class T> bool serves(const Convolution& s, bool backward, int64_t n, int64_t k) {
  if (s.c == 0 || s.k == 0 || std::strcmp(gemmChosen<T>(n, k), "own") != 0) return false;
  if (s.kh > mostRuns || s.kw > mostRuns || ((backward || s.dilationW > 1) && s.taps() > mostRuns)) return false;
  return spanOf(s, backward).columns <= 2 * (backward ? s.ow : s.w) + mostRuns;
}

}  // namespace

template <class T> bool servesForward(const Convolution& s) { return serves<T>(s, false, s.outputs(), s.taps() * s.inputs()); }
template <class T> size_t forwardWorkspace(const Convolution& s) { return workspaceOf<T>(longRows(s), false); }
template <class T> void forward(const Convolution& s, const T* x, const T* w, T* y, const Epilogue<T>& epilogue, void* workspace) {
  convolve(longRows(s), false, x, w, y, epilogue, workspace);
}

template <class T> bool servesInputGradient(const Convolution& s) { return fewPhases(s) && serves<T>(s, true, s.inputs(), s.taps() * s.outputs()); }
template <class T> size_t inputGradientWorkspace(const Convolution& s) { return workspaceOf<T>(longRows(s), true); }
template <class T> void inputGradient(const Convolution& s, const T* dy, const T* w, T* dx, const Epilogue<T>& epilogue, void* workspace) {
  convolve(longRows(s), true, dy, w, dx, epilogue, workspace);
}

template <class T> bool servesWeightGradient(const Convolution& s) { return serves<T>(s, false, s.outputs(), unblocked); }
template <class T> size_t weightGradientWorkspace(const Convolution& s) {
  const int64_t alone[] = {s.n, 0};
  if (tapwise::serves(s)) return tapwise::workspace<T>(s, {1, alone, nullptr});
  const GradientPlan<T> p = gradientPlanOf<T>(longRows(s));
  return (p.dw * size_t(p.parts) + p.worker * size_t(threads())) * sizeof(T);
}
template <class T> void weightGradient(const Convolution& given, const T* x, const T* dy, T* dw, Prior prior, void* workspace) {
  if (tapwise::serves(given)) {
    const int64_t alone[] = {given.n, 0};
    const Operand operands[] = {{const_cast<T*>(x), 0, {}}, {const_cast<T*>(dy), 0, {}}};
    return tapwise::weightGradient<T>(given, {1, alone, operands}, dw, prior, workspace);
  }
  const Convolution s = longRows(given);
  const GradientPlan<T> p = gradientPlanOf<T>(s);
  T* const base = static_cast<T*>(workspace);
  const GradientRun<T> run = {s, p, x, dy, base, base + p.dw * p.parts};
  run.multiply();
  run.finish(dw, prior);
}

NODEGRAD_CONVOLUTION_INSTANCES(float)
NODEGRAD_CONVOLUTION_INSTANCES(double)

}  // namespace nodegrad::direct
