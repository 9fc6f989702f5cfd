// Batch normalization: sums per column of at most 256 rows, and maps whose coefficients differ from column to column.

// A vector of two sums: the first gets a, the second a·b.
template <class T> struct Terms { V<T> a, b; };

// sums[0, columns) = Σ a, sums[columns, 2·columns) = Σ a·b over rows of `columns` elements that begin `stride` apart, and over the first
// `last` columns of one row more. f(at, j, k) gives the terms of k elements from `at`, which stand in column j. Rows are added in order;
// of NV ≤ 4 vectors even and odd ones apart, so that an addition need not wait for the one before it.
template <int NV, class T, class F> INLINE void columnSumsNarrow(T* sums, int64_t rows, int64_t last, int64_t stride, F f) {
  constexpr int64_t columns = NV * lanes;
  V<T> s[2][NV], q[2][NV];
  for (int j = 0; j < NV; ++j) s[0][j] = s[1][j] = q[0][j] = q[1][j] = zero<T>();
  const auto add = [&](int parity, int j, int64_t at) FORMULA {
    const Terms<T> t = f(at + j * lanes, j * lanes, lanes);
    s[parity][j] = s[parity][j] + t.a;
    q[parity][j] = fma(t.a, t.b, q[parity][j]);
  };
  int64_t r = 0;
  for (; r + 2 <= rows; r += 2) {
    for (int j = 0; j < NV; ++j) add(0, j, r * stride);
    for (int j = 0; j < NV; ++j) add(1, j, (r + 1) * stride);
  }
  for (; r < rows; ++r)
    for (int j = 0; j < NV; ++j) add(0, j, r * stride);
  for (int j = 0; j < NV; ++j) {
    V<T> a = s[0][j] + s[1][j], b = q[0][j] + q[1][j];
    const int64_t at = j * lanes;
    if (at < last) {
      const Terms<T> t = f(rows * stride + at, at, last - at < lanes ? int(last - at) : lanes);
      a = a + t.a;
      b = fma(t.a, t.b, b);
    }
    store(sums + at, a);
    store(sums + columns + at, b);
  }
}
template <class T, class F> INLINE void columnSumsWide(T* sums, int64_t rows, int64_t last, int64_t columns, int64_t stride, F f) {
  const auto part = [&](int64_t r, int count, int64_t j, int k) FORMULA {
    V<T> s = r == 0 ? zero<T>() : load(sums + j, k), q = r == 0 ? zero<T>() : load(sums + columns + j, k);
    for (int i = 0; i < count; ++i) {
      const Terms<T> t = f((r + i) * stride + j, j, k);
      s = s + t.a;
      q = fma(t.a, t.b, q);
    }
    store(sums + j, s, k);
    store(sums + columns + j, q, k);
  };
  for (int64_t r = 0; r < rows; r += 4) {
    const int count = rows - r < 4 ? int(rows - r) : 4;
    int64_t j = 0;
    if (count == 4)
      for (; j + lanes <= columns; j += lanes) part(r, 4, j, lanes);
    for (; j < columns; j += lanes) part(r, count, j, columns - j < lanes ? int(columns - j) : lanes);
  }
  for (int64_t j = 0; rows == 0 && j < 2 * columns; ++j) sums[j] = T(0);
  for (int64_t j = 0; j < last; j += lanes) {
    const int k = last - j < lanes ? int(last - j) : lanes;
    const Terms<T> t = f(rows * stride + j, j, k);
    store(sums + j, load(sums + j, k) + t.a, k);
    store(sums + columns + j, fma(t.a, t.b, load(sums + columns + j, k)), k);
  }
}
template <class T, class F> INLINE void columnSums(T* sums, int64_t rows, int64_t last, int64_t columns, int64_t stride, F f) {
  if (columns == lanes) columnSumsNarrow<1>(sums, rows, last, stride, f);
  else if (columns == 2 * lanes) columnSumsNarrow<2>(sums, rows, last, stride, f);
  else if (columns == 3 * lanes) columnSumsNarrow<3>(sums, rows, last, stride, f);
  else if (columns == 4 * lanes) columnSumsNarrow<4>(sums, rows, last, stride, f);
  else columnSumsWide(sums, rows, last, columns, stride, f);
}

template <class T> INLINE V<T> loadPart(const T* p, int k) { return k == lanes ? load(p) : load(p, k); }

// Σ (x − pivot), Σ (x − pivot)²
template <class T> void columnMoments(T* sums, const T* x, const T* pivot, int64_t rows, int64_t last, int64_t columns, int64_t stride) {
  columnSums(sums, rows, last, columns, stride, [=](int64_t at, int64_t j, int k) FORMULA {
    prefetch(x + at + ahead<T>);
    const V<T> v = loadPart(x + at, k) - loadPart(pivot + j, k);
    return Terms<T>{v, v};
  });
}

// Coefficients of a column stand `apart` from each other: y = (x − centre)·scale + shift; dx = scale·dy + slope·(x − centre) + offset.
enum Coefficient { centreOf, scaleOf, shiftOf, slopeOf, offsetOf };
template <class T> struct Column {
  const T* coefficients;
  int64_t apart;
  INLINE V<T> at(Coefficient which, int64_t j) const { return load(coefficients + which * apart + j); }
  INLINE V<T> normalized(V<T> x, int64_t j) const { return fma(x - at(centreOf, j), at(scaleOf, j), at(shiftOf, j)); }
};

