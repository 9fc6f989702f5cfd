// Weight gradients of convolutions of bfloat16: products whose k is the pixels of all images, dw transposed = dy transposed · patches.
//
// A task has rows (output channels), panels of columns (taps and input channels) and blocks of k, which it walks in pieces. Where there is
// padding, it copies what a piece reads and puts zeros around it, once for all taps: a tap is then a constant offset. Patches need not be
// gathered: the panels are packed from where pixels lie. Numbers of a kernel row are neighbours, and columns of the same panels. Only where
// a kernel row is too short for that, patches are gathered, chunk by chunk.
#include <algorithm>
#include <cstring>

#include "../runtime/fpstate.h"
#include "../runtime/pool.h"
#include "convolution_bfloat16.h"
#include "phases.h"

namespace nodegrad::bfloat16Convolution {
namespace {

constexpr int64_t tasksOfThread = 4;
constexpr double leastTask = 1 << 21;      // products
constexpr int64_t mostSums = 128 << 10;     // of a task
constexpr int64_t mostOutputs = 128;       // of a task, more where the sums have room
constexpr int64_t mostStaged = 64 << 10;   // numbers that a piece reads, about
constexpr int64_t mostChunk = 16;          // steps of k between two visits of the sums

// One axis of what taps read: tap t of position p is place p·step + t·tapStep. Places are inputs one behind the other or, where most of
// those would be read by no tap, the inputs of one position behind those of the one before.
struct TapAxis {
  int64_t taps, stride, dilation, before, size, step, tapStep;

  TapAxis(int64_t count, int64_t positions, int64_t taps, int64_t stride, int64_t dilation, int64_t before, int64_t size)
      : taps(taps), stride(stride), dilation(dilation), before(before), size(size), step(stride), tapStep(dilation) {
    if (length(count) <= 2 * taps * count && length(positions) <= 4 * (size + taps + 8)) return;
    step = taps;
    tapStep = 1;
  }
  bool apart() const { return step != stride || tapStep != dilation; }
  int64_t length(int64_t count) const { return (count - 1) * step + (taps - 1) * tapStep + 1; }
  // The input at a place, counted from position p on; outside of [0, size) it is zero.
  int64_t source(int64_t p, int64_t place) const {
    return apart() ? (p + place / taps) * stride + place % taps * dilation - before : p * stride + place - before;
  }
  bool inside(int64_t positions) const { return before == 0 && (positions - 1) * stride + (taps - 1) * dilation < size; }
};

bool pointwise(const Convolution& s) {
  return s.taps() == 1 && s.strideH == 1 && s.strideW == 1 && s.padTop == 0 && s.padLeft == 0 && s.oh == s.h && s.ow == s.w;
}
// Without any pixels, k is 0 of a geometry that has some. A pointwise convolution has one row of one image, and x and dy may change places: rows cost
// more to prepare than columns, so the smaller one has them.
Convolution plain(Convolution s, bool swapped) {
  if (s.pixels() == 0) {
    s.n = 0;
    s.oh = s.ow = 1;
  } else if (pointwise(s)) {
    s.w = s.ow = s.pixels();
    s.n = s.h = s.oh = 1;
    if (swapped) std::swap(s.c, s.k);
  }
  return s;
}

size_t lines(int64_t bytes) { return size_t(divideUp(bytes, 64) * 64); }
// Parts of `all`, multiples of `unit` and about equal, at most `most` each.
int64_t partOf(int64_t all, int64_t most, int64_t unit) { return std::min(all, divideUp(divideUp(all, divideUp(all, most)), unit) * unit); }

struct Plan {
  const Bfloat16Product* product;
  bool swapped;                            // x and dy
  Convolution s;
  int64_t piece, chunk;                    // of k
  TapAxis v, h;
  bool staged;                             // what a piece reads is copied, with zeros around images
  bool patched;                            // kernel rows are gathered one behind the other
  int64_t units, unit;                     // of columns that are neighbours: kernel rows or taps; columns of one
  int64_t panelsOfUnit, panels, group, groups;  // of columns: all, those of a task, tasks
  int64_t outputs, outputParts, strip, narrowStrip;  // rows of a task, and of them those that are multiplied at once
  int64_t blocks, run, runs;               // of k: all, those of a task, tasks
  int64_t down;                            // steps of k from a kernel row to the next, where panels serve all of them; else 0
  int64_t stagedNumbers;
  int levels;
  size_t sumsSize, stagedSize, placesSize, rowsSize, columnsSize, patchesSize, workerSize;

