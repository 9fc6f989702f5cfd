// exp, expm1, log, log1p, tanh, sigmoid, softplus: one algorithm for float and double, in + − · / fma and integer bits only,
// so every instruction set gives the same bits. Nothing is flushed to zero: subnormal arguments and results count like others.
// A NaN stays a NaN. Worst error in ULP, float over all 2^32 arguments / double over dense sweeps:
// exp 0.77 / 0.75, expm1 0.89 / 1.03, log 0.67 / 0.82, log1p 0.73 / 0.84, tanh 0.76 / 0.84, sigmoid 0.77 / 0.79, softplus 1.6 / 1.5.

// What the two formats differ in.
template <class T> struct Num;
template <> struct Num<float> {
  static constexpr int mantissa = 23;
  static constexpr float bias = 127.0f;
  static constexpr int32_t one = 0x3f800000, four = 0x40800000, exponentMask = int32_t(0xff800000u),
                           infinity = 0x7f800000, nan = 0x7fc00000;
  // integers: added to a small whole number, its low bits are that number. noHalves: from here on 1/2 is at most half a unit.
  static constexpr float minNormal = 0x1p-126f, lift = 0x1p24f, liftLog2 = 24.0f, integers = 0x1p23f, noHalves = 0x1p24f;
  static constexpr int32_t integersBits = 0x4b000000;
  // ln 2 = ln2 + ln2Low, ln2 nearest; ln 2 = ln2Short + ln2Rest, where k·ln2Short is exact for every exponent k.
  static constexpr float log2e = 1.44269504f, ln2 = 0.693147182f, ln2Low = -1.90465421e-09f;
  static constexpr float ln2Short = 0x1.62e4p-1f, ln2Rest = 1.42860677e-06f;
  // exp is 0 below expMin and infinite above expMax; expm1 is −1 below expm1Min; tanh is 1 from tanhMax on.
  static constexpr float expMin = -105.0f, expMax = 89.0f, expm1Min = -20.0f, tanhMax = 10.0f, tiny = 0x1p-30f;
  static constexpr int32_t mantissaStart = 0x3f2aaaab;  // log's mantissas lie in [2/3, 4/3)
};
template <> struct Num<double> {
  static constexpr int mantissa = 52;
  static constexpr double bias = 1023.0;
  static constexpr int64_t one = 0x3ff0000000000000ll, four = 0x4010000000000000ll, exponentMask = int64_t(0xfff0000000000000ull),
                           infinity = 0x7ff0000000000000ll, nan = 0x7ff8000000000000ll;
  static constexpr double minNormal = 0x1p-1022, lift = 0x1p53, liftLog2 = 53.0, integers = 0x1p52, noHalves = 0x1p53;
  static constexpr int64_t integersBits = 0x4330000000000000ll;
  static constexpr double log2e = 1.4426950408889634, ln2 = 0.69314718055994529, ln2Low = 2.3190468138462996e-17;
  static constexpr double ln2Short = 0x1.62e42fefa38p-1, ln2Rest = 5.4979230187083712e-14;
  static constexpr double expMin = -746.0, expMax = 710.0, expm1Min = -40.0, tanhMax = 20.0, tiny = 0x1p-60;
  static constexpr int64_t mantissaStart = 0x3fe5555555555555ll;
};

// c[0] + c[1]·x + … by Horner with fma.
template <class T, int N> INLINE V<T> horner(V<T> x, const T (&c)[N]) {
  V<T> y = set1<T>(c[N - 1]);
#pragma GCC unroll 32
  for (int i = N - 2; i >= 0; --i) y = fma(y, x, set1<T>(c[i]));
  return y;
}

// q(r) = (e^r − 1 − r) / r² on |r| ≤ 0.34661. Float: degree 5, error of r²q relative to e^r − 1: 2^-31.1.
INLINE V<float> expPolynomial(V<float> r) {
  constexpr float c[] = {0.5f, 0.166666657f, 0.0416664928f, 0.00833354704f, 0.00139323215f, 0.000197607427f};
  return horner(r, c);
}
// Double: degree 10, 2^-57.4.
INLINE V<double> expPolynomial(V<double> r) {
  constexpr double c[] = {0.5,
                          0.16666666666666677,
                          0.041666666666666706,
                          0.0083333333333217262,
                          0.0013888888888856895,
                          0.00019841269885025232,
                          2.4801587379176533e-05,
                          2.7557245583351456e-06,
                          2.7557234068597243e-07,
                          2.5108392604560996e-08,
                          2.0923212054278008e-09};
  return horner(r, c);
}

