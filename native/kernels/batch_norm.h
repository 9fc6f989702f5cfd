// Batch normalization: sums per column of at most 256 rows, and maps whose coefficients differ from column to column. S is how numbers are
// stored, T what is computed in.

using nodegrad::Arithmetic;

// A vector of two sums in A: the first gets a, the second a·b.
template <class A> struct Terms { V<A> a, b; };

#define EACH_VECTOR _Pragma("GCC unroll 4") for (int j = 0; j < NV; ++j)

// Sums of NV vectors of columns: even and odd rows are added up apart, so that an addition need not wait for the one before it.
template <int NV, class A> struct Sums {
  V<A> a[2][NV], b[2][NV];
  INLINE void add(int64_t row, int j, Terms<A> t) {
    a[row & 1][j] = a[row & 1][j] + t.a;
    b[row & 1][j] = fma(t.a, t.b, b[row & 1][j]);
  }
};

// Rows of NV whole vectors: their sums stay in registers. See columnSums.
template <int NV, class A, class F> INLINE void fewColumnSums(A* sums, int64_t rows, int64_t last, int64_t stride, int64_t ahead, F f) {
  constexpr int64_t width = NV * lanes;
  const int64_t far = ahead / width * stride;
  Sums<NV, A> s;
  EACH_VECTOR s.a[0][j] = s.a[1][j] = s.b[0][j] = s.b[1][j] = zero<A>();
  const auto terms = [=](int64_t row, int j, int k) FORMULA {
    const int64_t at = row * stride + j * lanes;
    return f(at, j * lanes, k, at + far);
  };
  int64_t r = 0;
  for (; r + 2 <= rows; r += 2) {
    EACH_VECTOR s.add(0, j, terms(r, j, lanes));
    EACH_VECTOR s.add(1, j, terms(r + 1, j, lanes));
  }
  if (r < rows)
    EACH_VECTOR s.add(0, j, terms(r, j, lanes));
  EACH_VECTOR {
    const int64_t left = last - j * lanes;
    s.a[0][j] = s.a[0][j] + s.a[1][j];
    s.b[0][j] = s.b[0][j] + s.b[1][j];
    if (left > 0) s.add(0, j, terms(rows, j, left < lanes ? int(left) : lanes));
    store(sums + j * lanes, s.a[0][j]);
    store(sums + width + j * lanes, s.b[0][j]);
  }
}
#undef EACH_VECTOR

// Wider rows: their sums stand in a cache, and ROWS rows at a time are added to them, so that memory is read in its order. Strips of columns
// would be read at half the speed. What comes is prefetched in the order of memory, too.
template <int ROWS, class A, class F> INLINE void addRows(A* held, int64_t r, int64_t columns, int64_t stride, int64_t ahead, F f) {
  int64_t next = (r + (ahead > ROWS * columns ? ahead / columns : ROWS)) * stride, column = 0;
  for (int64_t j = 0; j < columns; j += lanes, held += 4 * lanes) {
    Sums<1, A> s = {{{load(held)}, {load(held + lanes)}}, {{load(held + 2 * lanes)}, {load(held + 3 * lanes)}}};
    const int k = columns - j < lanes ? int(columns - j) : lanes;
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; ++i) s.add(i, 0, f((r + i) * stride + j, j, k, next + i * lanes));
    store(held, s.a[0][0]);
    store(held + 2 * lanes, s.b[0][0]);
    if (ROWS > 1) {
      store(held + lanes, s.a[1][0]);
      store(held + 3 * lanes, s.b[1][0]);
    }
    next += ROWS * lanes;
    column += ROWS * lanes;
    if (column >= columns) {
      column -= columns;
      next += stride - columns;
    }
  }
}

