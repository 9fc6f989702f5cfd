// What each output of a convolution, or of a part of its input gradient, reads, and windows of it; the blocks of long sums.
#pragma once
#include <algorithm>
#include <cstring>

#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "convolution.h"
#include "gemm.h"
#include "workspace.h"

namespace nodegrad {

// Blocks of a long sum, added by the tree of neighbours that gemm.h defines. compute(block, l) leaves the sum of a block in partial
// sum l, add(l) adds partial sum l + 1 to l; the total ends in 0. Level l holds 2ˡ blocks, like the digits of a binary counter.
inline int64_t sumBlocks(int64_t k) { return k > unblocked ? divideUp(k, sumBlock) : 1; }
inline int sumLevels(int64_t blocks) {
  int levels = 1;
  for (int64_t left = blocks; left > 1; left >>= 1) ++levels;
  return levels;
}
template <class F, class A> void addBlocks(int64_t blocks, F&& compute, A&& add) {
  int top = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    compute(block, top++);
    for (int64_t bits = block; bits & 1; bits >>= 1) add(--top - 1);
  }
  while (top > 1) add(--top - 1);
}

// One axis: position p and tap t read p·step + first + t·tapStep of the source, zero outside of [0, size). Position p is the
// output toFirst + p·toStep, tap t the kernel's tapFirst + t·tapEvery.
struct Axis {
  int64_t positions, taps, step, first, tapStep, size, toFirst, toStep, toSize, tapFirst, tapEvery;
  int64_t source(int64_t p, int64_t t) const { return p * step + first + t * tapStep; }
  // The positions [begin, end) whose tap t is inside.
  int64_t begin(int64_t t) const { return std::clamp<int64_t>(divideUp(std::max<int64_t>(0, -(first + t * tapStep)), step), 0, positions); }
  int64_t end(int64_t t) const {
    const int64_t room = size - 1 - first - t * tapStep;
    return room < 0 ? 0 : std::min(positions, room / step + 1);
  }
};

// What a convolution or a part of its input gradient reads.
struct Phase {
  Axis v, h;
  int64_t channels, group;  // of the source: all, and those of a group
  int64_t width() const { return v.taps * h.taps * group; }
  int64_t area() const { return v.positions * h.positions; }
};

inline Axis forwardAxis(int64_t size, int64_t out, int64_t taps, int64_t stride, int64_t pad, int64_t dilation) {
  return {out, taps, stride, -pad, dilation, size, 0, 1, out, 0, 1};
}
// The inputs i ≡ phase (mod stride): tap a reaches them where i + pad − a·dilation is a multiple of the stride.
inline Axis backwardAxis(int64_t size, int64_t out, int64_t taps, int64_t stride, int64_t pad, int64_t dilation, int64_t phase) {
  int64_t first = 0, every = 1;
  while (every < stride && every * dilation % stride != 0) ++every;
  while (first < every && (phase + pad - first * dilation) % stride != 0) ++first;
  const int64_t count = first < every && first < taps ? divideUp(taps - first, every) : 0;
  return {size > phase ? divideUp(size - phase, stride) : 0, count, 1, (phase + pad - first * dilation) / stride, -(every * dilation / stride), out,
          phase, stride, size, first, every};
}
inline Phase forwardPhase(const Convolution& s) {
  return {forwardAxis(s.h, s.oh, s.kh, s.strideH, s.padTop, s.dilationH), forwardAxis(s.w, s.ow, s.kw, s.strideW, s.padLeft, s.dilationW), s.c, s.inputs()};
}
inline Phase backwardPhase(const Convolution& s, int64_t index) {
  return {backwardAxis(s.h, s.oh, s.kh, s.strideH, s.padTop, s.dilationH, index / s.strideW),
          backwardAxis(s.w, s.ow, s.kw, s.strideW, s.padLeft, s.dilationW, index % s.strideW), s.k, s.outputs()};
}

// A convolution is one phase, an input gradient strideH · strideW of them.
inline bool fewPhases(const Convolution& s) {
  constexpr int64_t most = 64;
  return s.strideH <= most && s.strideW <= most && s.strideH * s.strideW <= most;
}
inline int64_t phasesOf(const Convolution& s, bool backward) { return backward ? s.strideH * s.strideW : 1; }
inline Phase phaseOf(const Convolution& s, bool backward, int64_t index) { return backward ? backwardPhase(s, index) : forwardPhase(s); }

// Calls body(image, i, j, count, at): the stretches of neighbouring positions in [begin, begin + count), `at` positions after begin.
template <class F> void stretches(const Phase& p, int64_t begin, int64_t count, F&& body) {
  for (int64_t done = 0; done < count;) {
    const int64_t position = begin + done, inside = position % p.area(), j = inside % p.h.positions;
    const int64_t here = std::min(count - done, p.h.positions - j);
    body(position / p.area(), inside / p.h.positions, j, here, done);
    done += here;
  }
}