// y[n] = f(·): f(i, j, k) gives k elements from i, whose coefficients stand from column j. Columns repeat after `width`, and the first
// sixteen once more behind them.
template <class T, class F> INLINE void mapColumns(T* y, int64_t n, int64_t width, bool streaming, F f) {
  int64_t i = 0, j = 0;
  const auto advance = [&](int64_t by) FORMULA {
    i += by;
    j += by;
    if (j >= width) j -= width;
  };
  if (streaming) {
    const int64_t head = int64_t((64 - (uintptr_t(y) & 63)) & 63) / int64_t(sizeof(T));
    if (head > 0 && head < n) { store(y, f(0, 0, int(head)), int(head)); advance(head); }
    if ((uintptr_t(y + i) & 63) == 0)
      for (; i + lanes <= n; advance(lanes)) stream(y + i, f(i, j, lanes));
  }
  for (; i + lanes <= n; advance(lanes)) store(y + i, f(i, j, lanes));
  if (i < n) store(y + i, f(i, j, int(n - i)), int(n - i));
}

// y = normalized x, with `other` added where there is one, then ReLU if asked for
template <class T>
void normalizeColumns(T* y, const T* x, const T* other, const T* coefficients, int64_t apart, int64_t width, int64_t n, bool rectified,
                      bool streaming) {
  const Column<T> column = {coefficients, apart};
  const auto normalized = [=](int64_t i, int64_t j, int k) FORMULA {
    prefetch(x + i + ahead<T>);
    return column.normalized(loadPart(x + i, k), j);
  };
  if (other)
    mapColumns(y, n, width, streaming, [=](int64_t i, int64_t j, int k) FORMULA {
      prefetch(other + i + ahead<T>);
      const V<T> sum = normalized(i, j, k) + loadPart(other + i, k);
      return rectified ? maximum(sum, zero<T>()) : sum;
    });
  else if (rectified)
    mapColumns(y, n, width, streaming, [=](int64_t i, int64_t j, int k) FORMULA { return maximum(normalized(i, j, k), zero<T>()); });
  else mapColumns(y, n, width, streaming, normalized);
}

// Σ g, Σ g·(x − centre), where g is dy, or what ReLU lets through of it: by the normalized x (`rectified`), or by ReLU's output y, and then
// g is written too.
template <class T>
void columnGradients(T* sums, T* g, const T* dy, const T* x, const T* y, const T* coefficients, int64_t apart, int64_t rows, int64_t last,
                     int64_t columns, int64_t stride, bool rectified, bool streaming) {
  const Column<T> column = {coefficients, apart};
  const auto read = [](const T* p, int k) FORMULA { prefetch(p + ahead<T>); return loadPart(p, k); };
  if (y)
    columnSums(sums, rows, last, columns, stride, [=](int64_t at, int64_t j, int k) FORMULA {
      const V<T> v = reluGradient(read(dy + at, k), read(y + at, k));
      if (streaming && k == lanes) stream(g + at, v);
      else store(g + at, v, k);
      return Terms<T>{v, read(x + at, k) - column.at(centreOf, j)};
    });
  else if (rectified)
    columnSums(sums, rows, last, columns, stride, [=](int64_t at, int64_t j, int k) FORMULA {
      const V<T> v = read(x + at, k) - column.at(centreOf, j), normalized = fma(v, column.at(scaleOf, j), column.at(shiftOf, j));
      return Terms<T>{reluGradient(read(dy + at, k), normalized), v};
    });
  else
    columnSums(sums, rows, last, columns, stride, [=](int64_t at, int64_t j, int k) FORMULA {
      return Terms<T>{read(dy + at, k), read(x + at, k) - column.at(centreOf, j)};
    });
}

// dx = scale·g + slope·(x − centre) + offset, where g is dy, or what ReLU lets through of it by the normalized x.
template <class T>
void normalizeColumnsBackward(T* dx, const T* dy, const T* x, const T* coefficients, int64_t apart, int64_t width, int64_t n, bool rectified,
                              bool streaming) {
  const Column<T> column = {coefficients, apart};
  const auto gradient = [=](V<T> g, V<T> v, V<T> scale, int64_t j) FORMULA {
    return fma(scale, g, fma(column.at(slopeOf, j), v, column.at(offsetOf, j)));
  };
  if (rectified)
    mapColumns(dx, n, width, streaming, [=](int64_t i, int64_t j, int k) FORMULA {
      prefetch(dy + i + ahead<T>);
      prefetch(x + i + ahead<T>);
      const V<T> v = loadPart(x + i, k) - column.at(centreOf, j), scale = column.at(scaleOf, j);
      return gradient(reluGradient(loadPart(dy + i, k), fma(v, scale, column.at(shiftOf, j))), v, scale, j);
    });
  else
    mapColumns(dx, n, width, streaming, [=](int64_t i, int64_t j, int k) FORMULA {
      prefetch(dy + i + ahead<T>);
      prefetch(x + i + ahead<T>);
      return gradient(loadPart(dy + i, k), loadPart(x + i, k) - column.at(centreOf, j), column.at(scaleOf, j), j);
    });
}
