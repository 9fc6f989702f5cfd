// Optimizer updates: one pass over the parameters, their gradients and their state. With `clear` the gradients are zero afterwards.

// A moment below the smallest normal number becomes 0; a NaN stays. Decaying ones would stop at the smallest number there is, and the
// processor takes many times as long over them.
template <class T> INLINE V<T> settled(V<T> moment) {
  constexpr T smallest = sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022);
  return select(gt(set1(smallest), abs(moment)), zero<T>(), moment);
}

// hyper: 0 learning rate, 1 momentum, 2 dampening, 3 weight decay (coupled), 4 Nesterov, 5 first step
// g += decay·w; v = settled(g at the first step, else momentum·v + (1−dampening)·g); w −= lr·(v, or g + momentum·v with Nesterov)
template <class T> void sgd(T* w, T* velocity, T* g, const double* hyper, int64_t n, bool clear) {
  const V<T> lr = set1(T(hyper[0])), momentum = set1(T(hyper[1])), fresh = set1(T(1.0 - hyper[2])), decay = set1(T(hyper[3]));
  const bool useMomentum = hyper[1] != 0, nesterov = hyper[4] != 0, first = hyper[5] != 0, useDecay = hyper[3] != 0;
  for (int64_t i = 0; i < n; i += lanes) {
    const int k = n - i < lanes ? int(n - i) : lanes;
    prefetch(w + i + ahead<T>);
    prefetch(g + i + ahead<T>);
    const V<T> weight = k == lanes ? load(w + i) : load(w + i, k);
    V<T> step = k == lanes ? load(g + i) : load(g + i, k);
    if (clear) {
      if (k == lanes) store(g + i, zero<T>());
      else store(g + i, zero<T>(), k);
    }
    if (useDecay) step = fma(decay, weight, step);
    if (useMomentum) {
      V<T> v = step;
      if (!first) v = fma(momentum, k == lanes ? load(velocity + i) : load(velocity + i, k), fresh * step);
      v = settled(v);
      if (k == lanes) store(velocity + i, v);
      else store(velocity + i, v, k);
      step = nesterov ? fma(momentum, v, step) : v;
    }
    const V<T> next = fnma(lr, step, weight);
    if (k == lanes) store(w + i, next);
    else store(w + i, next, k);
  }
}

// hyper: 0 learning rate, 1 beta1, 2 beta2, 3 eps, 4 weight decay, 5 decoupled (AdamW), 6 1−beta1^t, 7 1−beta2^t
// m = settled(b1·m + (1−b1)·g); v = settled(b2·v + (1−b2)·g²); w −= lr·(m/c1) / (√(v/c2) + eps)
template <class T> void adam(T* w, T* m, T* v, T* g, const double* hyper, int64_t n, bool clear) {
  const V<T> beta1 = set1(T(hyper[1])), beta2 = set1(T(hyper[2])), rest1 = set1(T(1.0 - hyper[1])), rest2 = set1(T(1.0 - hyper[2]));
  const V<T> eps = set1(T(hyper[3])), decay = set1(T(hyper[4])), keep = set1(T(1.0 - hyper[0] * hyper[4]));
  const V<T> step = set1(T(hyper[0] / hyper[6])), correction = set1(T(1.0 / hyper[7]));
  const bool coupled = hyper[4] != 0 && hyper[5] == 0, decoupled = hyper[4] != 0 && hyper[5] != 0;
  for (int64_t i = 0; i < n; i += lanes) {
    const int k = n - i < lanes ? int(n - i) : lanes;
    const bool whole = k == lanes;
    prefetch(w + i + ahead<T>);
    prefetch(g + i + ahead<T>);
    prefetch(m + i + ahead<T>);
    prefetch(v + i + ahead<T>);
    V<T> weight = whole ? load(w + i) : load(w + i, k);
    V<T> gradient = whole ? load(g + i) : load(g + i, k);
    if (clear) {
      if (whole) store(g + i, zero<T>());
      else store(g + i, zero<T>(), k);
    }
    if (coupled) gradient = fma(decay, weight, gradient);
    const V<T> mean = settled(fma(beta1, whole ? load(m + i) : load(m + i, k), rest1 * gradient));
    const V<T> square = settled(fma(beta2, whole ? load(v + i) : load(v + i, k), rest2 * (gradient * gradient)));
    if (decoupled) weight = weight * keep;
    const V<T> next = weight - (step * mean) / (sqrt(square * correction) + eps);
    if (whole) { store(m + i, mean); store(v + i, square); store(w + i, next); }
    else { store(m + i, mean, k); store(v + i, square, k); store(w + i, next, k); }
  }
}
