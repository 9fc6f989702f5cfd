// Maxima over windows that an operand places: adaptive and fractional pooling of images [n, rows, columns, channels].
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"
#include "rows.h"

namespace nodegrad::ops {
namespace {

struct WindowShape { int64_t n, rowsIn, columnsIn, rowsOut, columnsOut, channels, sets; };
WindowShape shapeOf(const Call& c) { return {c.ints[0], c.ints[1], c.ints[2], c.ints[3], c.ints[4], c.ints[5], c.ints[6]}; }

// [begin, end) of a window along one axis.
struct Span { int64_t begin, end; };
Span spanAt(const int32_t* pair, int64_t in) {
  const int64_t begin = indexBelow(pair, in), end = indexBelow(pair + 1, in + 1);
  return {begin, end > begin ? end : begin + 1};
}
const int32_t* windowsOf(const Call& c, int operand, const WindowShape& s, int64_t image) {
  return c.in<int32_t>(operand) + (s.sets == 1 ? 0 : image * 2 * (s.rowsOut + s.columnsOut));
}

void run_window_max_pool2d(const Call& c) {
  if (c.length(0) == 0) return;
  const WindowShape s = shapeOf(c);
  const int64_t image = s.rowsIn * s.columnsIn * s.channels;
  byFloat(c, [&]<class T>() {
    forRows(s.n, s.rowsOut, image / s.rowsOut, [&](int64_t n, int64_t r) {
      const int32_t* windows = windowsOf(c, 3, s, n);
      const Span rows = spanAt(windows + 2 * r, s.rowsIn);
      for (int64_t q = 0; q < s.columnsOut; ++q) {
        const Span columns = spanAt(windows + 2 * (s.rowsOut + q), s.columnsIn);
        const int64_t at = ((n * s.rowsOut + r) * s.columnsOut + q) * s.channels, first = rows.begin * s.columnsIn + columns.begin;
        kernelsOf<T>().windowMax(c.out<T>(0) + at, c.out<int32_t>(1) + at, c.in<T>(2) + n * image + first * s.channels, first, s.columnsIn,
                                 rows.end - rows.begin, columns.end - columns.begin, s.channels);
      }
    });
  });
}

// dx of row i from every window that reaches over it, in their order.
void run_window_max_pool2d_backward(const Call& c) {
  if (c.length(0) == 0) return;
  const WindowShape s = shapeOf(c);
  const int64_t row = s.columnsIn * s.channels;
  byFloat(c, [&]<class T>() {
    const auto& k = kernelsOf<T>();
    forRows(s.n, s.rowsIn, row, [&](int64_t n, int64_t i) {
      const int32_t* windows = windowsOf(c, 3, s, n);
      T* const dx = c.out<T>(0) + (n * s.rowsIn + i) * row;
      k.fill(dx, T(0), row);
      for (int64_t r = 0; r < s.rowsOut; ++r) {
        const Span rows = spanAt(windows + 2 * r, s.rowsIn);
        if (i < rows.begin || i >= rows.end) continue;
        for (int64_t q = 0; q < s.columnsOut; ++q) {
          const Span columns = spanAt(windows + 2 * (s.rowsOut + q), s.columnsIn);
          const int64_t at = ((n * s.rowsOut + r) * s.columnsOut + q) * s.channels;
          k.windowMaxBackward(dx + columns.begin * s.channels, c.in<T>(1) + at, c.in<int32_t>(2) + at, i * s.columnsIn + columns.begin,
                              columns.end - columns.begin, s.channels);
        }
      }
    });
  });
}

// Operand `full` is an image of the input's size, `pooled` one of the output's.
const char* checkWindows(const Call& c, int full, int pooled) {
  const WindowShape s = shapeOf(c);
  for (int i = 0; i < 7; ++i)
    if (c.ints[i] < 0 || c.ints[i] > INT32_MAX) return "malformed dimensions";
  if (s.rowsIn * s.columnsIn > INT32_MAX) return "an image of more pixels than an int32 can count";
  const int64_t images = checkedProduct(s.n, s.channels);
  if (checkedProduct(images, s.rowsIn * s.columnsIn) != c.length(full)) return "the image does not have as many elements as its dimensions say";
  if (checkedProduct(images, s.rowsOut * s.columnsOut) != c.length(pooled)) return "the pooled image does not have as many elements as its dimensions say";
  if (c.length(pooled) > 0 && c.length(full) == 0) return "windows of an empty image";
  if (s.sets != 1 && s.sets != s.n) return "windows for another number of images";
  return checkedProduct(s.sets, 2 * (s.rowsOut + s.columnsOut)) == c.length(3) ? nullptr : "not a begin and an end for every row and column";
}
const char* checkWindowMaxPool(const Call& c) {
  if (c.length(0) != c.length(1)) return "values and places of different lengths";
  return checkWindows(c, 2, 0);
}
const char* checkWindowMaxPoolBackward(const Call& c) {
  if (c.length(1) != c.length(2)) return "gradients and places of different lengths";
  return checkWindows(c, 0, 1);
}
Refusal guardWindows(const Call& c) {
  const WindowShape s = shapeOf(c);
  const int32_t* pair = c.in<int32_t>(3);
  for (int64_t set = 0; set < s.sets; ++set)
    for (int64_t o = 0; o < s.rowsOut + s.columnsOut; ++o, pair += 2)
      if (pair[0] < 0 || pair[0] >= pair[1] || pair[1] > (o < s.rowsOut ? s.rowsIn : s.columnsIn)) return {"a window outside of the image"};
  return {};
}

// ---- fractional_windows ----

void run_fractional_windows(const Call& c) {
  const int64_t sets = c.ints[0], words = c.ints[3] + c.ints[4];
  const auto* state = reinterpret_cast<const uint32_t*>(c.in<int32_t>(1));
  const auto& k = kernelsOf<float>();
  parallelFor(sets, [&](int64_t set, int) {
    int32_t* windows = c.out<int32_t>(0) + set * 2 * words;
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t in = c.ints[1 + axis], out = c.ints[3 + axis], first = axis * c.ints[3];
      k.fractionalWindows(windows + 2 * first, state, uint64_t(set * words + first), in, out, c.ints[5], c.ints[6] != 0);
    }
  });
}
const char* checkFractionalWindows(const Call& c) {
  if (c.length(1) != 6) return "the random state must have 6 words";
  for (int axis = 0; axis < 2; ++axis)
    if (c.ints[1 + axis] > INT32_MAX || c.ints[3 + axis] < 1 || c.ints[3 + axis] >= c.ints[1 + axis]) return "not fewer windows than pixels";
  for (int flag = 5; flag < 7; ++flag)
    if (c.ints[flag] != 0 && c.ints[flag] != 1) return "expected 0 or 1";
  return checkedProduct(c.ints[0], 2 * (c.ints[3] + c.ints[4])) == c.length(0) ? nullptr : "not a begin and an end for every row and column";
}

}  // namespace

extern const OpFunctions op_window_max_pool2d = {run_window_max_pool2d, checkWindowMaxPool, nullptr, guardWindows, 3};
extern const OpFunctions op_window_max_pool2d_backward = {run_window_max_pool2d_backward, checkWindowMaxPoolBackward, nullptr, guardWindows, 3};
extern const OpFunctions op_fractional_windows = {run_fractional_windows, checkFractionalWindows};

}  // namespace nodegrad::ops
