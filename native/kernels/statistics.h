// Norms and statistics of at most `sumBlock` elements: sums in double over 32 lanes, element i in lane i mod 32, folded by halves.

// Σ f(i)², where `f(i, k)` is the vector of elements [i, i + k).
template <class F> INLINE double sumOfSquares(int64_t n, F f) {
  V<double> s0 = zero<double>(), s1 = s0;
  int64_t i = 0;
  const auto add = [](V<double> s, V<double> x) { return fma(x, x, s); };
  for (; i + 32 <= n; i += 32) {
    s0 = add(s0, f(i, lanes));
    s1 = add(s1, f(i + 16, lanes));
  }
  if (i < n) s0 = add(s0, f(i, n - i < lanes ? int(n - i) : lanes));
  if (i + 16 < n) s1 = add(s1, f(i + 16, int(n - i - 16)));
  return sumLanes(s0 + s1);
}

template <class T> double sumSquares(const T* x, int64_t n) {
  return sumOfSquares(n, [=](int64_t i, int k) { return widen(k == lanes ? load(x + i) : load(x + i, k)); });
}
// Σ (a − b)²: the difference is taken in double, where that of two close floats is exact.
template <class T> double sumSquaresDifference(const T* a, const T* b, int64_t n) {
  return sumOfSquares(n, [=](int64_t i, int k) {
    return k == lanes ? widen(load(a + i)) - widen(load(b + i)) : widen(load(a + i, k)) - widen(load(b + i, k));
  });
}