template <class T> void clear(T* to, int64_t toRow, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) std::fill_n(to + i * toRow, columns, T(0));
}

// Columns [first, first + columns) of the source, outside ones included: what a row of positions reads.
struct Span {
  int64_t first, columns;
};
inline Span spanOf(const Convolution& s, bool backward) {
  int64_t low = 0, high = 1;
  for (int64_t i = 0; i < phasesOf(s, backward); ++i) {
    const Axis h = phaseOf(s, backward, i).h;
    if (h.taps == 0 || h.positions == 0) continue;
    low = std::min({low, h.source(0, 0), h.source(0, h.taps - 1)});
    high = std::max({high, h.source(h.positions - 1, 0) + 1, h.source(h.positions - 1, h.taps - 1) + 1});
  }
  return {low, high - low};
}

// A block of rows that may be shorter than a vector, whose masked stores are slow on some processors.
template <int columns, class T> void copyShort(int64_t rows, const T* from, int64_t fromRow, T* to, int64_t toRow) {
  for (int64_t i = 0; i < rows; ++i) std::memcpy(to + i * toRow, from + i * fromRow, columns * sizeof(T));
}
template <class T> void copyRows(int64_t rows, int64_t columns, const T* from, int64_t fromRow, T* to, int64_t toRow) {
  if (columns >= 32) return kernelsOf<T>().copyBlock(rows, columns, from, fromRow, to, toRow);
  int64_t j = 0;
  for (; j + 8 <= columns; j += 8) copyShort<8>(rows, from + j, fromRow, to + j, toRow);
  if (columns & 4) { copyShort<4>(rows, from + j, fromRow, to + j, toRow); j += 4; }
  if (columns & 2) { copyShort<2>(rows, from + j, fromRow, to + j, toRow); j += 2; }
  if (columns & 1) copyShort<1>(rows, from + j, fromRow, to + j, toRow);
}

// A line of a window has a pixel of `step` elements for each column of the span: zeros left and right of the source, and between them
// `channels` elements of each pixel of a row; zeros where there is no row.
inline int64_t leftOf(const Span& span) { return std::min(span.columns, -span.first); }
inline int64_t insideOf(const Span& span, int64_t size) { return std::clamp<int64_t>(size, 0, span.columns - leftOf(span)); }
template <class T> void clearSides(const Span& span, int64_t size, T* line, int64_t step) {
  const int64_t right = leftOf(span) + insideOf(span, size);
  std::fill_n(line, leftOf(span) * step, T(0));
  std::fill_n(line + right * step, (span.columns - right) * step, T(0));
}
template <class T> void copyRow(const Span& span, const Phase& f, int64_t channels, const T* row, T* line, int64_t step) {
  const int64_t inside = insideOf(span, f.h.size);
  T* const to = line + leftOf(span) * step;
  if (!row) clear(to, step, inside, channels);
  else if (step == channels && channels == f.channels) std::memcpy(to, row, size_t(inside * step) * sizeof(T));
  else copyRows(inside, channels, row, f.channels, to, step);
}

// Weights as matrices of `panel` columns: to[groups][phases][panels][k of the phase][columns of the panel].
template <class T> void packWeights(const Convolution& s, bool backward, int64_t panel, const T* w, T* to) {
  const int64_t in = s.inputs(), out = s.outputs(), outputs = backward ? in : out, panels = divideUp(outputs, panel);
  parallelFor(s.groups * panels * s.taps(), [&](int64_t index, int) {
    const int64_t g = index / (panels * s.taps()), j = index / s.taps() % panels * panel, tap = index % s.taps(), n = std::min(panel, outputs - j);
    T* const base = to + g * s.taps() * in * out;
    if (!backward) return kernelsOf<T>().copyBlock(in, n, w + tap * in * s.k + g * out + j, s.k, base + j * s.taps() * in + tap * in * n, n);
    int64_t before = 0;
    for (int64_t i = 0; i < phasesOf(s, true); ++i) {
      const Phase f = backwardPhase(s, i);
      const int64_t a = tap / s.kw - f.v.tapFirst, b = tap % s.kw - f.h.tapFirst;
      const bool mine = f.width() > 0 && a >= 0 && b >= 0 && a % f.v.tapEvery == 0 && b % f.h.tapEvery == 0;
      if (mine) {
        const int64_t at = (a / f.v.tapEvery * f.h.taps + b / f.h.tapEvery) * out;
        kernelsOf<T>().transposeBlock(n, out, w + (tap * in + j) * s.k + g * out, s.k, base + before * in + f.width() * j + at * n, n);
      }
      before += f.width();
    }
  });
}

}  // namespace nodegrad
