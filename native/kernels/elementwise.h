// Elementwise kernels: one formula each, the loops shared. A NaN that comes in goes out.

// How far ahead the loops over large arrays prefetch: 4 KiB, in elements.
template <class T> constexpr int64_t ahead = 4096 / sizeof(T);

// Formulas are lambdas that must be inlined: as calls they would pass vectors through memory.
#define FORMULA __attribute__((always_inline))

// After the last call with `streaming` of a tile: makes its stores visible to other threads.
template <class T> void fence() { streamFence(); }

// y = f(x) over n elements, several vectors at a time. With `streaming` these start at a 64-byte boundary of y and bypass the cache.
template <class T, class F> INLINE void mapUnary(T* y, const T* x, int64_t n, bool streaming, F f) {
  constexpr int64_t block = neighbours * lanes;
  int64_t i = 0;
  if (streaming) {
    const int64_t head = int64_t((64 - (uintptr_t(y) & 63)) & 63) / int64_t(sizeof(T));
    if (head > 0 && head < n) { store(y, f(load(x, int(head))), int(head)); i = head; }
    streaming = (uintptr_t(y + i) & 63) == 0;
  }
  for (; i + block <= n; i += block) {
    V<T> v[neighbours];
#pragma GCC unroll 4
    for (int j = 0; j < neighbours; ++j) v[j] = f(load(x + i + j * lanes));
    if (streaming) {
#pragma GCC unroll 4
      for (int j = 0; j < neighbours; ++j) {
        prefetch(x + i + j * lanes + ahead<T>);
        stream(y + i + j * lanes, v[j]);
      }
    } else {
#pragma GCC unroll 4
      for (int j = 0; j < neighbours; ++j) store(y + i + j * lanes, v[j]);
    }
  }
  for (; i + lanes <= n; i += lanes) store(y + i, f(load(x + i)));
  if (i < n) store(y + i, f(load(x + i, int(n - i))), int(n - i));
}

template <bool AStep, bool BStep, class T, class F>
INLINE void mapBinarySteps(T* c, const T* a, const T* b, int64_t n, bool streaming, F f) {
  const V<T> a0 = n > 0 ? set1(a[0]) : zero<T>(), b0 = n > 0 ? set1(b[0]) : zero<T>();
  const auto at = [&](int64_t i) { return AStep ? load(a + i) : a0; };
  const auto bt = [&](int64_t i) { return BStep ? load(b + i) : b0; };
  const auto part = [&](int64_t i, int m) { store(c + i, f(AStep ? load(a + i, m) : a0, BStep ? load(b + i, m) : b0), m); };
  int64_t i = 0;
  if (streaming) {
    const int64_t head = int64_t((64 - (uintptr_t(c) & 63)) & 63) / int64_t(sizeof(T));
    if (head > 0 && head < n) { part(0, int(head)); i = head; }
    if ((uintptr_t(c + i) & 63) == 0) {
      for (; i + lanes <= n; i += lanes) {
        if (AStep) prefetch(a + i + ahead<T>);
        if (BStep) prefetch(b + i + ahead<T>);
        stream(c + i, f(at(i), bt(i)));
      }
    }
  }
  for (; i + lanes <= n; i += lanes) store(c + i, f(at(i), bt(i)));
  if (i < n) part(i, int(n - i));
}

template <class T, class F> INLINE void mapBinary(T* c, const T* a, int aStep, const T* b, int bStep, int64_t n, bool streaming, F f) {
  if (aStep && bStep) mapBinarySteps<true, true>(c, a, b, n, streaming, f);
  else if (aStep) mapBinarySteps<true, false>(c, a, b, n, streaming, f);
  else if (bStep) mapBinarySteps<false, true>(c, a, b, n, streaming, f);
  else mapBinarySteps<false, false>(c, a, b, n, streaming, f);
}

// dy where y > 0, else 0 (also at 0: the course's choice); a NaN of the forward pass stays.
template <class T> INLINE V<T> reluGradient(V<T> dy, V<T> y) { return select(gt(y, zero<T>()), dy, select(isNaN(y), y, zero<T>())); }
// dy where low < x < high, else 0; a NaN of x stays.
template <class T> INLINE V<T> inside(V<T> x, V<T> low, V<T> high, V<T> dy) {
  return select(gt(x, low) & gt(high, x), dy, select(isNaN(x), x, zero<T>()));
}
template <class T> INLINE V<T> hardSigmoidOf(V<T> x) {
  return minimum(maximum(x + set1<T>(3), zero<T>()), set1<T>(6)) / set1<T>(6);
}
// x·(x + 3) / 6 between −3 and 3, the sum, the product and the quotient with what their rounding lost.
template <class T> INLINE V<T> hardSwishOf(V<T> x) {
  const V<T> three = set1<T>(3), sixth = set1<T>(1.0 / 6.0), c = rawMax(negate(three), x), h = c + three, hLost = c - (h - three);
  const V<T> n = c * h, nLost = fma(c, hLost, fma(c, h, negate(n))), y = n * sixth;
  return select(gt(x, three), x, fma(fnma(y, set1<T>(6), n) + nLost, sixth, y));
}

