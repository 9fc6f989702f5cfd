// Pooling over windows of images [n, rows, columns, channels]: maxima, means, and windows that share out the whole image.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"
#include "rows.h"
#include "stored.h"

namespace nodegrad::ops {
namespace {

constexpr int mostTaps = 256;  // a tap is a byte

PoolShape shapeOf(const Call& c) {
  const auto axis = [&](int i) { return PoolAxis{c.ints[i], c.ints[i + 1], c.ints[i + 2], c.ints[i + 3], c.ints[i + 4], c.ints[i + 5]}; };
  return {axis(1), axis(7), c.ints[13]};
}

const char* checkAxis(const PoolAxis& a) {
  constexpr int64_t most = INT32_MAX;
  if (a.in < 0 || a.in > most || a.out < 0 || a.out > most) return "malformed dimensions";
  if (a.kernel < 1 || a.kernel > most || a.stride < 1 || a.stride > most || a.dilation < 1 || a.dilation > most) return "malformed windows";
  if (a.padding < 0 || a.padding > (a.kernel - 1) * a.dilation) return "windows in the padding alone";
  // The last window begins inside, or in the padding before.
  if (a.out > 0 && (a.out - 1) * a.stride >= a.in + a.padding) return "windows beyond the input";
  return nullptr;
}
// Operand `full` is an image of the input's size, `pooled` one of the output's.
const char* checkPool(const Call& c, int full, int pooled) {
  const PoolShape s = shapeOf(c);
  if (const char* problem = checkAxis(s.rows)) return problem;
  if (const char* problem = checkAxis(s.columns)) return problem;
  const auto elements = [&](int64_t rows, int64_t columns) {
    return checkedProduct(checkedProduct(c.ints[0], s.channels), checkedProduct(rows, columns));
  };
  if (elements(s.rows.in, s.columns.in) != c.length(full)) return "the image does not have as many elements as its dimensions say";
  if (elements(s.rows.out, s.columns.out) != c.length(pooled)) return "the pooled image does not have as many elements as its dimensions say";
  return nullptr;
}

// ---- max_pool2d ----

void run_max_pool2d(const Call& c) {
  if (c.length(0) == 0) return;
  const PoolShape s = shapeOf(c);
  const int64_t image = s.rows.in * s.columns.in * s.channels, pooledRow = s.columns.out * s.channels;
  byStored(c, [&]<class S>() {
    forRows(c.ints[0], s.rows.out, image / s.rows.out, [&](int64_t n, int64_t row) {
      const int64_t at = (n * s.rows.out + row) * pooledRow;
      storedKernels<S>().maxPoolRow(c.out<S>(0) + at, c.out<uint8_t>(1) + at, c.in<S>(2) + n * image, s, row);
    });
  });
}
const char* checkTaps(const Call& c) {
  const int64_t taps = checkedProduct(c.ints[3], c.ints[9]);
  return taps < 1 || taps > mostTaps ? "a window of more than 256 taps" : nullptr;
}
const char* checkMaxPool(const Call& c) {
  if (const char* problem = checkTaps(c)) return problem;
  if (c.length(0) != c.length(1)) return "values and taps of different lengths";
  return checkPool(c, 2, 0);
}

// With the backward of a ReLU before the pooling, dx goes back through it by its output, in the same pass.
void run_max_pool2d_backward(const Call& c) {
  if (c.length(0) == 0) return;
  const PoolShape s = shapeOf(c);
  const int64_t row = s.columns.in * s.channels, pooled = s.rows.out * s.columns.out * s.channels;
  byStored(c, [&]<class S>() {
    const bool streaming = c.length(0) * int64_t(sizeof(S)) > streamingBytes;
    forRows(c.ints[0], s.rows.in, row, [&](int64_t n, int64_t i) {
      const int64_t at = (n * s.rows.in + i) * row;
      storedKernels<S>().maxPoolBackwardRow(c.out<S>(0) + at, c.in<S>(1) + n * pooled, c.in<uint8_t>(2) + n * pooled,
                                            c.fused.y < 0 ? nullptr : c.in<S>(c.fused.y) + at, s, i, streaming);
      if (streaming) kernelsOf<float>().fence();
    });
  });
}
const char* checkMaxPoolBackward(const Call& c) {
  if (const char* problem = checkTaps(c)) return problem;
  if (c.length(1) != c.length(2)) return "gradients and taps of different lengths";
  if (c.fused.y >= 0 && c.length(c.fused.y) != c.length(0)) return "operands of different lengths";
  if (c.fused.y >= 0 && OpCode(c.fused.map) != OpCode::relu_backward) return "it goes back through ReLU only";
  return checkPool(c, 0, 1);
}

// ---- avg_pool2d ----

void run_avg_pool2d(const Call& c) {
  if (c.length(0) == 0) return;
  const PoolShape s = shapeOf(c);
  const int64_t image = s.rows.in * s.columns.in * s.channels, pooledRow = s.columns.out * s.channels;
  byStored(c, [&]<class S>() {
    using T = Arithmetic<S>;
    forRows(c.ints[0], s.rows.out, image / s.rows.out, [&](int64_t n, int64_t row) {
      storedKernels<S>().avgPoolRow(c.out<S>(0) + (n * s.rows.out + row) * pooledRow, c.in<S>(1) + n * image, s, row, c.ints[14] != 0, T(c.reals[0]));
    });
  });
}
const char* checkAverage(const Call& c, int full, int pooled) {
  if (c.ints[6] != 1 || c.ints[12] != 1) return "windows of a mean have no dilation";
  return checkPool(c, full, pooled);
}
const char* checkAvgPool(const Call& c) { return checkAverage(c, 1, 0); }

// Shares of dy go to the workspace first: where windows overlap, each would be divided many times.
void run_avg_pool2d_backward(const Call& c) {
  if (c.length(0) == 0) return;
  const PoolShape s = shapeOf(c);
  const int64_t row = s.columns.in * s.channels, pooledRow = s.columns.out * s.channels;
  byStored(c, [&]<class S>() {
    using T = Arithmetic<S>;
    T* const shares = static_cast<T*>(c.workspace);
    forRows(c.ints[0], s.rows.out, pooledRow, [&](int64_t n, int64_t o) {
      const int64_t at = (n * s.rows.out + o) * pooledRow;
      storedKernels<S>().avgPoolDivideRow(shares + at, c.in<S>(1) + at, s, o, c.ints[14] != 0, T(c.reals[0]));
    });
    forRows(c.ints[0], s.rows.in, row, [&](int64_t n, int64_t i) {
      storedKernels<S>().avgPoolBackwardRow(c.out<S>(0) + (n * s.rows.in + i) * row, shares + n * s.rows.out * pooledRow, s, i);
    });
  });
}
const char* checkAvgPoolBackward(const Call& c) { return checkAverage(c, 0, 1); }
size_t sharesWorkspace(const Call& c) { return size_t(c.length(1) * dtypeSize(c.dtype)); }

// ---- adaptive_avg_pool2d: window o covers [⌊o·in/out⌋, ⌈(o+1)·in/out⌉) ----

struct Shared {
  int64_t in, out;
  int64_t begin(int64_t o) const { return o * in / out; }
  int64_t end(int64_t o) const { return ((o + 1) * in + out - 1) / out; }
  // Windows [first, last) cover place i.
  int64_t first(int64_t i) const { return i * out / in; }
  int64_t last(int64_t i) const { return ((i + 1) * out + in - 1) / in; }
};
struct AdaptiveShape { int64_t n; Shared rows, columns; int64_t channels; };
AdaptiveShape adaptiveOf(const Call& c) { return {c.ints[0], {c.ints[1], c.ints[3]}, {c.ints[2], c.ints[4]}, c.ints[5]}; }

constexpr int64_t channelTile = 256;

// A tile is one window and some channels: there are few windows.
void run_adaptive_avg_pool2d(const Call& c) {
  if (c.length(0) == 0) return;
  const AdaptiveShape s = adaptiveOf(c);
  const int64_t pitch = s.columns.in * s.channels, parts = tilesOf(s.channels, channelTile);
  byStored(c, [&]<class S>() {
    parallelFor(s.n * s.rows.out * s.columns.out * parts, [&](int64_t tile, int) {
      const int64_t j = tile % parts * channelTile, o = tile / parts, q = o % s.columns.out, r = o / s.columns.out % s.rows.out;
      const int64_t top = s.rows.begin(r), left = s.columns.begin(q), rows = s.rows.end(r) - top, columns = s.columns.end(q) - left;
      const S* x = c.in<S>(1) + (o / s.columns.out / s.rows.out * s.rows.in + top) * pitch + left * s.channels + j;
      storedKernels<S>().windowMean(c.out<S>(0) + o * s.channels + j, x, pitch, s.channels, rows, columns, Arithmetic<S>(rows * columns),
                                s.channels - j < channelTile ? s.channels - j : channelTile);
    });
  });
}
const char* checkAdaptive(const Call& c, int full, int pooled) {
  const int64_t images = checkedProduct(c.ints[0], c.ints[5]);
  for (int i = 1; i < 5; ++i)
    if (c.ints[i] < 0 || c.ints[i] > INT32_MAX) return "malformed dimensions";
  if (checkedProduct(images, c.ints[1] * c.ints[2]) != c.length(full)) return "the image does not have as many elements as its dimensions say";
  if (checkedProduct(images, c.ints[3] * c.ints[4]) != c.length(pooled)) return "the pooled image does not have as many elements as its dimensions say";
  if (c.length(pooled) > 0 && c.length(full) == 0) return "windows of an empty image";
  return nullptr;
}
const char* checkAdaptiveAvgPool(const Call& c) { return checkAdaptive(c, 1, 0); }

void run_adaptive_avg_pool2d_backward(const Call& c) {
  if (c.length(0) == 0) return;
  const AdaptiveShape s = adaptiveOf(c);
  byStored(c, [&]<class S>() {
    using T = Arithmetic<S>;
    T* const shares = static_cast<T*>(c.workspace);
    forRows(s.n, s.rows.out, s.columns.out * s.channels, [&](int64_t n, int64_t r) {
      for (int64_t q = 0; q < s.columns.out; ++q) {
        const int64_t at = ((n * s.rows.out + r) * s.columns.out + q) * s.channels;
        const int64_t covered = (s.rows.end(r) - s.rows.begin(r)) * (s.columns.end(q) - s.columns.begin(q));
        storedKernels<S>().windowShare(shares + at, c.in<S>(1) + at, T(covered), s.channels);
      }
    });
    const int64_t pitch = s.columns.out * s.channels;
    forRows(s.n, s.rows.in, s.columns.in * s.channels, [&](int64_t n, int64_t i) {
      const int64_t r = s.rows.first(i), rows = s.rows.last(i) - r;
      for (int64_t j = 0; j < s.columns.in; ++j) {
        const int64_t q = s.columns.first(j), columns = s.columns.last(j) - q;
        storedKernels<S>().windowSum(c.out<S>(0) + ((n * s.rows.in + i) * s.columns.in + j) * s.channels,
                                     shares + (n * s.rows.out + r) * pitch + q * s.channels, pitch, s.channels, rows, columns, s.channels);
      }
    });
  });
}
const char* checkAdaptiveAvgPoolBackward(const Call& c) { return checkAdaptive(c, 0, 1); }

}  // namespace

extern const OpFunctions op_max_pool2d = {run_max_pool2d, checkMaxPool};
extern const OpFunctions op_max_pool2d_backward = {run_max_pool2d_backward, checkMaxPoolBackward};
extern const OpFunctions op_avg_pool2d = {run_avg_pool2d, checkAvgPool};
extern const OpFunctions op_avg_pool2d_backward = {run_avg_pool2d_backward, checkAvgPoolBackward, sharesWorkspace};
extern const OpFunctions op_adaptive_avg_pool2d = {run_adaptive_avg_pool2d, checkAdaptiveAvgPool};
extern const OpFunctions op_adaptive_avg_pool2d_backward = {run_adaptive_avg_pool2d_backward, checkAdaptiveAvgPoolBackward, sharesWorkspace};

}  // namespace nodegrad::ops