// 2^k for an integer-valued k whose power is a normal number.
template <class T> INLINE V<T> powerOfTwo(V<T> k) {
  return fromBits<T>(shl<Num<T>::mantissa>(bits(k + set1<T>(roundMagic<T>() + Num<T>::bias))));
}

// x = k·ln 2 + r + c, |r| ≤ ln 2 / 2, |c| ≤ half an ulp of r. x − k·ln2 is exact in one fma.
template <class T> struct Reduced { V<T> k, r, c; };
template <class T> INLINE Reduced<T> reduce(V<T> x) {
  const V<T> magic = set1<T>(roundMagic<T>());
  const V<T> k = fma(x, set1<T>(Num<T>::log2e), magic) - magic;
  const V<T> exact = fnma(k, set1<T>(Num<T>::ln2), x);
  const V<T> r = fnma(k, set1<T>(Num<T>::ln2Low), exact);
  return {k, r, fnma(k, set1<T>(Num<T>::ln2Low), exact - r)};
}

template <class T> struct Pair { V<T> hi, lo; };  // an unevaluated sum

template <class T> INLINE V<T> exp(V<T> x) {
  // A NaN passes rawMax and rawMin in the second place.
  const Reduced<T> a = reduce(rawMin(set1<T>(Num<T>::expMax), rawMax(set1<T>(Num<T>::expMin), x)));
  const V<T> one = set1<T>(1);
  const V<T> tail = fma(a.r * a.r, expPolynomial(a.r), a.c), h = one + a.r;
  return timesPowerOfTwo(h + ((a.r - (h - one)) + tail), a.k);  // 1 + r by fast two-sum
}

// (e^x − 1) / 2 = (2^(k−1) − 1/2) + 2^(k−1)·(r + tail), as a pair; the half keeps 2^128 out.
template <bool negative, class T> INLINE Pair<T> halfExpm1(V<T> x) {
  const Reduced<T> a = reduce(x);
  const V<T> half = set1<T>(0.5), tail = fma(a.r * a.r, expPolynomial(a.r), a.c);
  const V<T> s = powerOfTwo(a.k - set1<T>(1)), whole = s - half;
  V<T> rest;                                              // (s − 1/2) − whole
  if constexpr (negative) rest = s - (whole + half);      // s ≤ 1/2
  else rest = select(ge(s, set1<T>(Num<T>::noHalves)), negate(half), s - (whole + half));
  const V<T> h = fma(s, a.r, whole);                      // |whole| ≥ |s·r| or whole = 0: fast two-sum
  const V<T> l = fma(s, tail, fma(s, a.r, whole - h) + rest);
  const V<T> hi = h + l;
  return {hi, l - (hi - h)};
}

template <class T> INLINE V<T> expm1(V<T> x) {
  const Pair<T> e = halfExpm1<false>(rawMin(set1<T>(Num<T>::expMax), rawMax(set1<T>(Num<T>::expm1Min), x)));
  return select(gt(abs(x), set1<T>(Num<T>::tiny)), e.hi + e.hi, x);  // |x| tiny, ±0 and NaN are themselves
}

// tanh|x| = −E / (1 + E) with E = (e^(−2|x|) − 1) / 2: one division, one correction of its quotient.
template <class T> INLINE V<T> tanh(V<T> x) {
  const V<T> one = set1<T>(1);
  const Pair<T> e = halfExpm1<true>(rawMin(set1<T>(Num<T>::tanhMax), abs(x)) * set1<T>(-2));
  const V<T> d = one + e.hi, dLow = (e.hi - (d - one)) + e.lo;
  const V<T> reciprocal = set1<T>(-1) / d, y = e.hi * reciprocal;
  const V<T> rest = fma(y, dLow, fma(y, d, e.hi) + e.lo);
  return withSign(abs(fma(rest, reciprocal, y)), x);
}

