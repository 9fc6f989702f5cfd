// Patches of images: which taps each output of a convolution, or of a part of its input gradient, reads, and copies of them as rows.
#pragma once
#include <algorithm>
#include <cstring>

#include "../kernels/table.h"
#include "convolution.h"

namespace nodegrad {

inline int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One axis: position p and tap t read p·step + first + t·tapStep of the source, zero outside of [0, size). Position p is the
// output toFirst + p·toStep, tap t the kernel's tapFirst + t·tapEvery.
struct Axis {
  int64_t positions, taps, step, first, tapStep, size, toFirst, toStep, toSize, tapFirst, tapEvery;
  int64_t source(int64_t p, int64_t t) const { return p * step + first + t * tapStep; }
  // The positions [begin, end) whose `width` neighbours from tap t on are all inside.
  int64_t begin(int64_t t) const { return std::clamp<int64_t>(divideUp(std::max<int64_t>(0, -(first + t * tapStep)), step), 0, positions); }
  int64_t end(int64_t t, int64_t width) const {
    const int64_t room = size - width - first - t * tapStep;
    return room < 0 ? 0 : std::min(positions, room / step + 1);
  }
};

// What a convolution or a part of its input gradient reads: a row of patches for each of its positions.
struct Phase {
  Axis v, h;
  int64_t channels, group;  // of the source: all, and those of a group
  bool rowwise() const { return h.tapStep == 1 && group == channels; }  // the taps of a kernel row are neighbours
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

// Columns [k0, k1) of the patches of positions [begin, begin + count): to[count, k1 − k0], rows toRow apart.
template <class T> void gather(const Phase& p, const T* source, int64_t begin, int64_t count, int64_t k0, int64_t k1, T* to, int64_t toRow) {
  const Kernels<T>& kernels = kernelsOf<T>();
  if (k0 == k1) return;
  const int64_t wide = p.rowwise() ? p.h.taps : 1, piece = wide * p.group, pieces = p.h.taps / wide, row = pieces * piece;
  stretches(p, begin, count, [&](int64_t n, int64_t i, int64_t j, int64_t here, int64_t done) {
    for (int64_t a = k0 / row; a * row < k1; ++a) {
      const int64_t y = p.v.source(i, a);
      const bool inside = y >= 0 && y < p.v.size;
      const T* const line = source + (n * p.v.size + y) * p.h.size * p.channels;
      for (int64_t b = std::max<int64_t>(0, k0 - a * row) / piece; b < pieces && a * row + b * piece < k1; ++b) {
        const int64_t at = a * row + b * piece, low = std::max<int64_t>(0, k0 - at), high = std::min(piece, k1 - at);
        T* const out = to + done * toRow + at + low - k0;
        if (!inside) { clear(out, toRow, here, high - low); continue; }
        // Positions before `left` and from `right` on have a piece that is partly outside.
        const int64_t left = std::clamp(p.h.begin(b), j, j + here), right = std::clamp(p.h.end(b, wide), left, j + here);
        const auto edge = [&](int64_t from, int64_t end) {
          for (int64_t q = from; q < end; ++q) {
            const int64_t x = p.h.source(q, b);
            const int64_t first = std::clamp(-std::min<int64_t>(0, x) * p.group, low, high);
            const int64_t last = std::clamp(std::min(wide, p.h.size - std::min(x, p.h.size)) * p.group, first, high);
            T* const o = out + (q - j) * toRow - low;
            std::fill(o + low, o + first, T(0));
            if (last > first) std::memcpy(o + first, line + x * p.channels + first, size_t(last - first) * sizeof(T));
            std::fill(o + last, o + high, T(0));
          }
        };
        edge(j, left);
        if (right > left)
          kernels.copyBlock(right - left, high - low, line + p.h.source(left, b) * p.channels + low, p.h.step * p.channels, out + (left - j) * toRow, toRow);
        edge(right, j + here);
      }
    }
  });
}

}  // namespace nodegrad