// Maps take two parameters, whether or not their formula has them: one type of function for all.
#define UNARY(name, formula) \
  template <class T> void name(T* y, const T* x, int64_t n, bool streaming, T first, T second) { \
    [[maybe_unused]] const V<T> alpha = set1(first), beta = set1(second); \
    mapUnary(y, x, n, streaming, [&](V<T> x) FORMULA { return formula; }); \
  }
// dx from dy and y, which is the output of the map or, where the formula says x, its input.
#define BACKWARD_FROM(value, name, formula) \
  template <class T> void name(T* dx, const T* dy, const T* value, int64_t n, bool streaming, T first, T second) { \
    [[maybe_unused]] const V<T> alpha = set1(first), beta = set1(second); \
    mapBinary(dx, dy, 1, value, 1, n, streaming, [&](V<T> dy, V<T> value) FORMULA { return formula; }); \
  }
#define BINARY(name, formula) \
  template <class T> void name(T* c, const T* a, int aStep, const T* b, int bStep, int64_t n, bool streaming) { \
    mapBinary(c, a, aStep, b, bStep, n, streaming, [](V<T> a, V<T> b) FORMULA { return formula; }); \
  }

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a * b)
BINARY(div, a / b)
BINARY(minimumOf, minimum(a, b))
BINARY(maximumOf, maximum(a, b))
BINARY(addRelu, maximum(a + b, zero<T>()))
// max(0, a) + b·min(0, a), and its slope: PReLU, whose b is learned.
BINARY(prelu, select(gt(a, zero<T>()), a, b * a))
BINARY(preluSlope, select(gt(a, zero<T>()), set1<T>(1), select(isNaN(a), a, b)))

// a^b in double: whole exponents up to 2^20 by repeated squaring, the rest by exp(b·log a).
inline double powerLane(double a, double b, double general) {
  if (a != a || b != b) return b == 0 ? 1.0 : a + b;
  const double size = b < 0 ? -b : b;
  if (size <= 1048576.0 && double(int64_t(size)) == size) {
    double result = 1, base = a;
    for (int64_t e = int64_t(size); e > 0; e >>= 1, base = base * base)
      if (e & 1) result = result * base;
    return b < 0 ? 1.0 / result : result;
  }
  const double m = a < 0 ? -a : a;
  if (size == __builtin_inf()) return m == 1 ? 1.0 : (m > 1) == (b > 0) ? __builtin_inf() : 0.0;
  const bool whole = size >= 0x1p53 || double(int64_t(size)) == size, odd = whole && size < 0x1p53 && (int64_t(size) & 1);
  if (a == 0) return (b > 0 ? 0.0 : __builtin_inf()) * (odd && __builtin_signbit(a) ? -1.0 : 1.0);
  if (a > 0) return a == 1 ? 1.0 : general;
  if (whole) return odd ? -general : general;
  return m == __builtin_inf() ? (b > 0 ? m : 0.0) : __builtin_nan("");
}
template <class T> void power(T* c, const T* a, int aStep, const T* b, int bStep, int64_t n, bool) {
  for (int64_t i = 0; i < n; i += lanes) {
    const int m = n - i < lanes ? int(n - i) : lanes;
    double x[lanes], y[lanes], r[lanes];
    for (int j = 0; j < lanes; ++j) {
      x[j] = j < m ? double(a[aStep ? i + j : 0]) : 1.0;
      y[j] = j < m ? double(b[bStep ? i + j : 0]) : 1.0;
    }
    const V<double> vx = load(x), vy = load(y);
    const V<double> root = sqrt(vx), half = set1(0.5);
    V<double> general = exp(vy * log(abs(vx)));
    general = select(eq(vy, half), root, select(eq(vy, negate(half)), set1(1.0) / root, general));
    store(r, general);
    for (int j = 0; j < m; ++j) c[i + j] = T(powerLane(x[j], y[j], r[j]));
  }
}

// y += x
template <class T> void accumulate(T* y, const T* x, int64_t n) {
  mapBinary(y, static_cast<const T*>(y), 1, x, 1, n, false, [](V<T> y, V<T> x) FORMULA { return y + x; });
}
template <class T> void fill(T* y, T value, int64_t n) {
  const V<T> v = set1(value);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(y + i, v);
  if (i < n) store(y + i, v, int(n - i));
}

#undef BINARY
