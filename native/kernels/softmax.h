// Softmax, log-softmax and cross-entropy of one row, and of single logits, forward over backward; stable for any finite logits.

// max of the row; a NaN stays.
template <class T> inline T rowMax(const T* x, int64_t n) {
  int32_t at;
  return extremeRow<true>(x, n, &at);
}

// y = exp(x − max) and Σy. A row of −inf (max = −inf) and a row with +inf give NaN, as the mathematics has no answer.
template <class T> inline T expShifted(T* y, const T* x, T max, int64_t n) {
  const V<T> m = set1(max);
  mapUnary(y, x, n, false, [&](V<T> x) FORMULA { return exp(x - m); });
  return sum(y, n);
}

template <class T> void softmaxRow(T* y, const T* x, int64_t n) {
  const V<T> s = set1(expShifted(y, x, rowMax(x, n), n));
  mapUnary(y, static_cast<const T*>(y), n, false, [&](V<T> e) FORMULA { return e / s; });
}

// Σ a·b over the 64 lanes of `sum`, products rounded before they are added.
template <class T> inline T dotLeaf(const T* a, const T* b, int64_t n) {
  V<T> s[4] = {zero<T>(), zero<T>(), zero<T>(), zero<T>()};
  for (int64_t i = 0; i < n; i += 64)
    for (int q = 0; q < 4; ++q) {
      const int64_t at = i + q * lanes;
      if (at >= n) break;
      const int m = n - at < lanes ? int(n - at) : lanes;
      s[q] = s[q] + load(a + at, m) * load(b + at, m);
    }
  return sumLanes((s[0] + s[2]) + (s[1] + s[3]));
}
template <class T> T dot(const T* a, const T* b, int64_t n) {
  if (n <= sumBlock) return dotLeaf(a, b, n);
  const int64_t blocks = (n + sumBlock - 1) / sumBlock, left = (blocks + 1) / 2 * sumBlock;
  return dot(a, b, left) + dot(a + left, b + left, n - left);
}

// dx = y·(dy − Σ dy·y)
template <class T> void softmaxRowBackward(T* dx, const T* dy, const T* y, int64_t n) {
  const V<T> s = set1(dot(dy, y, n));
  mapBinary(dx, dy, 1, y, 1, n, false, [&](V<T> dy, V<T> y) FORMULA { return y * (dy - s); });
}

template <class T> inline T log1pLane(T x) {
  T t[lanes];
  store(t, log1p(set1(x)));
  return t[0];
}

// What log-softmax and both cross-entropies share: e = exp(x − max), its sum, and log Σ exp(x − max) as log1p of the sum without the
// largest term, which keeps a confident row's tiny loss (course row E22).
template <class T> struct RowStatistics { T max, sum, logSum; };
template <class T> inline RowStatistics<T> rowStatistics(T* e, const T* x, int64_t n) {
  int32_t at;
  const T max = extremeRow<true>(x, n, &at);
  const V<T> m = set1(max);
  mapUnary(e, x, n, false, [&](V<T> x) FORMULA { return exp(x - m); });
  const T largest = e[at];  // 1, or NaN
  e[at] = 0;
  const T others = sum(static_cast<const T*>(e), n);
  e[at] = largest;
  return {max, others + largest, log1pLane(others) + (largest - T(1))};  // the last bracket is 0, or carries the NaN
}

// y = (x − max) − log Σ exp(x − max)
template <class T> void logSoftmaxRow(T* y, const T* x, int64_t n) {
  const RowStatistics<T> r = rowStatistics(y, x, n);
  const V<T> m = set1(r.max), l = set1(r.logSum);
  mapUnary(y, x, n, false, [&](V<T> x) FORMULA { return (x - m) - l; });
}

// dx = dy − exp(y)·Σ dy
template <class T> void logSoftmaxRowBackward(T* dx, const T* dy, const T* y, int64_t n) {
  const V<T> s = set1(sum(dy, n));
  mapBinary(dx, dy, 1, y, 1, n, false, [&](V<T> dy, V<T> y) FORMULA { return fnma(exp(y), s, dy); });
}

