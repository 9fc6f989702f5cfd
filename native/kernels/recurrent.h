// Recurrent cells: what a time step does to one example beside its matrix products. `pre` is what the input gives to the gates, `u` what the
// state gives, each n numbers a gate; `gates` is what the backward reads again. Gates may lie where `pre` does, and da where they do.

// h = f(pre + u); f is tanh, or ReLU where `rectified`.
template <class T> void simpleCell(T* h, const T* pre, const T* u, int64_t n, bool rectified) {
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> a = load(pre + j, m) + load(u + j, m);
    store(h + j, rectified ? maximum(a, zero<T>()) : tanh(a), m);
  });
}
// da = f'·d, from the output h
template <class T> void simpleCellBackward(T* da, const T* d, const T* h, int64_t n, bool rectified) {
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> dh = load(d + j, m), y = load(h + j, m);
    store(da + j, rectified ? reluGradient(dh, y) : tanhSlope(y) * dh, m);
  });
}

// gates = f(pre + u). One function at a time: the constants of all would not fit into the registers.
template <class T> INLINE void sigmoidGates(T* gates, const T* pre, const T* u, int64_t n) {
  eachVector(n, [&](int64_t j, auto m) FORMULA { store(gates + j, sigmoid(load(pre + j, m) + load(u + j, m)), m); });
}
template <class T> INLINE void tanhGates(T* gates, const T* pre, const T* u, int64_t n) {
  eachVector(n, [&](int64_t j, auto m) FORMULA { store(gates + j, tanh(load(pre + j, m) + load(u + j, m)), m); });
}

// Gates i, f, g, o: c = f·c + i·g, h = o·tanh(c), where i, f, o are sigmoids and g is a tanh.
template <class T> void lstmCell(T* h, T* c, T* gates, const T* pre, const T* u, int64_t n) {
  sigmoidGates(gates, pre, u, 2 * n);
  tanhGates(gates + 2 * n, pre + 2 * n, u + 2 * n, n);
  sigmoidGates(gates + 3 * n, pre + 3 * n, u + 3 * n, n);
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> cell = fma(load(gates + n + j, m), load(c + j, m), load(gates + j, m) * load(gates + 2 * n + j, m));
    store(c + j, cell, m);
    store(h + j, load(gates + 3 * n + j, m) * tanh(cell), m);
  });
}
// da of the four gates from d, the gradient by h, and dc, that by the cell; dc becomes the gradient by the cell before, which is `c`.
template <class T> void lstmCellBackward(T* da, const T* d, T* dc, const T* gates, const T* c, int64_t n) {
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> i = load(gates + j, m), f = load(gates + n + j, m), g = load(gates + 2 * n + j, m), o = load(gates + 3 * n + j, m);
    const V<T> before = load(c + j, m), dh = load(d + j, m);
    const V<T> t = tanh(fma(f, before, i * g));
    const V<T> cell = fma(dh * o, tanhSlope(t), load(dc + j, m));
    store(da + j, sigmoidSlope(i) * (cell * g), m);
    store(da + n + j, sigmoidSlope(f) * (cell * before), m);
    store(da + 2 * n + j, tanhSlope(g) * (cell * i), m);
    store(da + 3 * n + j, sigmoidSlope(o) * (dh * t), m);
    store(dc + j, cell * f, m);
  });
}

// Gates r, z, n, and q, what r lets through: h = n + z·(h − n). Here q is of the state's product, with `bias` where there is one: n = tanh(pre + r·q).
template <class T> void gruCell(T* h, T* gates, T* q, const T* pre, const T* u, const T* bias, int64_t n) {
  sigmoidGates(gates, pre, u, 2 * n);
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    V<T> through = load(u + 2 * n + j, m);
    if (bias) through = through + load(bias + j, m);
    store(q + j, through, m);
    const V<T> candidate = tanh(fma(load(gates + j, m), through, load(pre + 2 * n + j, m)));
    store(gates + 2 * n + j, candidate, m);
    store(h + j, fma(load(gates + n + j, m), load(h + j, m) - candidate, candidate), m);
  });
}
// da of r, z and n, dq of what r lets through, and d becomes what goes to the state before, which is `h`, past the product.
template <class T> void gruCellBackward(T* da, T* dq, T* d, const T* gates, const T* q, const T* h, int64_t n) {
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> r = load(gates + j, m), z = load(gates + n + j, m), candidate = load(gates + 2 * n + j, m);
    const V<T> dh = load(d + j, m), dn = tanhSlope(candidate) * fnma(dh, z, dh);
    store(da + j, sigmoidSlope(r) * (dn * load(q + j, m)), m);
    store(da + n + j, sigmoidSlope(z) * (dh * (load(h + j, m) - candidate)), m);
    store(da + 2 * n + j, dn, m);
    store(dq + j, dn * r, m);
    store(d + j, dh * z, m);
  });
}

// The original form in two parts, for its q = r·h goes through a product: n = tanh(pre + q·W).
template <class T> void gruReset(T* gates, T* q, const T* pre, const T* u, const T* h, int64_t n) {
  sigmoidGates(gates, pre, u, 2 * n);
  eachVector(n, [&](int64_t j, auto m) FORMULA { store(q + j, load(gates + j, m) * load(h + j, m), m); });
}
template <class T> void gruCandidate(T* h, T* gates, const T* pre, const T* u, int64_t n) {
  tanhGates(gates + 2 * n, pre + 2 * n, u, n);
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> candidate = load(gates + 2 * n + j, m);
    store(h + j, fma(load(gates + n + j, m), load(h + j, m) - candidate, candidate), m);
  });
}
template <class T> void gruCandidateBackward(T* da, T* d, const T* gates, const T* h, int64_t n) {
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> z = load(gates + n + j, m), candidate = load(gates + 2 * n + j, m), dh = load(d + j, m);
    store(da + n + j, sigmoidSlope(z) * (dh * (load(h + j, m) - candidate)), m);
    store(da + 2 * n + j, tanhSlope(candidate) * fnma(dh, z, dh), m);
    store(d + j, dh * z, m);
  });
}
// da of r from dq, the gradient by q; d gets what r lets through of it.
template <class T> void gruResetBackward(T* da, T* d, const T* dq, const T* gates, const T* h, int64_t n) {
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const V<T> r = load(gates + j, m), g = load(dq + j, m);
    store(da + j, sigmoidSlope(r) * (g * load(h + j, m)), m);
    store(d + j, fma(g, r, load(d + j, m)), m);
  });
}
