// Batch normalization: sums per column of at most 256 rows, and maps whose coefficients differ from column to column. S is how numbers are
// stored, T what is computed in.

using nodegrad::Arithmetic;

// A vector of two sums in A: the first gets a, the second a·b.
template <class A> struct Terms { V<A> a, b; };

#define EACH_VECTOR _Pragma("GCC unroll 4") for (int j = 0; j < NV; ++j)

// One strip of at most four vectors, the last of `tail` elements; see columnSums. Even and odd rows are added up apart, so that an
// addition need not wait for the one before it. f gets how far ahead to prefetch, as far as a strip has 64 vectors.
template <int NV, class A, class F>
INLINE void stripSums(A* sums, A* products, int64_t column, int tail, int64_t rows, int64_t last, int64_t stride, F f) {
  V<A> s[2][NV], q[2][NV];
  EACH_VECTOR s[0][j] = s[1][j] = q[0][j] = q[1][j] = zero<A>();
  const int64_t far = 64 / NV * stride;
  int64_t r = 0;
  for (; r + 2 <= rows; r += 2) {
    EACH_VECTOR {
      const Terms<A> t = f(r * stride + column + j * lanes, column + j * lanes, tail, far);
      s[0][j] = s[0][j] + t.a;
      q[0][j] = fma(t.a, t.b, q[0][j]);
    }
    EACH_VECTOR {
      const Terms<A> t = f((r + 1) * stride + column + j * lanes, column + j * lanes, tail, far);
      s[1][j] = s[1][j] + t.a;
      q[1][j] = fma(t.a, t.b, q[1][j]);
    }
  }
  if (r < rows)
    EACH_VECTOR {
      const Terms<A> t = f(r * stride + column + j * lanes, column + j * lanes, tail, far);
      s[0][j] = s[0][j] + t.a;
      q[0][j] = fma(t.a, t.b, q[0][j]);
    }
  EACH_VECTOR {
    V<A> a = s[0][j] + s[1][j], b = q[0][j] + q[1][j];
    const int64_t at = column + j * lanes;
    if (at < last) {
      const Terms<A> t = f(rows * stride + at, at, last - at < tail ? int(last - at) : tail, far);
      a = a + t.a;
      b = fma(t.a, t.b, b);
    }
    store(sums + at, a, tail);
    store(products + at, b, tail);
  }
}

// sums[0, columns) = Σ a, sums[columns, 2·columns) = Σ a·b over rows of `columns` elements that begin `stride` apart, and over the first
// `last` columns of one row more. f(at, j, k, far) gives the terms of k elements from `at`, which stand in column j.
template <class A, class F> INLINE void columnSums(A* sums, int64_t rows, int64_t last, int64_t columns, int64_t stride, F f) {
  A* const products = sums + columns;
  int64_t j = 0;
  for (; sizeof(A) == 4 && j + 4 * lanes <= columns; j += 4 * lanes) stripSums<4>(sums, products, j, lanes, rows, last, stride, f);
  for (; j + 2 * lanes <= columns; j += 2 * lanes) stripSums<2>(sums, products, j, lanes, rows, last, stride, f);
  for (; j + lanes <= columns; j += lanes) stripSums<1>(sums, products, j, lanes, rows, last, stride, f);
  if (j < columns) stripSums<1>(sums, products, j, int(columns - j), rows, last, stride, f);
}
#undef EACH_VECTOR

template <class S> INLINE V<Arithmetic<S>> loadPart(const S* p, int k) { return k == lanes ? load(p) : load(p, k); }