// loss = log Σ exp(x − max) − (x[label] − max); difference = softmax(x) − target.
// Label smoothing s: target = (1−s)·onehot + s/n.
template <class T> T crossEntropyRow(T* difference, const T* x, int64_t n, int64_t label, T smoothing) {
  const RowStatistics<T> r = rowStatistics(difference, x, n);
  const V<T> total = set1(r.sum), share = set1(smoothing / T(n));
  T loss = r.logSum - (x[label] - r.max);
  if (smoothing == T(0)) {
    mapUnary(difference, static_cast<const T*>(difference), n, false, [&](V<T> e) FORMULA { return e / total; });
    difference[label] = difference[label] - T(1);
  } else {
    // Σ target·(logSum − (x − max)) = (1−s)·loss(label) + s·mean over classes
    const T mean = sum(x, n) / T(n) - r.max;
    loss = (T(1) - smoothing) * loss + smoothing * (r.logSum - mean);
    mapUnary(difference, static_cast<const T*>(difference), n, false, [&](V<T> e) FORMULA { return e / total - share; });
    difference[label] = difference[label] - (T(1) - smoothing);
  }
  return loss;
}

// The same for a row of target probabilities: loss = Σ t·(logSum − (x − max)).
template <class T> T crossEntropyDenseRow(T* difference, const T* x, const T* target, int64_t n, T smoothing) {
  const RowStatistics<T> r = rowStatistics(difference, x, n);
  const V<T> total = set1(r.sum), m = set1(r.max), l = set1(r.logSum), keep = set1(T(1) - smoothing), share = set1(smoothing / T(n));
  T loss = 0;
  T mass = 0;  // Σ target: the softmax is weighted by it, so that targets need not sum to 1
  for (int64_t i = 0; i < n; i += lanes) {
    const int k = n - i < lanes ? int(n - i) : lanes;
    V<T> t = load(target + i, k);
    if (smoothing != T(0)) t = fma(t, keep, share);
    T terms[lanes], weights[lanes];
    // A target of 0 takes no part, even where the logit is −inf.
    store(terms, select(eq(t, zero<T>()), zero<T>(), t * (l - (load(x + i, k) - m))));
    store(weights, t);
    for (int j = 0; j < k; ++j) { loss = loss + terms[j]; mass = mass + weights[j]; }
  }
  const V<T> w = set1(mass);
  for (int64_t i = 0; i < n; i += lanes) {
    const int k = n - i < lanes ? int(n - i) : lanes;
    V<T> t = load(target + i, k);
    if (smoothing != T(0)) t = fma(t, keep, share);
    store(difference + i, w * (load(difference + i, k) / total) - t, k);
  }
  return loss;
}

// loss = p·t·softplus(−x) + (1 − t)·softplus(x), in which no term cancels another; difference = (1 − t)·σ(x) − p·t·σ(−x).
template <class T> void binaryCrossEntropy(T* loss, T* difference, const T* x, const T* target, int64_t n, T positiveWeight) {
  const V<T> one = set1(T(1)), p = set1(positiveWeight);
  const auto part = [&](int64_t i, int m) FORMULA {
    const V<T> logit = load(x + i, m), t = load(target + i, m), size = abs(logit), e = exp(negate(size));
    const V<T> small = log1pFinite(e), large = size + small;             // softplus of −|x| and of |x|
    const V<T> likely = one / (one + e), unlikely = e * likely;          // σ of |x| and of −|x|
    const V<T> yes = p * t, no = one - t;
    const auto below = gt(zero<T>(), logit);
    store(loss + i, yes * select(below, large, small) + no * select(below, small, large), m);
    store(difference + i, no * select(below, unlikely, likely) - yes * select(below, likely, unlikely), m);
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) part(i, lanes);
  if (i < n) part(i, int(n - i));
}