// With e = e^−|x| = 2^k·(hi + lo): 1 / (1 + e) for x ≥ 0 and 2^k·(hi + lo) / (1 + e) for x < 0.
template <class T> INLINE V<T> sigmoid(V<T> x) {
  const V<T> one = set1<T>(1);
  const Reduced<T> a = reduce(rawMax(set1<T>(Num<T>::expMin), negate(abs(x))));
  const V<T> tail = fma(a.r * a.r, expPolynomial(a.r), a.c);
  const V<T> h = one + a.r, l = (a.r - (h - one)) + tail;
  const V<T> hi = h + l, lo = l - (hi - h);
  const V<T> s = powerOfTwo(rawMax(set1<T>(-100), a.k));  // below 2^-100 nothing of e is left in 1 + e
  const V<T> d = fma(s, hi, one), dLow = fma(s, lo, fma(s, hi, one - d));
  const M<T> below = gt(zero<T>(), x);
  const V<T> n = select(below, hi, one), nLow = select(below, lo, zero<T>());
  const V<T> reciprocal = one / d, y = n * reciprocal;
  const V<T> rest = fnma(y, dLow, fnma(y, d, n) + nLow);
  return timesPowerOfTwo(fma(rest, reciprocal, y), select(below, a.k, zero<T>()));
}

// h + (log(1 + f) − f) + c for |f| ≤ 1/3, where h is f or, with k·ln 2 in it, larger.
// Float: log(1 + f) = f − f²/2 + f³·p(f), degree 8, error relative to log(1 + f): 2^-30.1; h − f²/2 by fast two-sum.
INLINE V<float> logSum(V<float> h, V<float> f, V<float> c) {
  constexpr float p[] = {0.333333343f,  -0.249998271f, 0.199996814f,  -0.166792959f, 0.143027186f,
                         -0.121994168f, 0.107695237f,  -0.128301248f, 0.119586289f};
  const V<float> half = set1(0.5f), square = f * f;
  const V<float> hi = fnma(half, square, h), lo = fnma(half, square, h - hi);
  return hi + (fma(square * f, horner(f, p), c) + lo);
}
// Double: with s = f / (2 + f) and z = s², log(1 + f) = 2·atanh(s) = f − (f²/2 − s·(f²/2 + z·w(z))); w of degree 7 on z ≤ 1/25, 2^-62.6.
INLINE V<double> logSum(V<double> h, V<double> f, V<double> c) {
  constexpr double w[] = {0.66666666666666596, 0.4000000000005664,  0.28571428555841516, 0.22222224294674836,
                          0.18181665994780766, 0.15391107802936149, 0.13173671956956665, 0.13842533260043416};
  const V<double> s = f / (set1<double>(2) + f), z = s * s, half = f * f * set1<double>(0.5);
  return h + (c - fnma(s, fma(z, horner(z, w), half), half));
}

// k·ln 2 + log(1 + f) + rest: the large part by fast two-sum (k·ln2Short is exact, and above |f| unless k = 0).
template <class T> INLINE V<T> logOf(V<T> k, V<T> f, V<T> rest) {
  const V<T> ln2 = set1<T>(Num<T>::ln2Short);
  const V<T> h = fma(k, ln2, f), lost = f - fnma(k, ln2, h);
  return logSum(h, f, fma(k, set1<T>(Num<T>::ln2Rest), lost + rest));
}
// x = 2^k·m with m in [2/3, 4/3), x positive and normal: k << mantissa, and k itself.
template <class T> INLINE B<T> exponentBits(V<T> x) {
  return (bits(x) - setBits<T>(Num<T>::mantissaStart)) & setBits<T>(Num<T>::exponentMask);
}
template <class T> INLINE V<T> exponentValue(B<T> k) {
  const B<T> biased = shr<Num<T>::mantissa>(k + setBits<T>(Num<T>::one));
  return fromBits<T>(biased + setBits<T>(Num<T>::integersBits)) - set1<T>(Num<T>::integers + Num<T>::bias);
}
// y where x > pole is finite; −∞ at the pole, NaN below it, x at ∞ and NaN.
template <class T> INLINE V<T> logSpecial(V<T> x, T pole, V<T> y) {
  const V<T> infinity = fromBits<T>(setBits<T>(Num<T>::infinity));
  const V<T> atPole = select(eq(x, set1<T>(pole)), negate(infinity), x);
  const V<T> special = select(gt(set1<T>(pole), x), fromBits<T>(setBits<T>(Num<T>::nan)), atPole);
  return select(gt(x, set1<T>(pole)) & gt(infinity, x), y, special);
}