// Σ (x − pivot), Σ (x − pivot)²
template <class S>
void columnMoments(Arithmetic<S>* sums, const S* x, const S* pivot, int64_t rows, int64_t last, int64_t columns, int64_t stride) {
  using T = Arithmetic<S>;
  columnSums(sums, rows, last, columns, stride, [=](int64_t at, int64_t j, int k, int64_t far) FORMULA {
    prefetch(x + at + far);
    const V<T> v = loadPart(x + at, k) - loadPart(pivot + j, k);
    return Terms<T>{v, v};
  });
}
// The same in float64 throughout, at half the speed: for a pivot far from the mean, and for squares that float32 does not hold.
template <class S>
void columnMomentsWide(double* sums, const S* x, const S* pivot, int64_t rows, int64_t last, int64_t columns, int64_t stride) {
  columnSums(sums, rows, last, columns, stride, [=](int64_t at, int64_t j, int k, int64_t) FORMULA {
    const V<double> v = widen(loadPart(x + at, k)) - widen(loadPart(pivot + j, k));
    return Terms<double>{v, v};
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
template <class S, class F> INLINE void mapColumns(S* y, int64_t n, int64_t width, bool streaming, F f) {
  constexpr uintptr_t beyond = (sizeof(S) == 2 ? 32 : 64) - 1;  // streams start at such boundaries
  int64_t i = 0, j = 0;
  const auto advance = [&](int64_t by) FORMULA {
    i += by;
    j += by;
    if (j >= width) j -= width;
  };
  if (streaming) {
    const int64_t head = int64_t(-uintptr_t(y) & beyond) / int64_t(sizeof(S));
    if (head > 0 && head < n) { store(y, f(0, 0, int(head)), int(head)); advance(head); }
    if ((uintptr_t(y + i) & beyond) == 0)
      for (; i + lanes <= n; advance(lanes)) stream(y + i, f(i, j, lanes));
  }
  for (; i + lanes <= n; advance(lanes)) store(y + i, f(i, j, lanes));
  if (i < n) store(y + i, f(i, j, int(n - i)), int(n - i));
}

// y = normalized x, with `other` added where there is one, then ReLU if asked for
template <class S>
void normalizeColumns(S* y, const S* x, const S* other, const Arithmetic<S>* coefficients, int64_t apart, int64_t width, int64_t n,
                      bool rectified, bool streaming) {
  using T = Arithmetic<S>;
  const Column<T> column = {coefficients, apart};
  const auto normalized = [=](int64_t i, int64_t j, int k) FORMULA {
    prefetch(x + i + ahead<S>);
    return column.normalized(loadPart(x + i, k), j);
  };
  if (other)
    mapColumns(y, n, width, streaming, [=](int64_t i, int64_t j, int k) FORMULA {
      prefetch(other + i + ahead<S>);
      const V<T> sum = normalized(i, j, k) + loadPart(other + i, k);
      return rectified ? maximum(sum, zero<T>()) : sum;
    });
  else if (rectified)
    mapColumns(y, n, width, streaming, [=](int64_t i, int64_t j, int k) FORMULA { return maximum(normalized(i, j, k), zero<T>()); });
  else mapColumns(y, n, width, streaming, normalized);
}

// Σ g, Σ g·(x − centre), where g is dy, or what ReLU lets through of it: by the normalized x (`rectified`), or by ReLU's output y, and then
// g is written too.
template <class S>
void columnGradients(Arithmetic<S>* sums, S* g, const S* dy, const S* x, const S* y, const Arithmetic<S>* coefficients, int64_t apart,
                     int64_t rows, int64_t last, int64_t columns, int64_t stride, bool rectified, bool streaming) {
  using T = Arithmetic<S>;
  const Column<T> column = {coefficients, apart};
  const auto read = [](const S* p, int k, int64_t far) FORMULA { prefetch(p + far); return loadPart(p, k); };
  if (y)
    columnSums(sums, rows, last, columns, stride, [=](int64_t at, int64_t j, int k, int64_t far) FORMULA {
      const V<T> v = reluGradient(read(dy + at, k, far), read(y + at, k, far));
      if (streaming && k == lanes) stream(g + at, v);
      else store(g + at, v, k);
      return Terms<T>{v, read(x + at, k, far) - column.at(centreOf, j)};
    });
  else if (rectified)
    columnSums(sums, rows, last, columns, stride, [=](int64_t at, int64_t j, int k, int64_t far) FORMULA {
      const V<T> v = read(x + at, k, far) - column.at(centreOf, j), normalized = fma(v, column.at(scaleOf, j), column.at(shiftOf, j));
      return Terms<T>{reluGradient(read(dy + at, k, far), normalized), v};
    });
  else
    columnSums(sums, rows, last, columns, stride, [=](int64_t at, int64_t j, int k, int64_t far) FORMULA {
      return Terms<T>{read(dy + at, k, far), read(x + at, k, far) - column.at(centreOf, j)};
    });
}

// dx = scale·g + slope·(x − centre) + offset, where g is dy, or what ReLU lets through of it by the normalized x.
template <class S>
void normalizeColumnsBackward(S* dx, const S* dy, const S* x, const Arithmetic<S>* coefficients, int64_t apart, int64_t width, int64_t n,
                              bool rectified, bool streaming) {
  using T = Arithmetic<S>;
  const Column<T> column = {coefficients, apart};
  const auto gradient = [=](V<T> g, V<T> v, V<T> scale, int64_t j) FORMULA {
    return fma(scale, g, fma(column.at(slopeOf, j), v, column.at(offsetOf, j)));
  };
  if (rectified)
    mapColumns(dx, n, width, streaming, [=](int64_t i, int64_t j, int k) FORMULA {
      prefetch(dy + i + ahead<S>);
      prefetch(x + i + ahead<S>);
      const V<T> v = loadPart(x + i, k) - column.at(centreOf, j), scale = column.at(scaleOf, j);
      return gradient(reluGradient(loadPart(dy + i, k), fma(v, scale, column.at(shiftOf, j))), v, scale, j);
    });
  else
    mapColumns(dx, n, width, streaming, [=](int64_t i, int64_t j, int k) FORMULA {
      prefetch(dy + i + ahead<S>);
      prefetch(x + i + ahead<S>);
      return gradient(loadPart(dy + i, k), loadPart(x + i, k) - column.at(centreOf, j), column.at(scaleOf, j), j);
    });
}
