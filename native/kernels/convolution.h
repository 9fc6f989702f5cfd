// Depthwise convolutions in registers: lanes are channels, and each output has one accumulator that takes the taps in order.

// Bytes of registers that accumulators may take.
#if defined(__AVX512F__)
constexpr size_t depthwiseRegisters = 24 * 64;
#elif defined(__AVX2__)
constexpr size_t depthwiseRegisters = 12 * 32;
#elif defined(NODEGRAD_NEON)
constexpr size_t depthwiseRegisters = 24 * 16;
#else
constexpr size_t depthwiseRegisters = 16 * 16;
#endif

#define UNROLL _Pragma("GCC unroll 16")

// COUNT neighbouring outputs of at most 16 channels.
template <class T, int COUNT>
INLINE void depthwiseOutputs(int64_t rows, int64_t columns, const T* x, int64_t xRow, int64_t xColumn, int64_t xStep, const T* w, int64_t wRow,
                             int64_t wColumn, T* y, int64_t yStep, int last) {
  const bool whole = last == lanes;
  V<T> sum[COUNT];
  UNROLL for (int j = 0; j < COUNT; ++j) sum[j] = zero<T>();
  for (int64_t a = 0; a < rows; ++a)
    for (int64_t b = 0; b < columns; ++b) {
      const T *from = x + a * xRow + b * xColumn, *weight = w + a * wRow + b * wColumn;
      if (whole) {
        const V<T> v = load(weight);
        UNROLL for (int j = 0; j < COUNT; ++j) sum[j] = fma(load(from + j * xStep), v, sum[j]);
      } else {
        const V<T> v = load(weight, last);
        UNROLL for (int j = 0; j < COUNT; ++j) sum[j] = fma(load(from + j * xStep, last), v, sum[j]);
      }
    }
  UNROLL for (int j = 0; j < COUNT; ++j) {
    if (whole) store(y + j * yStep, sum[j]);
    else store(y + j * yStep, sum[j], last);
  }
}

// y[j·yStep + c] = Σ_{a, b} x[j·xStep + a·xRow + b·xColumn + c]·w[a·wRow + b·wColumn + c] for j < count, c < channels.
template <class T>
void depthwise(int64_t count, int64_t channels, int64_t rows, int64_t columns, const T* x, int64_t xRow, int64_t xColumn, int64_t xStep, const T* w,
               int64_t wRow, int64_t wColumn, T* y, int64_t yStep) {
  constexpr int together = depthwiseRegisters / sizeof(V<T>) < 7 ? int(depthwiseRegisters / sizeof(V<T>)) : 7;
  const auto outputs = [&]<int COUNT>(int64_t j) FORMULA {
    for (int64_t c = 0; c < channels; c += lanes)
      depthwiseOutputs<T, COUNT>(rows, columns, x + j * xStep + c, xRow, xColumn, xStep, w + c, wRow, wColumn, y + j * yStep + c, yStep,
                                 int(channels - c < lanes ? channels - c : lanes));
  };
  int64_t j = 0;
  for (; j + together <= count; j += together) outputs.template operator()<together>(j);
  for (; j + 3 <= count; j += 3) outputs.template operator()<3>(j);
  for (; j < count; ++j) outputs.template operator()<1>(j);
}

// ROWS · COLUMNS taps of at most 16 channels over a stretch of pixels.
template <class T, int ROWS, int COLUMNS>
INLINE void depthwiseTaps(int64_t count, const T* x, int64_t xRow, int64_t xColumn, int64_t xStep, const T* dy, int64_t dyStep, T* sums, int64_t sumRow,
                          int64_t sumColumn, int last) {
  const auto read = [last](const T* p) FORMULA { return last == lanes ? load(p) : load(p, last); };
  V<T> sum[ROWS][COLUMNS];
  UNROLL for (int a = 0; a < ROWS; ++a)
    UNROLL for (int b = 0; b < COLUMNS; ++b) sum[a][b] = read(sums + a * sumRow + b * sumColumn);
  for (int64_t j = 0; j < count; ++j, x += xStep, dy += dyStep) {
    const V<T> d = read(dy);
    UNROLL for (int a = 0; a < ROWS; ++a)
      UNROLL for (int b = 0; b < COLUMNS; ++b) sum[a][b] = fma(read(x + a * xRow + b * xColumn), d, sum[a][b]);
  }
  UNROLL for (int a = 0; a < ROWS; ++a)
    UNROLL for (int b = 0; b < COLUMNS; ++b) {
      if (last == lanes) store(sums + a * sumRow + b * sumColumn, sum[a][b]);
      else store(sums + a * sumRow + b * sumColumn, sum[a][b], last);
    }
}

// sums[a·sumRow + b·sumColumn + c] += Σ_{j < count} x[j·xStep + a·xRow + b·xColumn + c]·dy[j·dyStep + c], pixels in order.
template <class T>
void depthwiseGradient(int64_t count, int64_t channels, int64_t rows, int64_t columns, const T* x, int64_t xRow, int64_t xColumn, int64_t xStep,
                       const T* dy, int64_t dyStep, T* sums, int64_t sumRow, int64_t sumColumn) {
  constexpr int high = depthwiseRegisters >= 3 * 3 * sizeof(V<T>) ? 3 : 1;  // 3 · 3 accumulators, or 1 · 3
  for (int64_t c = 0; c < channels; c += lanes) {
    const int last = int(channels - c < lanes ? channels - c : lanes);
    for (int64_t a = 0; a < rows;) {
      const bool tall = rows - a >= high;
      for (int64_t b = 0; b < columns;) {
        const T* const from = x + a * xRow + b * xColumn + c;
        T* const to = sums + a * sumRow + b * sumColumn + c;
        const bool wide = columns - b >= 3;
        if (tall && wide) depthwiseTaps<T, high, 3>(count, from, xRow, xColumn, xStep, dy + c, dyStep, to, sumRow, sumColumn, last);
        else if (tall) depthwiseTaps<T, high, 1>(count, from, xRow, xColumn, xStep, dy + c, dyStep, to, sumRow, sumColumn, last);
        else if (wide) depthwiseTaps<T, 1, 3>(count, from, xRow, xColumn, xStep, dy + c, dyStep, to, sumRow, sumColumn, last);
        else depthwiseTaps<T, 1, 1>(count, from, xRow, xColumn, xStep, dy + c, dyStep, to, sumRow, sumColumn, last);
        b += wide ? 3 : 1;
      }
      a += tall ? high : 1;
    }
  }
}
#undef UNROLL