template <class T> INLINE V<T> log(V<T> x) {
  const M<T> small = gt(set1<T>(Num<T>::minNormal), x);
  const V<T> u = select(small, x * set1<T>(Num<T>::lift), x);
  const B<T> k = exponentBits(u);
  const V<T> f = fromBits<T>(bits(u) - k) - set1<T>(1);
  const V<T> value = exponentValue(k);
  return logSpecial(x, T(0), logOf(select(small, value - set1<T>(Num<T>::liftLog2), value), f, zero<T>()));
}

// For −1 < x < ∞. With 1 + x = 2^k·m: f = 2^-k·x + (2^-k − 1), and what its rounding lost, divided by 1 + f (times 1 − f is
// near enough). 2^(2−k) is a normal number for every k.
template <class T> INLINE V<T> log1pFinite(V<T> x) {
  const B<T> k = exponentBits(set1<T>(1) + x);
  const V<T> scaled = fromBits<T>(bits(x) - k), s = fromBits<T>(setBits<T>(Num<T>::four) - k);
  const V<T> w = fma(s, set1<T>(0.25), set1<T>(-1)), f = scaled + w, lost = scaled - (f - w);
  return logOf(exponentValue(k), f, fnma(lost, f, lost));
}
template <class T> INLINE V<T> log1p(V<T> x) {
  return select(gt(abs(x), set1<T>(Num<T>::tiny)), logSpecial(x, T(-1), log1pFinite(x)), x);  // tiny, ±0 and NaN are themselves
}

// log(1 + e^x) = max(x, 0) + log1p(e^−|x|); a NaN comes through the maximum.
template <class T> INLINE V<T> softplus(V<T> x) { return maximum(x, zero<T>()) + log1pFinite(exp(negate(abs(x)))); }

// Derivatives from the output: tanh′ = 1 − y², sigmoid′ = y·(1 − y) = y − y².
template <class T> INLINE V<T> tanhSlope(V<T> y) { return fnma(y, y, set1<T>(1)); }
template <class T> INLINE V<T> sigmoidSlope(V<T> y) { return fnma(y, y, y); }

// ---- activations: functions and their slopes; test/helpers/activations.ts has their errors ----

// The tail of the standard normal distribution: Φ(−|x|) = e^(−x²/2)·r with r = p(q) / (t + K), t = |x|, q = (t − K) / (t + K).
// Float: K = 7/2, degree 9, relative error 2^-27.0. Double: K = 5, degree 21, 2^-56.1.
INLINE V<float> normalTailPolynomial(V<float> q) {
  constexpr float p[] = {0.744416058f, -0.565561771f, 0.315425038f, -0.116053037f, 0.0174063779f, 0.0064931158f, -0.00317531032f,
                      -0.000494943524f, 0.000421897334f, 0.000110689056f};
  return horner(q, p);
}
INLINE V<double> normalTailPolynomial(V<double> q) {
  constexpr double p[] = {0.769193049750063, -0.6653825028900566, 0.495305615969977, -0.3135331566713157, 0.16502036617036156,
                       -0.06911863870595199, 0.02079506680024232, -0.002993376775695946, -0.0007978694014804476,
                       0.0005448991058687279, -5.93757112763623e-05, -4.976301023857796e-05, 1.6681144810196832e-05,
                       3.9814912349759125e-06, -2.769055142265199e-06, -3.377431145401389e-07, 4.326863350005307e-07,
                       4.361231110558925e-08, -6.531975260025713e-08, -1.0210863435917467e-08, 7.181943098098356e-09,
                       2.013902436958566e-09};
  return horner(q, p);
}
// x within the range where the tail is not zero, e^(−x²/2), and the tail. x² is taken with what its rounding lost.
template <class T> struct NormalTail { V<T> x, bell, tail; };
template <class T> INLINE NormalTail<T> normalTail(V<T> x) {
  constexpr T K = sizeof(T) == 4 ? T(3.5) : T(5), most = sizeof(T) == 4 ? T(14.5) : T(39);
  const V<T> inner = rawMin(set1(most), rawMax(set1(-most), x)), t = abs(inner), half = set1<T>(-0.5);
  const V<T> square = t * t, lost = fma(t, t, negate(square)) * half;
  const V<T> main = exp(square * half), bell = fma(main, lost, main);
  const V<T> d = t + set1(K), y = normalTailPolynomial((t - set1(K)) / d) / d;
  return {inner, bell, bell * y};
}
template <class T> INLINE V<T> geluOf(V<T> x) {
  const NormalTail<T> n = normalTail(x);
  return select(gt(x, zero<T>()), fnma(n.x, n.tail, x), n.x * n.tail);
}
template <class T> INLINE V<T> geluSlope(V<T> x) {
  const NormalTail<T> n = normalTail(x);
  const V<T> cdf = select(gt(x, zero<T>()), set1<T>(1) - n.tail, n.tail);
  return fma(n.x * n.bell, set1<T>(0.39894228040143268), cdf);  // 1/√(2π)
}