  explicit Plan(const Convolution&);
  bool partsOfRows() const { return s.ow > piece; }  // each of which is then staged by itself
  int64_t pixel() const { return staged ? s.inputs() : s.c; }  // numbers from one place to the next
  int64_t patch() const { return divideUp(unit, bfloat16Step) * bfloat16Step; }  // numbers from one patch to the next
  int64_t line() const { return (staged ? h.length(std::min(s.ow, piece)) : s.w) * pixel(); }
  int64_t tasks() const { return s.groups * groups * outputParts * runs; }
  size_t totalsSize() const { return runs > 1 ? sumsSize * size_t(tasks()) : 0; }
};

int64_t pieceOf(const Convolution& s, int64_t chunk) {
  if (s.taps() == 1 && s.padTop == 0 && s.padLeft == 0) return sumBlock;  // which copies nothing
  const int64_t wide = std::min(s.strideH, s.kh) * std::min(s.strideW, s.kw);
  return std::clamp(mostStaged / (s.inputs() * wide) / chunk * chunk, chunk, sumBlock);
}

Plan::Plan(const Convolution& whole)
    : product(&bfloat16Product()),
      swapped(whole.pixels() > 0 && pointwise(whole) && whole.k > whole.c),
      s(plain(whole, swapped)),
      piece(pieceOf(s, std::min(product->steps, mostChunk) * bfloat16Step)),
      chunk(std::min(product->steps, mostChunk) * bfloat16Step),
      v(std::min(s.oh, divideUp(piece, s.ow) + 1), s.oh, s.kh, s.strideH, s.dilationH, s.padTop, s.h),
      h(std::min(s.ow, piece), s.ow, s.kw, s.strideW, s.dilationW, s.padLeft, s.w),
      staged(true) {
  const auto lanesOf = [](int64_t columns) { return divideUp(columns, bfloat16Panel / 2) * bfloat16Panel / 2; };
  patched = s.kh > 1 && s.kh <= bfloat16Panel && h.tapStep == 1 && s.kw * s.inputs() < bfloat16Panel && lanesOf(s.taps() * s.inputs()) < s.kh * lanesOf(s.kw * s.inputs());
  staged = patched || !v.inside(s.oh) || !h.inside(s.ow);
  if (!staged) {
    v.step = s.strideH, v.tapStep = s.dilationH;
    h.step = s.strideW, h.tapStep = s.dilationW;
  }
  const bool together = h.tapStep == 1 && pixel() == s.inputs();
  units = patched ? 1 : together ? s.kh : s.taps();
  unit = s.taps() * s.inputs() / units;
  panelsOfUnit = divideUp(unit, bfloat16Panel);
  panels = units * panelsOfUnit;
  blocks = sumBlocks(s.pixels());

  const int64_t wanted = threads() == 1 ? 1 : tasksOfThread * threads();
  outputs = partOf(s.outputs(), std::max(mostOutputs, mostSums / (panels * bfloat16Panel)), product->rows);
  group = partOf(panels, std::max<int64_t>(1, mostSums / (outputs * bfloat16Panel)), 1);
  for (;;) {
    groups = divideUp(panels, group);
    outputParts = divideUp(s.outputs(), outputs);
    const int64_t ranges = s.groups * groups * outputParts;
    for (run = 1; run < blocks && ranges * divideUp(blocks, 2 * run) >= wanted;) run *= 2;
    runs = divideUp(blocks, run);
    const double size = double(group * bfloat16Panel) * double(outputs) * double(s.pixels() / runs);
    if (tasks() >= wanted || size < 2 * leastTask || group == 1) break;
    group = divideUp(group, 2);
  }

  // Where outputs of a row are whole steps, what a kernel row reads is what the one above reads, some steps later.
  const bool alike = units == s.kh && s.kh > 1 && groups == 1 && s.ow % bfloat16Step == 0 && s.oh * s.ow % chunk == 0 && v.tapStep % v.step == 0;
  down = alike && s.ow <= chunk ? v.tapStep / v.step * s.ow / bfloat16Step : 0;
  const auto stripOf = [&](int64_t most) { return divideUp(divideUp(outputs, divideUp(outputs, most)), product->rowUnit) * product->rowUnit; };
  strip = stripOf(product->rows);
  narrowStrip = stripOf(product->narrowRows);
  levels = sumLevels(run);
  const int64_t rowsOfOutputs = divideUp(piece, s.ow) + 1, parts = partsOfRows() ? rowsOfOutputs : divideUp(piece, s.oh * s.ow) + 1;
  stagedNumbers = staged ? (rowsOfOutputs * v.step + parts * v.length(1)) * line() : 0;
  const int64_t rows = divideUp(outputs, product->rowUnit) * product->rowUnit;
  sumsSize = lines(rows * group * bfloat16Panel * 4);
  stagedSize = lines((stagedNumbers + bfloat16Step) * 2);
  patchesSize = patched ? lines((chunk * patch() + bfloat16Step) * 2) : 0;
  placesSize = lines(piece * 8);
  rowsSize = lines(rows * chunk * product->numberBytes);
  columnsSize = lines(bfloat16Panel * (chunk * 2 + down * (s.kh - 1) * 64));
  workerSize = sumsSize * size_t(levels) + stagedSize + placesSize + rowsSize + columnsSize + patchesSize;
}

struct Gradient {
  const Plan& p;
  const Convolution& s;
  const bfloat16 *x, *dy;
  float* dw;
  Prior prior;
  char* totals;  // the sums of all tasks
  char* workers;
  int64_t halves[2 * mostChunk];  // of an arranged row: see Bfloat16Rows

