// Optimizer rules: formulas over weights, gradients, state and hyperparameters, and the one loop that walks with any of them.

// A moment below the smallest normal number becomes 0; a NaN stays. Decaying ones would stop at the smallest number there is, and the
// processor takes many times as long over them.
template <class T> INLINE V<T> settled(V<T> moment) {
  constexpr T smallest = sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022);
  return select(gt(set1(smallest), abs(moment)), zero<T>(), moment);
}

// A number that decays: settled(beta·old + rest·x), where `rest` is 1−beta.
template <class T> struct Average {
  V<T> beta, rest;
  INLINE explicit Average(double b) : beta(set1(T(b))), rest(set1(T(1.0 - b))) {}
  INLINE V<T> operator()(V<T> old, V<T> x) const { return settled(fma(beta, old, rest * x)); }
};

// A rule is made from the learning rate and its own hyperparameters h. It takes weights, gradients (scaled and decayed) and state s,
// updates the state and gives the next weights. A state tensor that the caller left out reads as 0 and is not written.

// h: momentum, dampening, Nesterov, first step
// v = g at the first step, else momentum·v + (1−dampening)·g; w −= lr·(v, or g + momentum·v with Nesterov)
template <class T> struct Sgd {
  V<T> lr, momentum, fresh;
  bool useMomentum, nesterov, first;
  INLINE Sgd(double rate, const double* h)
      : lr(set1(T(rate))), momentum(set1(T(h[0]))), fresh(set1(T(1.0 - h[1]))), useMomentum(h[0] != 0), nesterov(h[2] != 0), first(h[3] != 0) {}
  INLINE V<T> operator()(V<T> w, V<T> g, V<T>* s) const {
    if (!useMomentum) return fnma(lr, g, w);
    s[0] = settled(first ? g : fma(momentum, s[0], fresh * g));
    return fnma(lr, nesterov ? fma(momentum, s[0], g) : s[0], w);
  }
};

// h: momentum, Nesterov. The learning rate stands inside: v = momentum·v − lr·g; w += v, or momentum·v − lr·g with Nesterov
template <class T> struct SgdVelocity {
  V<T> lr, momentum;
  bool nesterov;
  INLINE SgdVelocity(double rate, const double* h) : lr(set1(T(rate))), momentum(set1(T(h[0]))), nesterov(h[1] != 0) {}
  INLINE V<T> operator()(V<T> w, V<T> g, V<T>* s) const {
    const V<T> step = lr * g;
    s[0] = settled(fma(momentum, s[0], negate(step)));
    return w + (nesterov ? fma(momentum, s[0], negate(step)) : s[0]);
  }
};

// √x + eps, or √(x + eps)
template <class T> struct Root {
  V<T> eps;
  bool inside;
  INLINE Root(double e, bool in) : eps(set1(T(e))), inside(in) {}
  INLINE V<T> operator()(V<T> x) const { return inside ? sqrt(x + eps) : sqrt(x) + eps; }
};

// h: eps, inside the root, what the sum starts from (0 but at the first step). s += g²; w −= lr·g / root(s)
template <class T> struct Adagrad {
  V<T> lr, start;
  Root<T> root;
  INLINE Adagrad(double rate, const double* h) : lr(set1(T(rate))), start(set1(T(h[2]))), root(h[0], h[1] != 0) {}
  INLINE V<T> operator()(V<T> w, V<T> g, V<T>* s) const {
    s[0] = fma(g, g, s[0] + start);
    return w - lr * g / root(s[0]);
  }
};

// h: rho, eps. a = rho·a + (1−rho)·g²; d = g·√(u + eps)/√(a + eps); u = rho·u + (1−rho)·d²; w −= lr·d
template <class T> struct Adadelta {
  V<T> lr, eps;
  Average<T> average;
  INLINE Adadelta(double rate, const double* h) : lr(set1(T(rate))), eps(set1(T(h[1]))), average(h[0]) {}
  INLINE V<T> operator()(V<T> w, V<T> g, V<T>* s) const {
    s[0] = average(s[0], g * g);
    const V<T> step = sqrt(s[1] + eps) / sqrt(s[0] + eps) * g;
    s[1] = average(s[1], step * step);
    return fnma(lr, step, w);
  }
};

// h: alpha, eps, inside the root, momentum, centred
// a = alpha·a + (1−alpha)·g²; with centred m = alpha·m + (1−alpha)·g and a − m² below the root; v = momentum·v + g/root; w −= lr·v
template <class T> struct Rmsprop {
  V<T> lr, momentum;
  Average<T> average;
  Root<T> root;
  bool useMomentum, centred;
  INLINE Rmsprop(double rate, const double* h)
      : lr(set1(T(rate))), momentum(set1(T(h[3]))), average(h[0]), root(h[1], h[2] != 0), useMomentum(h[3] != 0), centred(h[4] != 0) {}
  INLINE V<T> operator()(V<T> w, V<T> g, V<T>* s) const {
    V<T> square = s[0] = average(s[0], g * g);
    if (centred) {
      s[1] = average(s[1], g);
      // Rounding may bring the difference below 0.
      square = maximum(fnma(s[1], s[1], square), zero<T>());
    }
    V<T> step = g / root(square);
    if (useMomentum) step = s[2] = settled(fma(momentum, s[2], step));
    return fnma(lr, step, w);
  }
};