// u = 2√(2/π)·(x + 0.044715·x³). Below −25 the sigmoid of it is 0.
template <class T> INLINE V<T> geluTanhArgument(V<T> x) { return x * fma(x * x, set1<T>(0.07135481627260025), set1<T>(1.5957691216057308)); }
template <class T> INLINE V<T> geluTanhOf(V<T> x) {
  const V<T> inner = rawMax(set1<T>(-25), x);
  return inner * sigmoid(geluTanhArgument(inner));
}
// σ + x·σ·(1 − σ)·u′; from 25 on it is 1.
template <class T> INLINE V<T> geluTanhSlope(V<T> x) {
  const V<T> inner = rawMin(set1<T>(25), rawMax(set1<T>(-25), x)), s = sigmoid(geluTanhArgument(inner)), one = set1<T>(1);
  const V<T> slope = fma(inner * inner, set1<T>(3 * 0.07135481627260025), set1<T>(1.5957691216057308));
  return s * fma(inner * slope, one - s, one);
}

// x and σ(β·x), for an x so far from the largest numbers that β·x and its products stay finite.
template <class T> INLINE V<T> swishInner(V<T> x) { return rawMin(set1<T>(1e18), rawMax(set1<T>(-1e18), x)); }
template <class T> INLINE V<T> swishOf(V<T> x, V<T> beta) {
  const V<T> s = sigmoid(beta * swishInner(x));
  return select(eq(s, zero<T>()), swishInner(x) * s, x * s);
}
template <class T> INLINE V<T> swishSlope(V<T> x, V<T> beta) {
  const V<T> u = beta * swishInner(x), s = sigmoid(u), one = set1<T>(1);
  return s * fma(u, one - s, one);
}

// tanh(log(1 + w)) = n / (n + 2) with n = w·(w + 2), w = e^x; from 20 on it is 1.
template <class T> INLINE V<T> mishOf(V<T> x) {
  const V<T> w = exp(rawMin(set1<T>(20), x)), two = set1<T>(2), n = w * (w + two);
  return rawMax(set1<T>(-1000), x) * (n / (n + two));
}
// With t = n / (n + 2): t + x·(1 − t)·(1 + t)·σ, 1 − t = 2 / (n + 2), 1 + t = 2(n + 1) / (n + 2), n + 1 = (1 + w)², σ = w / (1 + w).
template <class T> INLINE V<T> mishSlope(V<T> x) {
  const V<T> inner = rawMin(set1<T>(20), rawMax(set1<T>(-1000), x)), w = exp(inner), one = set1<T>(1), two = set1<T>(2);
  const V<T> n = w * (w + two), d = n + two, r = one / d;
  return r * fma(set1<T>(4) * inner * w * (one + w), r, n);
}

// y = x / (1 + |x|), its quotient corrected once by what 1 + |x| lost; ±1 from where 1 is lost.
template <class T> INLINE V<T> softsignOf(V<T> x) {
  const V<T> t = rawMin(set1<T>(1e18), abs(x)), one = set1<T>(1), d = one + t;
  const V<T> lost = select(gt(t, one), one - (d - t), t - (d - one)), reciprocal = one / d, y = t * reciprocal;
  return withSign(fma(fnma(y, lost, fnma(y, d, t)), reciprocal, y), x);
}
template <class T> INLINE V<T> softsignSlope(V<T> x) {
  const V<T> d = set1<T>(1) + abs(x);
  return set1<T>(1) / d / d;
}