  Gradient(const Plan& p, const bfloat16* x, const bfloat16* dy, float* dw, Prior prior, char* workspace)
      : p(p), s(p.s), x(p.swapped ? dy : x), dy(p.swapped ? x : dy), dw(dw), prior(prior), totals(workspace), workers(workspace + p.totalsSize()) {
    for (int64_t half = 0; half < 2 * mostChunk; ++half) halves[half] = half * bfloat16Step / 2 * p.product->numberBytes;
  }

  // What a task has of dw.
  struct Range {
    int64_t group, output, outputs, first, last;  // of the convolution; output channels of a group, and how many; panels
  };
  Range rangeOf(int64_t index) const {
    const int64_t part = index % p.outputParts, panels = index / p.outputParts % p.groups, output = part * p.outputs;
    return {index / p.outputParts / p.groups, output, std::min(p.outputs, s.outputs() - output), panels * p.group, std::min(p.panels, (panels + 1) * p.group)};
  }
  // What a panel has: columns [column, column + count) of a unit.
  struct Panel {
    int64_t unit, column, count, width;
  };
  Panel panelOf(int64_t index) const {
    const int64_t column = index % p.panelsOfUnit * bfloat16Panel, count = std::min(bfloat16Panel, p.unit - column);
    return {index / p.panelsOfUnit, column, count, count <= bfloat16Panel / 2 ? bfloat16Panel / 2 : bfloat16Panel};
  }
  // From the place of a pixel, or from its patch, to what a panel reads of it.
  int64_t offsetOf(const Panel& panel) const {
    const int64_t a = p.units == s.kh ? panel.unit : panel.unit / s.kw, b = p.units == s.kh ? 0 : panel.unit % s.kw;
    return a * p.v.tapStep * p.line() + b * p.h.tapStep * p.pixel() + panel.column;
  }
  int64_t rowsOf(const Range& r) const { return divideUp(r.outputs, p.product->rowUnit) * p.product->rowUnit; }

