// Counter-based random numbers (Philox4x32-10): element i is word i mod 4 of block `offset + i/4`, whatever the thread count.
// state: 0–1 key, 2–3 offset of the first block, 4–5 stream.

struct PhiloxBlock { uint32_t word[4]; };

inline PhiloxBlock philox(const uint32_t* state, uint64_t block) {
  const uint64_t at = (uint64_t(state[3]) << 32 | state[2]) + block;
  uint32_t c0 = uint32_t(at), c1 = uint32_t(at >> 32), c2 = state[4], c3 = state[5], k0 = state[0], k1 = state[1];
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    const uint32_t n0 = uint32_t(p1 >> 32) ^ c1 ^ k0, n2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c0 = n0;
    c1 = uint32_t(p1);
    c2 = n2;
    c3 = uint32_t(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// The sixteen words of elements [i, i + 16); i is a multiple of 4.
inline void philoxWords(uint32_t* words, const uint32_t* state, uint64_t i) {
  for (int b = 0; b < 4; ++b) {
    const PhiloxBlock block = philox(state, i / 4 + b);
    for (int j = 0; j < 4; ++j) words[4 * b + j] = block.word[j];
  }
}

// y = x·scale where the element's word is at or above the threshold, else 0: dropped with probability threshold / 2^32.
// Backward is the same call on dy. A NaN in a dropped place is dropped.
template <class T> void dropout(T* y, const T* x, const uint32_t* state, uint64_t begin, int64_t n, uint32_t threshold, T scale) {
  uint32_t words[lanes];
  for (int64_t i = 0; i < n; i += lanes) {
    philoxWords(words, state, begin + uint64_t(i));
    const int64_t m = n - i < lanes ? n - i : lanes;
    for (int64_t j = 0; j < m; ++j) y[i + j] = words[j] >= threshold ? x[i + j] * scale : T(0);
  }
}

// u in [0, 1) with 24 bits (float) or 32 bits (double), as lib/random.ts.
inline float unitInterval(uint32_t word, float) { return float(word >> 8) * 0x1p-24f; }
inline double unitInterval(uint32_t word, double) { return double(word) * 0x1p-32; }

// low + (high − low)·u
template <class T> void randomUniform(T* y, const uint32_t* state, uint64_t begin, int64_t n, double low, double high) {
  uint32_t words[lanes];
  const T base = T(low), width = T(high - low);
  for (int64_t i = 0; i < n; i += lanes) {
    philoxWords(words, state, begin + uint64_t(i));
    const int64_t m = n - i < lanes ? n - i : lanes;
    for (int64_t j = 0; j < m; ++j) y[i + j] = base + width * unitInterval(words[j], T(0));
  }
}

inline V<double> horner(V<double> x, const double* c, int degree) {
  V<double> r = set1(c[degree]);
  for (int i = degree - 1; i >= 0; --i) r = fma(r, x, set1(c[i]));
  return r;
}

// Inverse of the normal distribution function for p = (word + 1/2)/2^32: Wichura's algorithm AS 241 (1988), relative error 1e-16.
// Its third branch (p < 1e-11) cannot be reached from 32 bits.
inline V<double> normalQuantile(V<double> p) {
  static const double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
                             4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3};
  static const double b[] = {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
                             2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3};
  static const double c[] = {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
                             1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static const double d[] = {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
                             1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9};
  const V<double> q = p - set1(0.5);
  const V<double> r = fnma(q, q, set1(0.180625));
  const V<double> centre = q * horner(r, a, 7) / horner(r, b, 7);
  const V<double> t = sqrt(negate(log(minimum(p, set1(1.0) - p)))) - set1(1.6);
  const V<double> tail = withSign(horner(t, c, 7) / horner(t, d, 7), q);
  return select(ge(set1(0.425), abs(q)), centre, tail);
}

// mean + std·z
template <class T> void randomNormal(T* y, const uint32_t* state, uint64_t begin, int64_t n, double mean, double std) {
  uint32_t words[lanes];
  double p[lanes];
  for (int64_t i = 0; i < n; i += lanes) {
    philoxWords(words, state, begin + uint64_t(i));
    for (int j = 0; j < lanes; ++j) p[j] = (double(words[j]) + 0.5) * 0x1p-32;
    store(p, fma(normalQuantile(load(static_cast<const double*>(p))), set1(std), set1(mean)));
    const int64_t m = n - i < lanes ? n - i : lanes;
    for (int64_t j = 0; j < m; ++j) y[i + j] = T(p[j]);
  }
}
