// Images of another size: pixels taken from rows and columns by index (padding, nearest neighbours), and bilinear interpolation.
#include <cstring>

#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"
#include "rows.h"

namespace nodegrad::ops {
namespace {

struct ResampleShape { int64_t n, rowsIn, columnsIn, rowsOut, columnsOut, channels; };
ResampleShape shapeOf(const Call& c) { return {c.ints[0], c.ints[1], c.ints[2], c.ints[3], c.ints[4], c.ints[5]}; }

// Operand `full` is an image of the input's size, `made` one of the output's; operand 2 has `places` indices for each row and column.
const char* checkResample(const Call& c, int full, int made, int64_t places) {
  for (int i = 0; i < 6; ++i)
    if (c.ints[i] < 0 || c.ints[i] > INT32_MAX) return "malformed dimensions";
  const ResampleShape s = shapeOf(c);
  const int64_t images = checkedProduct(s.n, s.channels);
  if (checkedProduct(images, s.rowsIn * s.columnsIn) != c.length(full)) return "the image does not have as many elements as its dimensions say";
  if (checkedProduct(images, s.rowsOut * s.columnsOut) != c.length(made)) return "the new image does not have as many elements as its dimensions say";
  return places * (s.rowsOut + s.columnsOut) == c.length(2) ? nullptr : "not an index for every row and column";
}
Refusal guardPlaces(const Call& c, int64_t places, int32_t least) {
  const ResampleShape s = shapeOf(c);
  const int64_t rows = places * s.rowsOut;
  const Refusal refusal = refuseOutside("row of the image", c.in<int32_t>(2), rows, least, s.rowsIn - 1);
  return refusal.what ? refusal : refuseOutside("column of the image", c.in<int32_t>(2) + rows, places * s.columnsOut, least, s.columnsIn - 1);
}

// ---- take_pixels: y[i, j] = x[rows[i], columns[j]], or a value where one of them is −1 ----

int64_t placeAt(const int32_t* place, int64_t limit) {
  const int64_t at = *static_cast<const volatile int32_t*>(place);
  return at < limit ? at : -1;
}
// body(at, from, length) for stretches of columns that come from neighbours in the same order; `from` is negative for those from nowhere.
template <class F> void forStretches(const int32_t* columns, int64_t out, int64_t in, F body) {
  for (int64_t j = 0; j < out;) {
    const int64_t from = placeAt(columns + j, in);
    int64_t length = 1;
    while (j + length < out && placeAt(columns + j + length, in) == (from < 0 ? from : from + length)) ++length;
    body(j, from, length);
    j += length;
  }
}

void run_take_pixels(const Call& c) {
  if (c.length(0) == 0) return;
  const ResampleShape s = shapeOf(c);
  const int32_t* places = c.in<int32_t>(2);
  const int64_t width = s.columnsOut * s.channels;
  byFloat(c, [&]<class T>() {
    const auto& k = kernelsOf<T>();
    const T value = T(c.reals[0]);
    forRows(s.n, s.rowsOut, width, [&](int64_t n, int64_t i) {
      T* const y = c.out<T>(0) + (n * s.rowsOut + i) * width;
      const int64_t row = placeAt(places + i, s.rowsIn);
      if (row < 0) return k.fill(y, value, width);
      const T* const x = c.in<T>(1) + (n * s.rowsIn + row) * s.columnsIn * s.channels;
      forStretches(places + s.rowsOut, s.columnsOut, s.columnsIn, [&](int64_t at, int64_t from, int64_t length) {
        if (from < 0) k.fill(y + at * s.channels, value, length * s.channels);
        else std::memcpy(y + at * s.channels, x + from * s.channels, size_t(length * s.channels) * sizeof(T));
      });
    });
  });
}
const char* checkTakePixels(const Call& c) { return checkResample(c, 1, 0, 1); }
Refusal guardTakePixels(const Call& c) { return guardPlaces(c, 1, -1); }

// dx of each row from the rows that took it, in their order.
void run_take_pixels_backward(const Call& c) {
  if (c.length(0) == 0) return;
  const ResampleShape s = shapeOf(c);
  const int32_t* places = c.in<int32_t>(2);
  const int64_t width = s.columnsIn * s.channels;
  byFloat(c, [&]<class T>() {
    const auto& k = kernelsOf<T>();
    forRows(s.n, s.rowsIn, width, [&](int64_t n, int64_t row) {
      T* const dx = c.out<T>(0) + (n * s.rowsIn + row) * width;
      k.fill(dx, T(0), width);
      for (int64_t i = 0; i < s.rowsOut; ++i) {
        if (placeAt(places + i, s.rowsIn) != row) continue;
        const T* const dy = c.in<T>(1) + (n * s.rowsOut + i) * s.columnsOut * s.channels;
        forStretches(places + s.rowsOut, s.columnsOut, s.columnsIn, [&](int64_t at, int64_t from, int64_t length) {
          if (from >= 0) k.accumulate(dx + from * s.channels, dy + at * s.channels, length * s.channels);
        });
      }
    });
  });
}
const char* checkTakePixelsBackward(const Call& c) { return checkResample(c, 0, 1, 1); }

// ---- interpolate2d ----

void run_interpolate2d(const Call& c) {
  if (c.length(0) == 0) return;
  const ResampleShape s = shapeOf(c);
  const int32_t* places = c.in<int32_t>(2);
  const int64_t width = s.columnsOut * s.channels, pitch = s.columnsIn * s.channels;
  byFloat(c, [&]<class T>() {
    const T* weights = c.in<T>(3);
    forRows(s.n, s.rowsOut, width, [&](int64_t n, int64_t i) {
      const T* x = c.in<T>(1) + n * s.rowsIn * pitch;
      kernelsOf<T>().interpolateRow(c.out<T>(0) + (n * s.rowsOut + i) * width, x + indexBelow(places + 2 * i, s.rowsIn) * pitch,
                                    x + indexBelow(places + 2 * i + 1, s.rowsIn) * pitch, weights[2 * i], weights[2 * i + 1],
                                    places + 2 * s.rowsOut, weights + 2 * s.rowsOut, s.columnsOut, s.columnsIn, s.channels);
    });
  });
}
const char* checkWeights(const Call& c) { return c.length(2) == c.length(3) ? nullptr : "indices and weights of different lengths"; }
const char* checkInterpolate(const Call& c) {
  if (const char* problem = checkWeights(c)) return problem;
  if (c.length(0) > 0 && c.length(1) == 0) return "pixels of an empty image";
  return checkResample(c, 1, 0, 2);
}
Refusal guardInterpolate(const Call& c) { return c.length(0) == 0 ? Refusal{} : guardPlaces(c, 2, 0); }

void run_interpolate2d_backward(const Call& c) {
  if (c.length(0) == 0) return;
  const ResampleShape s = shapeOf(c);
  const int32_t* places = c.in<int32_t>(2);
  const int64_t width = s.columnsIn * s.channels;
  byFloat(c, [&]<class T>() {
    const auto& k = kernelsOf<T>();
    const T* weights = c.in<T>(3);
    forRows(s.n, s.rowsIn, width, [&](int64_t n, int64_t row) {
      T* const dx = c.out<T>(0) + (n * s.rowsIn + row) * width;
      k.fill(dx, T(0), width);
      for (int64_t tap = 0; tap < 2 * s.rowsOut; ++tap)
        if (indexBelow(places + tap, s.rowsIn) == row)
          k.interpolateRowBackward(dx, c.in<T>(1) + (n * s.rowsOut + tap / 2) * s.columnsOut * s.channels, weights[tap],
                                   places + 2 * s.rowsOut, weights + 2 * s.rowsOut, s.columnsOut, s.columnsIn, s.channels);
    });
  });
}
const char* checkInterpolateBackward(const Call& c) {
  if (const char* problem = checkWeights(c)) return problem;
  return checkResample(c, 0, 1, 2);
}

}  // namespace

extern const OpFunctions op_take_pixels = {run_take_pixels, checkTakePixels, nullptr, guardTakePixels, 2};
extern const OpFunctions op_take_pixels_backward = {run_take_pixels_backward, checkTakePixelsBackward, nullptr, guardTakePixels, 2};
extern const OpFunctions op_interpolate2d = {run_interpolate2d, checkInterpolate, nullptr, guardInterpolate, 2};
extern const OpFunctions op_interpolate2d_backward = {run_interpolate2d_backward, checkInterpolateBackward, nullptr, guardInterpolate, 2};

}  // namespace nodegrad::ops