  float* total(int64_t range, int64_t run) const { return reinterpret_cast<float*>(totals + size_t(range * p.runs + run) * p.sumsSize); }

  void compute() const {
    parallelFor(p.tasks(), [&](int64_t index, int worker) { task(index / p.runs, index % p.runs, workers + size_t(worker) * p.workerSize); },
                {p.product->enter, p.product->leave});
    if (p.runs == 1) return;
    parallelFor(p.tasks() / p.runs * p.group, [&](int64_t index, int) {
      const int64_t range = index / p.group;
      join(range, rangeOf(range).first + index % p.group);
    });
  }

  struct Scratch {
    bfloat16* staged;
    int64_t* places;
    char *rows, *columns;
    bfloat16* patches;
  };

  void task(int64_t range, int64_t run, char* own) const {
    const Range r = rangeOf(range);
    const auto level = [&](int l) { return l == 0 && p.runs > 1 ? total(range, run) : reinterpret_cast<float*>(own + size_t(l) * p.sumsSize); };
    char* const staged = own + size_t(p.levels) * p.sumsSize;
    char* const places = staged + p.stagedSize;
    char* const rows = places + p.placesSize;
    const Scratch c = {reinterpret_cast<bfloat16*>(staged), reinterpret_cast<int64_t*>(places), rows, rows + p.rowsSize,
                       reinterpret_cast<bfloat16*>(rows + p.rowsSize + p.columnsSize)};
    const int64_t first = run * p.run;
    addBlocks(
        std::min(p.run, p.blocks - first),
        [&](int64_t block, int l) {
          const int64_t from = (first + block) * sumBlock, to = p.blocks == 1 ? s.pixels() : std::min(s.pixels(), from + sumBlock);
          if (from == to) std::memset(level(l), 0, p.sumsSize);
          for (int64_t k = from; k < to; k += p.piece) {
            const int64_t count = std::min(p.piece, to - k);
            const bfloat16* const data = place(r, k, count, c);
            for (int64_t at = 0; at < count; at += p.chunk) multiply(r, k + at, std::min(p.chunk, count - at), data, c.places + at, c, level(l), k + at > from);
          }
        },
        [&](int l) { kernelsOf<float>().accumulate(level(l), level(l + 1), int64_t(p.sumsSize / 4)); });
    for (int64_t index = r.first; p.runs == 1 && index < r.last; ++index) finish(r, index, level(0));
  }

  // Adds pixels [k, k + count) to the sums.
  void multiply(const Range& r, int64_t k, int64_t count, const bfloat16* data, const int64_t* places, const Scratch& c, float* sums, bool onward) const {
    const int64_t steps = divideUp(count, bfloat16Step), rows = rowsOf(r), row = steps * bfloat16Step * p.product->numberBytes;
    for (int64_t i = 0; i < r.outputs; i += mostBfloat16Rows) {
      const bfloat16* const from = dy + k * s.k + r.group * s.outputs() + r.output + i;
      p.product->packRows({from, 1, s.k, false}, std::min(mostBfloat16Rows, r.outputs - i), count, c.rows + i * row);
    }
    if (p.patched) {
      gather(k, count, data, places, c.patches);
      data = c.patches;
      places = nullptr;
    }
    const auto products = [&](int64_t index, int64_t into) {
      const FlushDenormals flush;
      const Panel panel = panelOf(index);
      const int64_t strip = panel.width < bfloat16Panel ? p.narrowStrip : p.strip;
      float* const to = sums + (index - r.first) * rows * bfloat16Panel;
      for (int64_t i = 0; i < r.outputs; i += strip)
        p.product->multiply(std::min(strip, r.outputs - i), panel.width, steps, {c.rows + i * row, row, halves}, c.columns + into * panel.width * 64,
                            to + i * panel.width, panel.width, onward);
    };
    for (int64_t index = r.first; index < (p.down > 0 ? p.panelsOfUnit : r.last); ++index) {
      pack(index, count, data, places, c.columns);
      for (int64_t a = 0; a < (p.down > 0 ? s.kh : 1); ++a) products(index + a * p.panelsOfUnit, a * p.down);
    }
  }