// h: beta1, beta2, eps, step, correction, AMSGrad; `step` is lr/(1−beta1^t), `correction` 1/(1−beta2^t)
// m = b1·m + (1−b1)·g; v = b2·v + (1−b2)·g²; w −= step·m / (√(v·correction) + eps), with AMSGrad of the largest v so far.
// Without a correction, 0, the root is 0 though v is infinite.
template <class T> struct Adam {
  V<T> eps, step, correction;
  Average<T> mean, square;
  bool rooted, largest;
  INLINE Adam(double, const double* h)
      : eps(set1(T(h[2]))), step(set1(T(h[3]))), correction(set1(T(h[4]))), mean(h[0]), square(h[1]), rooted(h[4] != 0), largest(h[5] != 0) {}
  INLINE V<T> operator()(V<T> w, V<T> g, V<T>* s) const {
    s[0] = mean(s[0], g);
    s[1] = square(s[1], g * g);
    if (largest) s[2] = maximum(s[2], s[1]);
    if (!rooted) return w - (step * s[0]) / eps;
    return w - (step * s[0]) / (sqrt((largest ? s[2] : s[1]) * correction) + eps);
  }
};

// h: beta1, beta2, eps, step; `step` is lr/(1−beta1^t). m as in Adam; u = max(b2·u, |g| + eps); w −= step·m / u
template <class T> struct Adamax {
  V<T> beta2, eps, step;
  Average<T> mean;
  INLINE Adamax(double, const double* h) : beta2(set1(T(h[1]))), eps(set1(T(h[2]))), step(set1(T(h[3]))), mean(h[0]) {}
  INLINE V<T> operator()(V<T> w, V<T> g, V<T>* s) const {
    s[0] = mean(s[0], g);
    s[1] = maximum(settled(beta2 * s[1]), abs(g) + eps);
    return w - (step * s[0]) / s[1];
  }
};

// h: beta1, beta2, eps, step of the gradient, step of the mean, correction. m, v as in Adam; w −= (gs·g + ms·m) / (√(v·correction) + eps)
template <class T> struct Nadam {
  V<T> eps, fresh, onward, correction;
  Average<T> mean, square;
  INLINE Nadam(double, const double* h)
      : eps(set1(T(h[2]))), fresh(set1(T(h[3]))), onward(set1(T(h[4]))), correction(set1(T(h[5]))), mean(h[0]), square(h[1]) {}
  INLINE V<T> operator()(V<T> w, V<T> g, V<T>* s) const {
    s[0] = mean(s[0], g);
    s[1] = square(s[1], g * g);
    return w - fma(onward, s[0], fresh * g) / (sqrt(s[1] * correction) + eps);
  }
};

// h: beta1, beta2. w −= lr·sign(b1·m + (1−b1)·g); m = b2·m + (1−b2)·g
template <class T> struct Lion {
  V<T> lr;
  Average<T> direction, mean;
  INLINE Lion(double rate, const double* h) : lr(set1(T(rate))), direction(h[0]), mean(h[1]) {}
  INLINE V<T> operator()(V<T> w, V<T> g, V<T>* s) const {
    const V<T> next = direction(s[0], g);
    s[0] = mean(s[0], g);
    return fnma(lr, select(gt(abs(next), zero<T>()), withSign(set1<T>(1), next), next), w);
  }
};

// hyper: learning rate, weight decay, whether it is decoupled, then the rule's own
// g *= factor (with `clear` the gradients are zero afterwards); g += decay·w, or decoupled w *= 1 − lr·decay; then the rule
template <template <class> class Rule, int states, class T>
INLINE void update(T* w, T* const* state, T* g, T factor, const double* hyper, int64_t n, bool clear) {
  const Rule<T> rule(hyper[0], hyper + 3);
  const V<T> scale = set1(factor), decay = set1(T(hyper[1])), keep = set1(T(1.0 - hyper[0] * hyper[1]));
  const bool scaled = factor != T(1), coupled = hyper[1] != 0 && hyper[2] == 0, decoupled = hyper[1] != 0 && hyper[2] != 0;
  for (int64_t i = 0; i < n; i += lanes) {
    const int k = n - i < lanes ? int(n - i) : lanes;
    const auto read = [&](const T* from) FORMULA { return k == lanes ? load(from + i) : load(from + i, k); };
    const auto write = [&](T* to, V<T> x) FORMULA {
      if (k == lanes) store(to + i, x);
      else store(to + i, x, k);
    };
    prefetch(w + i + ahead<T>);
    prefetch(g + i + ahead<T>);
    V<T> weight = read(w), gradient = read(g), s[states];
    for (int j = 0; j < states; ++j) {
      if (state[j]) prefetch(state[j] + i + ahead<T>);
      s[j] = state[j] ? read(state[j]) : zero<T>();
    }
    if (scaled) gradient = gradient * scale;
    if (clear) write(g, zero<T>());
    else if (scaled) write(g, gradient);
    if (coupled) gradient = fma(decay, weight, gradient);
    if (decoupled) weight = weight * keep;
    weight = rule(weight, gradient, s);
    for (int j = 0; j < states; ++j) if (state[j]) write(state[j], s[j]);
    write(w, weight);
  }
}
