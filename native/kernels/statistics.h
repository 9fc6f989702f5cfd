// Norms and statistics of at most `sumBlock` elements: sums in double over 32 lanes, element i in lane i mod 32, folded by halves.

// Calls `add(i, k, lane half)` for the vectors of elements [i, i + k), alternately for lanes 0 to 15 and 16 to 31.
template <class F> INLINE void forHalves(int64_t n, F add) {
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    add(i, lanes, 0);
    add(i + 16, lanes, 1);
  }
  if (i < n) add(i, n - i < lanes ? int(n - i) : lanes, 0);
  if (i + 16 < n) add(i + 16, int(n - i - 16), 1);
}
template <class T> INLINE V<double> widened(const T* x, int k) { return widen(k == lanes ? load(x) : load(x, k)); }

template <class T> double sumSquares(const T* x, int64_t n) {
  V<double> s[2] = {zero<double>(), zero<double>()};
  forHalves(n, [&](int64_t i, int k, int half) {
    const V<double> v = widened(x + i, k);
    s[half] = fma(v, v, s[half]);
  });
  return sumLanes(s[0] + s[1]);
}
// Σ (a − b)², and Σ b² beside it. The difference is taken in double, where that of two close floats is exact.
template <class T> double sumSquaresDifference(const T* a, const T* b, int64_t n, double* squares) {
  V<double> s[2] = {zero<double>(), zero<double>()}, q[2] = {s[0], s[0]};
  forHalves(n, [&](int64_t i, int k, int half) {
    const V<double> v = widened(b + i, k), d = widened(a + i, k) - v;
    s[half] = fma(d, d, s[half]);
    q[half] = fma(v, v, q[half]);
  });
  *squares = sumLanes(q[0] + q[1]);
  return sumLanes(s[0] + s[1]);
}

// ---- moments and histogram ----

// Of n ≥ 1 finite elements: out = n, zeros, mean, Σ (x − mean)², least, largest. Two passes over a block that lies in the first cache, so
// that a large mean cancels nothing.
template <class T> inline void momentsOf(const T* x, int64_t n, double* out) {
  const V<T> none = zero<T>(), one = set1(T(1));
  V<double> s0 = zero<double>(), s1 = s0;
  V<T> low = set1(x[0]), high = low, zeros = none;
  const int64_t body = n - n % 32;
  for (int64_t i = 0; i < body; i += 32) {
    const V<T> a = load(x + i), b = load(x + i + 16);
    s0 = s0 + widen(a);
    s1 = s1 + widen(b);
    low = rawMin(b, rawMin(a, low));
    high = rawMax(b, rawMax(a, high));
    zeros = zeros + select(eq(a, none), one, none) + select(eq(b, none), one, none);
  }
  // The last elements keep their lanes: 0 to 15 in the first half, 16 to 31 in the second.
  double last[32] = {};
  for (int64_t i = body; i < n; ++i) last[i - body] = double(x[i]);
  s0 = s0 + load(last);
  s1 = s1 + load(last + 16);
  const double mean = sumLanes(s0 + s1) / double(n);

  const V<double> shift = set1(mean);
  V<double> q0 = zero<double>(), q1 = q0;
  for (int64_t i = 0; i < body; i += 32) {
    for (int64_t j = 0; j < 32; j += int64_t(64 / sizeof(T))) prefetch(x + n + i + j);  // the next block
    const V<double> a = widen(load(x + i)) - shift, b = widen(load(x + i + 16)) - shift;
    q0 = fma(a, a, q0);
    q1 = fma(b, b, q1);
  }
  T lows[16], highs[16], counts[16];
  store(lows, low);
  store(highs, high);
  store(counts, zeros);
  for (int j = 1; j < 16; ++j) {
    if (lows[j] < lows[0]) lows[0] = lows[j];
    if (highs[j] > highs[0]) highs[0] = highs[j];
    counts[0] = counts[0] + counts[j];
  }
  for (int64_t i = body; i < n; ++i) {
    last[i - body] = last[i - body] - mean;
    if (x[i] < lows[0]) lows[0] = x[i];
    if (x[i] > highs[0]) highs[0] = x[i];
    if (x[i] == 0) counts[0] = counts[0] + T(1);
  }
  q0 = fma(load(last), load(last), q0);
  q1 = fma(load(last + 16), load(last + 16), q1);
  out[0] = double(n);
  out[1] = double(counts[0]);
  out[2] = mean;
  out[3] = sumLanes(q0 + q1);
  // +0 whichever zero came last
  out[4] = double(lows[0]) + 0.0;
  out[5] = double(highs[0]) + 0.0;
}

// A bin is a sign, an octave and the first two bits of the mantissa: bin 128 + 4·o + q counts [2^o·(1 + q/4), 2^o·(1 + (q+1)/4))·2^-24 for
// octaves o of 0 to 31; the first one begins at 0, the last one has no end; bins below 128 are the same for negative numbers, mirrored.
template <class T> inline void countBins(const T* x, int64_t n, int32_t* counts) {
  constexpr int mantissa = sizeof(T) == 4 ? 23 : 52, bias = sizeof(T) == 4 ? 127 : 1023, sign = int(sizeof(T)) * 8 - 1;
  const V<T> least = set1(T(0x1p-24)), largest = set1(T(0x1.cp7));
  const B<T> first = setBits<T>((bias - 24) * 4), middle = setBits<T>(128), none = setBits<T>(0);
  // Eight counts in turn: equal numbers, such as zeros, would wait for each other.
  int32_t parts[8][256] = {};
  constexpr int64_t chunk = 512;
  T bins[chunk];
  const unsigned char* bin = reinterpret_cast<const unsigned char*>(bins);  // the lowest byte of each comes first
  for (int64_t at = 0; at < n; at += chunk, x += chunk) {
    const int64_t m = n - at < chunk ? n - at : chunk;
    for (int64_t i = 0; i < m; i += lanes) {
      const V<T> a = (m - i >= lanes ? load(x + i) : load(x + i, int(m - i))) + zero<T>();  // −0 is 0
      const B<T> magnitude = shr<mantissa - 2>(bits(rawMin(rawMax(abs(a), least), largest))) - first;
      const B<T> mirror = none - shr<sign>(bits(a));
      store(bins + i, fromBits<T>((magnitude ^ mirror) + middle));
    }
    int64_t i = 0;
    for (; i + 8 <= m; i += 8)
      for (int j = 0; j < 8; ++j) ++parts[j][bin[(i + j) * int64_t(sizeof(T))]];
    for (; i < m; ++i) ++parts[0][bin[i * int64_t(sizeof(T))]];
  }
  for (int j = 0; j < 8; ++j)
    for (int b = 0; b < 256; ++b) counts[b] += parts[j][b];
}

// Moments of the finite ones of 1 ≤ n ≤ sumBlock elements, all 0 where there is none; adds to 256 counts unless `counts` is null.
template <class T> void statistics(const T* x, int64_t n, double* out, int32_t* counts) {
  momentsOf(x, n, out);
  T finite[sumBlock];
  // The mean is finite unless an element is not, or float64 overflows.
  if (!(out[2] - out[2] == 0)) {
    int64_t m = 0;
    for (int64_t i = 0; i < n; ++i)
      if (x[i] - x[i] == 0) finite[m++] = x[i];
    if (m < n) {
      x = finite;
      n = m;
      if (m > 0) momentsOf(x, n, out);
      else for (int j = 0; j < 6; ++j) out[j] = 0;
    }
  }
  if (counts) countBins(x, n, counts);
}