// sums[0, columns) = Σ a, sums[columns, 2·columns) = Σ a·b over rows of `columns` elements, at most mostColumns, that begin `stride` apart, and
// over the first `last` columns of one row more. f(at, j, k, next) gives the terms of k elements from `at`, which stand in column j, and
// prefetches from `next`, which is about `ahead` elements further: one stream pays to be asked for earlier than several.
template <class A, class F> INLINE void columnSums(A* sums, int64_t rows, int64_t last, int64_t columns, int64_t stride, int64_t ahead, F f) {
  if (columns == lanes) return fewColumnSums<1>(sums, rows, last, stride, ahead, f);
  if (columns == 2 * lanes) return fewColumnSums<2>(sums, rows, last, stride, ahead, f);
  if constexpr (sizeof(A) == 4) {
    if (columns == 3 * lanes) return fewColumnSums<3>(sums, rows, last, stride, ahead, f);
    if (columns == 4 * lanes) return fewColumnSums<4>(sums, rows, last, stride, ahead, f);
  }
  alignas(64) A held[4 * nodegrad::mostColumns];
  const int64_t vectors = (columns + lanes - 1) / lanes;
  for (int64_t i = 0; i < 4 * vectors; ++i) store(held + i * lanes, zero<A>());
  int64_t r = 0;
  // Four rows at a time, of not more than a cache holds beside the sums.
  if (columns <= nodegrad::mostColumns / 2)
    for (; r + 4 <= rows; r += 4) addRows<4>(held, r, columns, stride, ahead, f);
  for (; r + 2 <= rows; r += 2) addRows<2>(held, r, columns, stride, ahead, f);
  if (r < rows) addRows<1>(held, r, columns, stride, ahead, f);
  for (int64_t j = 0; j < columns; j += lanes) {
    const A* const at = held + 4 * j;
    const int k = columns - j < lanes ? int(columns - j) : lanes;
    V<A> a = load(at) + load(at + lanes), b = load(at + 2 * lanes) + load(at + 3 * lanes);
    if (j < last) {
      const Terms<A> t = f(rows * stride + j, j, last - j < k ? int(last - j) : k, 0);
      a = a + t.a;
      b = fma(t.a, t.b, b);
    }
    store(sums + j, a, k);
    store(sums + columns + j, b, k);
  }
}

template <class S> INLINE V<Arithmetic<S>> loadPart(const S* p, int k) { return k == lanes ? load(p) : load(p, k); }

// Σ (x − pivot), Σ (x − pivot)²
template <class S>
void columnMoments(Arithmetic<S>* sums, const S* x, const S* pivot, int64_t rows, int64_t last, int64_t columns, int64_t stride) {
  using T = Arithmetic<S>;
  columnSums(sums, rows, last, columns, stride, 2 * ahead<S>, [=](int64_t at, int64_t j, int k, int64_t next) FORMULA {
    prefetch(x + next);
    const V<T> v = loadPart(x + at, k) - loadPart(pivot + j, k);
    return Terms<T>{v, v};
  });
}
// The same in float64 throughout, at half the speed: for a pivot far from the mean, and for squares that float32 does not hold.
template <class S>
void columnMomentsWide(double* sums, const S* x, const S* pivot, int64_t rows, int64_t last, int64_t columns, int64_t stride) {
  columnSums(sums, rows, last, columns, stride, ahead<S>, [=](int64_t at, int64_t j, int k, int64_t) FORMULA {
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
  const auto vectors = [&](auto write) FORMULA {
    while (i + lanes <= n) {
      const int64_t left = (n - i) / lanes, toEnd = (width - j + lanes - 1) / lanes, count = left < toEnd ? left : toEnd;
#pragma GCC unroll 2
      for (int64_t k = 0; k < count; ++k, i += lanes, j += lanes) write(y + i, f(i, j, lanes));
      if (j >= width) j -= width;
    }
  };
  if (streaming) {
    const int64_t head = int64_t(-uintptr_t(y) & beyond) / int64_t(sizeof(S));
    if (head > 0 && head < n) { store(y, f(0, 0, int(head)), int(head)); i = j = head; }
    if ((uintptr_t(y + i) & beyond) == 0) vectors([](S* p, auto v) FORMULA { stream(p, v); });
  }
  vectors([](S* p, auto v) FORMULA { store(p, v); });
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
  const auto read = [](const S* p, int64_t at, int k, int64_t next) FORMULA { prefetch(p + next); return loadPart(p + at, k); };
  if (y)
    columnSums(sums, rows, last, columns, stride, ahead<S>, [=](int64_t at, int64_t j, int k, int64_t next) FORMULA {
      const V<T> v = reluGradient(read(dy, at, k, next), read(y, at, k, next));
      if (streaming && k == lanes) stream(g + at, v);
      else store(g + at, v, k);
      return Terms<T>{v, read(x, at, k, next) - column.at(centreOf, j)};
    });
  else if (rectified)
    columnSums(sums, rows, last, columns, stride, ahead<S>, [=](int64_t at, int64_t j, int k, int64_t next) FORMULA {
      const V<T> v = read(x, at, k, next) - column.at(centreOf, j), normalized = fma(v, column.at(scaleOf, j), column.at(shiftOf, j));
      return Terms<T>{reluGradient(read(dy, at, k, next), normalized), v};
    });
  else
    columnSums(sums, rows, last, columns, stride, ahead<S>, [=](int64_t at, int64_t j, int k, int64_t next) FORMULA {
      return Terms<T>{read(dy, at, k, next), read(x, at, k, next) - column.at(centreOf, j)};
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
