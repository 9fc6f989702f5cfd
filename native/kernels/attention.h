// Attention: a row of scores becomes weights, a tile of keys at a time. Keys with keep[j] = 0 have no weight, and none has from the n-th on.

template <class T> inline T expLane(T x) {
  T t[lanes];
  store(t, exp(set1(x)));
  return t[0];
}

// s·scale where a key counts, else −∞.
template <class T> inline void scaleScores(T* s, const uint8_t* keep, int64_t n, T scale) {
  const V<T> factor = set1(scale);
  mapUnary(s, static_cast<const T*>(s), n, false, [&](V<T> s) FORMULA { return s * factor; });
  if (!keep) return;
  for (int64_t j = 0; j < n; ++j) if (!keep[j]) s[j] = T(-__builtin_inf());
}

// s = exp(s·scale − m) for the next tile of a row, m being the largest score so far. state: m, Σ of the weights so far, and what those before
// are to be multiplied by. Elements [n, width) become 0.
template <class T> void attentionRow(T* s, const uint8_t* keep, int64_t n, int64_t width, T scale, T* state) {
  scaleScores(s, keep, n, scale);
  for (int64_t j = n; j < width; ++j) s[j] = 0;
  const T before = state[0], tile = n > 0 ? rowMax(static_cast<const T*>(s), n) : before, max = better<true>(tile, before) ? tile : before;
  state[2] = 1;
  if (max == T(-__builtin_inf())) {
    for (int64_t j = 0; j < n; ++j) s[j] = 0;
    return;
  }
  const V<T> m = set1(max);
  mapUnary(s, static_cast<const T*>(s), n, false, [&](V<T> s) FORMULA { return exp(s - m); });
  state[0] = max;
  state[2] = expLane(before - max);
  state[1] = state[1] * state[2] + sum(static_cast<const T*>(s), n);
}

// The weights again, from the row's maximum and sum: s = exp(s·scale − max) / total; 0 where no key counted.
template <class T> void attentionWeights(T* s, const uint8_t* keep, int64_t n, int64_t width, T scale, T max, T total) {
  scaleScores(s, keep, n, scale);
  for (int64_t j = total == 0 ? 0 : n; j < width; ++j) s[j] = 0;
  if (total == 0) return;
  const V<T> m = set1(max), t = set1(total);
  mapUnary(s, static_cast<const T*>(s), n, false, [&](V<T> s) FORMULA { return exp(s - m) / t; });
}

// The gradient by q·k: d = (d − delta)·p·scale, from the gradient by the weights p and delta = Σ dy·y.
template <class T> void attentionGradient(T* d, const T* p, int64_t n, T delta, T scale) {
  const V<T> c = set1(delta), factor = set1(scale);
  mapBinary(d, static_cast<const T*>(d), 1, p, 1, n, false, [&](V<T> d, V<T> p) FORMULA { return (d - c) * p * factor; });
}
