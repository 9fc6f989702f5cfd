// Local response normalization of the channels of one pixel: y = x·s^−β with s = k + factor·Σ x² over `before` channels before, the channel
// itself and `after` behind it.

// s^β. ¾ is AlexNet's: two square roots take a tenth of the time.
template <class T> INLINE V<T> powerOf(V<T> s, T beta) {
  if (beta == T(0.75)) {
    const V<T> root = sqrt(s);
    return root * sqrt(root);
  }
  return exp(set1(beta) * log(s));
}

template <class T> INLINE void clear(T* p, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = T(0);
}
// The squares of x, with zeros on both sides.
template <class T> INLINE void squaresOf(T* squares, const T* x, int64_t n, int64_t before, int64_t after) {
  clear(squares, before);
  clear(squares + before + n, after);
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> v = load(x + j, m);
    store(squares + before + j, v * v, m);
  });
}
// Σ p[j … j + others], in this order.
template <class T, class L> INLINE V<T> sumAround(const T* p, int64_t others, L m) {
  V<T> sum = load(p, m);
  for (int64_t d = 1; d <= others; ++d) sum = sum + load(p + d, m);
  return sum;
}

template <class T>
void responseNorm(T* y, const T* x, T* scratch, int64_t n, int64_t before, int64_t after, T factor, T beta, T k) {
  squaresOf(scratch, x, n, before, after);
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> s = set1(k) + set1(factor) * sumAround(scratch + j, before + after, m);
    store(y + j, load(x + j, m) / powerOf(s, beta), m);
  });
}

// dx = dy·s^−β − 2·factor·β·x·Σ dy·x·s^(−β − 1) over the channels whose sums hold x².
template <class T>
void responseNormBackward(T* dx, const T* dy, const T* x, T* scratch, int64_t n, int64_t before, int64_t after, T factor, T beta, T k) {
  T* const shares = scratch + before + n + after;
  squaresOf(scratch, x, n, before, after);
  clear(shares, after);
  clear(shares + after + n, before);
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> s = set1(k) + set1(factor) * sumAround(scratch + j, before + after, m);
    const V<T> own = load(dy + j, m) / powerOf(s, beta);
    store(dx + j, own, m);
    store(shares + after + j, own * load(x + j, m) / s, m);
  });
  const V<T> slope = set1(T(2) * factor * beta);
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    store(dx + j, load(dx + j, m) - slope * load(x + j, m) * sumAround(shares + j, before + after, m), m);
  });
}