  // The steps of a panel and, where they serve all kernel rows, those of the lines below.
  void pack(int64_t index, int64_t count, const bfloat16* data, const int64_t* places, char* to) const {
    const Panel panel = panelOf(index);
    const bfloat16* const from = data + offsetOf(panel);
    const auto step = [&](const Bfloat16Block& block, int64_t numbers) {
      p.product->packColumns(block, panel.count, panel.width, numbers, to);
      to += panel.width * 64;
    };
    for (int64_t at = 0; at < count; at += bfloat16Step)
      step({places ? from : from + at * p.patch(), 1, p.patch(), false, places ? places + at : nullptr}, std::min(bfloat16Step, count - at));
    for (int64_t below = 1; below <= p.down * (s.kh - 1) * bfloat16Step / s.ow; ++below)
      for (int64_t at = count - s.ow; at < count; at += bfloat16Step) step({from + below * p.v.step * p.line(), 1, 0, false, places + at}, bfloat16Step);
  }

  void gather(int64_t k, int64_t count, const bfloat16* data, const int64_t* places, bfloat16* to) const {
    int64_t pieces[bfloat16Panel];
    for (int64_t a = 0; a < s.kh; ++a) pieces[a] = a * p.v.tapStep * p.line();
    for (int64_t at = 0, length; at < count; at += length) {
      length = std::min(s.ow - (k + at) % s.ow, count - at);
      kernels().bf16.gatherPieces(to + at * p.patch(), p.patch(), data + places[at], p.h.step * p.pixel(), length, pieces, s.kh, s.kw * s.inputs());
    }
  }

  // The places of what tap 0 of pixels [k, k + count) reads, from what comes back: x, or what is staged of it.
  const bfloat16* place(const Range& r, int64_t k, int64_t count, const Scratch& c) const {
    const int64_t channel = r.group * s.inputs(), first = k / (s.oh * s.ow), step = p.h.step * p.pixel();
    int64_t at = 0;
    for (int64_t done = 0; done < count;) {
      const int64_t position = k + done, image = position / (s.oh * s.ow), i0 = position / s.ow % s.oh;
      const int64_t j0 = p.partsOfRows() ? position % s.ow : 0, columns = p.partsOfRows() ? std::min(s.ow - j0, count - done) : s.ow;
      int64_t i = i0;
      do {
        const int64_t j = (k + done) % s.ow;
        const int64_t row = p.staged ? at + (i - i0) * p.v.step * p.line() - j0 * step : (((image - first) * s.h + i * s.strideH) * s.w) * s.c;
        int64_t length = std::min(s.ow - j, count - done);
        for (int64_t at = row + j * step; length > 0; --length, at += step) c.places[done++] = at;
        ++i;
      } while (!p.partsOfRows() && i < s.oh && done < count);
      if (!p.staged) continue;
      stage(image, i0, p.v.length(i - i0), j0, p.h.length(columns), channel, c.staged + at);
      at += std::max(p.v.length(i - i0), (i - i0) * p.v.step) * p.line();
    }
    return p.staged ? c.staged : x + first * s.h * s.w * s.c + channel;
  }

  // to[rows][columns][channels of a group] from the place of output (i, j) on.
  void stage(int64_t image, int64_t i, int64_t rows, int64_t j, int64_t columns, int64_t channel, bfloat16* to) const {
    const int64_t inputs = s.inputs();
    const auto copy = [&](const bfloat16* from, int64_t count, bfloat16* place) {
      if (inputs == s.c) std::memcpy(place, from, size_t(count * inputs) * 2);
      else for (int64_t q = 0; q < count; ++q) std::memcpy(place + q * inputs, from + q * s.c, size_t(inputs) * 2);
    };
    for (int64_t row = 0; row < rows; ++row, to += p.line()) {
      const int64_t y = p.v.source(i, row);
      if (y < 0 || y >= s.h) {
        std::memset(to, 0, size_t(columns * inputs) * 2);
        continue;
      }
      const bfloat16* const line = x + (image * s.h + y) * s.w * s.c + channel;
      if (p.h.apart()) {
        for (int64_t q = 0; q < columns; ++q) {
          const int64_t at = p.h.source(j, q);
          if (at >= 0 && at < s.w) copy(line + at * s.c, 1, to + q * inputs);
          else std::memset(to + q * inputs, 0, size_t(inputs) * 2);
        }
        continue;
      }
      const int64_t first = p.h.source(j, 0), begin = std::clamp<int64_t>(-first, 0, columns), end = std::clamp<int64_t>(s.w - first, begin, columns);
      std::memset(to, 0, size_t(begin * inputs) * 2);
      copy(line + (first + begin) * s.c, end - begin, to + begin * inputs);
      std::memset(to + end * inputs, 0, size_t((columns - end) * inputs) * 2);
    }
  }

  // Adds the runs of a panel by the tree of neighbours.
  void join(int64_t range, int64_t index) const {
    const Range r = rangeOf(range);
    if (index >= r.last) return;
    const int64_t rows = rowsOf(r), first = (index - r.first) * rows * bfloat16Panel, count = rows * panelOf(index).width;
    for (int64_t apart = 1; apart < p.runs; apart *= 2)
      for (int64_t run = 0; run + apart < p.runs; run += 2 * apart)
        kernelsOf<float>().accumulate(total(range, run) + first, total(range, run + apart) + first, count);
    finish(r, index, total(range, 0));
  }

  // Stores the sums of a panel.
  void finish(const Range& r, int64_t index, const float* sums) const {
    const Panel panel = panelOf(index);
    sums += (index - r.first) * rowsOf(r) * bfloat16Panel;
    Epilogue<float> epilogue;
    epilogue.prior = prior;
    const int64_t output = r.group * s.outputs() + r.output, column = panel.unit * p.unit + panel.column;
    if (p.swapped) {
      float* const to = dw + r.output * s.c + r.group * s.inputs() + column;
      return kernelsOf<float>().gemmFinish(r.outputs, panel.count, sums, panel.width, nullptr, 0, to, s.c, epilogue);
    }
    alignas(64) float turned[bfloat16Panel * mostOutputs];
    for (int64_t i = 0; i < r.outputs; i += mostOutputs) {
      const int64_t n = std::min(mostOutputs, r.outputs - i);
      kernelsOf<float>().transposeBlock(n, panel.count, sums + i * panel.width, panel.width, turned, n);
      kernelsOf<float>().gemmFinish(panel.count, n, turned, n, nullptr, 0, dw + column * s.k + output + i, s.k, epilogue);
    }
  }
};

}  // namespace

size_t weightGradientWorkspace(const Convolution& s) {
  const Plan p(s);
  return p.totalsSize() + p.workerSize * size_t(threads()) + 64;
}
void weightGradient(const Convolution& s, const bfloat16* x, const bfloat16* dy, float* dw, Prior prior, void* workspace) {
  const Plan p(s);
  Gradient(p, x, dy, dw, prior, aligned<char>(workspace)).compute();
}

}  // namespace nodegrad::bfloat16Convolution
