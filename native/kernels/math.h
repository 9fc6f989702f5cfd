// exp, log, log1p, tanh, sigmoid, softplus and activations: one algorithm for float and double, in + − · / fma and integer bits only,
// so every instruction set gives the same bits. Nothing is flushed to zero: subnormal arguments and results count like others.
// A NaN stays a NaN.

// What the two formats differ in.
template <class T> struct Num;
template <> struct Num<float> {
  static constexpr int mantissa = 23;
  static constexpr float bias = 127.0f;
  static constexpr int32_t one = 0x3f800000, four = 0x40800000, exponentMask = int32_t(0xff800000u),
                           infinity = 0x7f800000, nan = 0x7fc00000;
  // integers: added to a small whole number, its low bits are that number.
  static constexpr float minNormal = 0x1p-126f, lift = 0x1p24f, liftLog2 = 24.0f, integers = 0x1p23f;
  static constexpr int32_t integersBits = 0x4b000000;
  // ln 2 = ln2 + ln2Low, ln2 nearest; ln 2 = ln2Short + ln2Rest, where k·ln2Short is exact for every exponent k.
  static constexpr float log2e = 1.44269504f, ln2 = 0.693147182f, ln2Low = -1.90465421e-09f;
  static constexpr float ln2Short = 0x1.62e4p-1f, ln2Rest = 1.42860677e-06f;
  // e^x is 0 below expMin and infinite above expMax, x·e^x is 0 below productMin; tanh is 1 from tanhMax on, sigmoid from sigmoidMax on.
  static constexpr float expMin = -105.0f, expMax = 89.0f, productMin = -174.0f, tanhMax = 9.1f, sigmoidMax = 18.0f, tiny = 0x1p-30f;
  static constexpr int32_t mantissaStart = 0x3f2aaaab;  // log's mantissas lie in [2/3, 4/3)
};
template <> struct Num<double> {
  static constexpr int mantissa = 52;
  static constexpr double bias = 1023.0;
  static constexpr int64_t one = 0x3ff0000000000000ll, four = 0x4010000000000000ll, exponentMask = int64_t(0xfff0000000000000ull),
                           infinity = 0x7ff0000000000000ll, nan = 0x7ff8000000000000ll;
  static constexpr double minNormal = 0x1p-1022, lift = 0x1p53, liftLog2 = 53.0, integers = 0x1p52;
  static constexpr int64_t integersBits = 0x4330000000000000ll;
  static constexpr double log2e = 1.4426950408889634, ln2 = 0.69314718055994529, ln2Low = 2.3190468138462996e-17;
  static constexpr double ln2Short = 0x1.62e42fefa38p-1, ln2Rest = 5.4979230187083712e-14;
  static constexpr double expMin = -746.0, expMax = 710.0, productMin = -1400.0, tanhMax = 20.0, sigmoidMax = 38.0, tiny = 0x1p-60;
  static constexpr int64_t mantissaStart = 0x3fe5555555555555ll;
};

// c[from] + c[from + 1]·x + … by Horner with fma.
template <int from = 0, class T, int N> INLINE V<T> horner(V<T> x, const T (&c)[N]) {
  V<T> y = set1<T>(c[N - 1]);
#pragma GCC unroll 32
  for (int i = N - 2; i >= from; --i) y = fma(y, x, set1<T>(c[i]));
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
// The same with the least normal number for all smaller powers.
template <class T> INLINE V<T> normalPowerOfTwo(V<T> k) { return powerOfTwo(rawMax(set1<T>(1 - Num<T>::bias), k)); }

// x = k·ln 2 + r + c, |r| ≤ ln 2 / 2, |c| ≤ half an ulp of r. x − k·ln2 is exact in one fma.
template <class T> struct Reduced { V<T> k, r, c; };
template <class T> INLINE Reduced<T> reduce(V<T> x) {
  const V<T> magic = set1<T>(roundMagic<T>());
  const V<T> k = fma(x, set1<T>(Num<T>::log2e), magic) - magic;
  const V<T> exact = fnma(k, set1<T>(Num<T>::ln2), x);
  const V<T> r = fnma(k, set1<T>(Num<T>::ln2Low), exact);
  return {k, r, fnma(k, set1<T>(Num<T>::ln2Low), exact - r)};
}

template <class T> INLINE V<T> exp(V<T> x) {
  // A NaN passes rawMax and rawMin in the second place.
  const Reduced<T> a = reduce(rawMin(set1<T>(Num<T>::expMax), rawMax(set1<T>(Num<T>::expMin), x)));
  const V<T> one = set1<T>(1);
  const V<T> tail = fma(a.r * a.r, expPolynomial(a.r), a.c), h = one + a.r;
  return timesPowerOfTwo(h + ((a.r - (h - one)) + tail), a.k);  // 1 + r by fast two-sum
}

// e^r − 1 of a reduced argument. Where its rounding and that of r (c is left out) leave room for one more, functions take it.
template <class T> INLINE V<T> expm1Reduced(V<T> r) { return fma(r * r, expPolynomial(r), r); }

// e^x − 1 for x ≤ 0, as (2^k − 1) + 2^k·(e^r − 1) where the bracket is exact or nearly −1. −0 stays.
template <class T> INLINE V<T> expm1Below(V<T> x) {
  const Reduced<T> a = reduce(rawMax(set1<T>(-Num<T>::tanhMax * 2), x));
  const V<T> s = powerOfTwo(a.k);
  return withSign(fma(s, expm1Reduced(a.r), s - set1<T>(1)), x);
}

// c(z) = (tanh(t) / t − 1) / z with z = t², t ≤ 0.9. Float: degree 6, error of t·z·c relative to tanh: 2^-29.8. Double: degree 13, 2^-55.5.
INLINE V<float> tanhPolynomial(V<float> z) {
  constexpr float c[] = {-0.333333224f, 0.133329809f, -0.0539294742f, 0.0216640923f, -0.00826545432f, 0.00258342316f, -0.000455708097f};
  return horner(z, c);
}
INLINE V<double> tanhPolynomial(V<double> z) {
  constexpr double c[] = {-0.33333333333332998,    0.13333333333295549,     -0.053968253953280997,  0.021869488235314476,
                          -0.0088632319325659004,  0.0035921000634028684,   -0.0014556850800988379, 0.00058946157325299228,
                          -0.00023757468564648268, 9.3787040172756074e-05,  -3.4651514808286438e-05, 1.0902155940800828e-05,
                          -2.4765553271992323e-06, 2.9061406278865173e-07};
  return horner(z, c);
}
// tanh t = t + t³·c(t²) up to 0.9, then 1 − 2 / (1 + e^2t), whose error weighs little beside 1.
template <class T> INLINE V<T> tanh(V<T> x) {
  const V<T> one = set1<T>(1), t = rawMin(set1<T>(Num<T>::tanhMax), abs(x)), z = t * t;
  const Reduced<T> a = reduce(t + t);
  const V<T> s = powerOfTwo(a.k), far = one - set1<T>(2) / fma(s, expm1Reduced(a.r), s + one);
  return withSign(select(gt(t, set1<T>(0.9)), far, fma(t * z, tanhPolynomial(z), t)), x);
}

// 1 / (1 + e^x) = 2^j / (d + lost) for x = k·ln 2 + r, with j = −k and d = 2^j + 1 + (e^r − 1).
template <class T> struct Logistic { V<T> j, d, lost; };
template <class T> INLINE Logistic<T> logistic(V<T> k, V<T> r) {
  const V<T> one = set1<T>(1), p = expm1Reduced(r), j = negate(k), s = normalPowerOfTwo(j);
  const V<T> a = one + s, d = a + p;
  return {j, d, (p - (d - a)) + (rawMin(one, s) - (a - rawMax(one, s)))};
}
// n times that, rounded once.
template <class T> INLINE V<T> timesLogistic(V<T> n, const Logistic<T>& l) {
  const V<T> reciprocal = set1<T>(1) / l.d, y = n * reciprocal;
  return timesPowerOfTwo(fma(fnma(y, l.lost, fnma(y, l.d, n)), reciprocal, y), l.j);
}
template <class T> INLINE V<T> sigmoid(V<T> x) {
  const Reduced<T> a = reduce(rawMin(set1<T>(-Num<T>::expMin), rawMax(set1<T>(-Num<T>::sigmoidMax), negate(x))));
  return timesLogistic(set1<T>(1), logistic(a.k, a.r));
}
// x·sigmoid(u + lost)
template <class T> INLINE V<T> timesSigmoid(V<T> x, V<T> u, V<T> lost) {
  const Reduced<T> a = reduce(negate(u));
  const V<T> y = timesLogistic(x, logistic(a.k, a.r - lost));
  return select(gt(u, set1<T>(Num<T>::sigmoidMax)), x, select(gt(set1<T>(Num<T>::productMin), u), signOf(x), y));
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

// w(z) = 2·(atanh(t) − t) / t³ with z = t², |t| ≤ 1/5. Float: degree 2, error of t³·w relative to 2·atanh(t): 2^-28.4. Double: degree 7, 2^-62.1.
INLINE V<float> atanhPolynomial(V<float> z) {
  constexpr float w[] = {0.666669488f, 0.399576604f, 0.303643435f};
  return horner(z, w);
}
INLINE V<double> atanhPolynomial(V<double> z) {
  constexpr double w[] = {0.66666666666666596, 0.40000000000056662, 0.28571428555831868, 0.22222224296171653, 0.18181665893011253,
                          0.15391110267906108, 0.13173671280825849, 0.13842100522788656};
  return horner(z, w);
}
// log(1 + e^x) = max(x, 0) + log(1 + e) with e = e^−|x|. Where e > 1/2, log(1 + e) = ln 2 + log(1 + f) with f = (e − 1) / 2, else f = e; and
// log(1 + f) = 2·atanh(t) = f − t·(f − t²·w(t²)) with t = f / (2 + f).
template <class T> INLINE V<T> softplus(V<T> x) {
  const Reduced<T> a = reduce(rawMax(set1<T>(Num<T>::expMin), negate(abs(x))));
  const V<T> one = set1<T>(1), half = set1<T>(0.5), ln2 = set1<T>(Num<T>::ln2), p = expm1Reduced(a.r);
  const V<T> h = one + p, e = timesPowerOfTwo(h, a.k), eLost = (p - (h - one)) * normalPowerOfTwo(a.k);
  const M<T> large = gt(e, half);
  const V<T> f = select(large, fma(e, half, negate(half)), e), fLost = select(large, eLost * half, eLost);
  const V<T> t = f / (set1<T>(2) + f), z = t * t, less = fnma(t, fnma(z, atanhPolynomial(z), f), fLost);
  const V<T> over = maximum(x, zero<T>()), log2 = select(large, ln2, zero<T>()), whole = over + log2, sum = whole + f;
  const V<T> lost = (rawMin(over, log2) - (whole - rawMax(over, log2))) + (f - (sum - whole));
  return select(gt(x, set1<T>(Num<T>::sigmoidMax)), x, sum + (lost + less));
}

// Derivatives from the output: tanh′ = 1 − y², sigmoid′ = y·(1 − y) = y − y².
template <class T> INLINE V<T> tanhSlope(V<T> y) { return fnma(y, y, set1<T>(1)); }
template <class T> INLINE V<T> sigmoidSlope(V<T> y) { return fnma(y, y, y); }

// ---- activations: functions and their slopes; test/helpers/activations.ts has their errors ----

// The tail of the standard normal distribution: Φ(−t) = e^(−t²/2)·p(q) / (t + K) with q = (t − K) / (t + K). Float: degree 9, relative error
// 2^-27.0. Double: degree 21, 2^-56.1. Beyond `most` nothing of t·Φ(−t) is left.
template <class T> struct NormalTail;
template <> struct NormalTail<float> {
  static constexpr float K = 3.5f, most = 14.5f;
  static constexpr float p[] = {0.744416058f,   -0.565561771f,  0.315425038f,     -0.116053037f,   0.0174064934f,
                                0.00649311952f, -0.00317571242f, -0.000495094631f, 0.000422355632f, 0.000110994333f};
  static constexpr float p0Low = 1.60769975e-08f, p1Low = 2.62916462e-08f;  // what the first two lack
};
template <> struct NormalTail<double> {
  static constexpr double K = 5, most = 39;
  static constexpr double p[] = {0.769193049750063,       -0.6653825028900566,    0.495305615969977,      -0.3135331566713157,
                                 0.16502036617036156,     -0.06911863870595199,   0.02079506680024232,    -0.002993376775695946,
                                 -0.0007978694014804476,  0.0005448991058687279,  -5.93757112763623e-05,  -4.976301023857796e-05,
                                 1.6681144810196832e-05,  3.9814912349759125e-06, -2.769055142265199e-06, -3.377431145401389e-07,
                                 4.326863350005307e-07,   4.361231110558925e-08,  -6.531975260025713e-08, -1.0210863435917467e-08,
                                 7.181943098098356e-09,   2.013902436958566e-09};
  static constexpr double p0Low = 0, p1Low = 0;
};
// x·Φ(x) = max(x, 0) − t·Φ(−t) with t = |x|. All that rounding loses is carried along: in t², 2^k·h = e^(−t²/2), q, p(q) and the products.
template <class T> INLINE V<T> geluOf(V<T> x) {
  using N = NormalTail<T>;
  const V<T> one = set1<T>(1), half = set1<T>(0.5), K = set1(N::K), t = rawMin(set1(N::most), abs(x)), square = t * t;
  const Reduced<T> a = reduce(negate(square * half));
  const V<T> e = expm1Reduced(fnma(half, fma(t, t, negate(square)), a.r)), h = one + e, hLost = e - (h - one);
  const V<T> d = t + K, dLost = t - (d - K), n = t - K, nLost = t - (n + K), reciprocal = one / d, q = n * reciprocal;
  const V<T> qLost = (fnma(q, dLost, fnma(q, d, n)) + nLost) * reciprocal;
  const V<T> third = horner<2>(q, N::p), second = fma(q, third, set1(N::p[1])), p = fma(q, second, set1(N::p[0]));
  const V<T> slope = fma(q, fma(q, set1(3 * N::p[3]), set1(2 * N::p[2])), set1(N::p[1]));
  const V<T> secondLost = fma(q, third, set1(N::p[1]) - second) + set1(N::p1Low);
  const V<T> pLost = fma(qLost, slope, fma(q, secondLost, fma(q, second, set1(N::p[0]) - p) + set1(N::p0Low)));
  const V<T> f = t * h, fLost = fma(t, hLost, fma(t, h, negate(f)));
  const V<T> g = f * p, gLost = fma(f, pLost, fma(fLost, p, fma(f, p, negate(g)))), y = g * reciprocal;
  const V<T> tail = fma(fnma(y, dLost, fnma(y, d, g) + gLost), reciprocal, y);
  return maximum(x, zero<T>()) - timesPowerOfTwo(tail, a.k);
}
// Φ(x) + x·φ(x)
template <class T> INLINE V<T> geluSlope(V<T> x) {
  using N = NormalTail<T>;
  const V<T> inner = rawMin(set1(N::most), rawMax(set1(-N::most), x)), t = abs(inner), K = set1(N::K), one = set1<T>(1);
  const V<T> bell = exp(t * t * set1<T>(-0.5)), reciprocal = one / (t + K), tail = bell * (horner((t - K) * reciprocal, N::p) * reciprocal);
  const V<T> cdf = select(gt(x, zero<T>()), one - tail, tail);
  return fma(inner * bell, set1<T>(0.39894228040143268), cdf);  // 1/√(2π)
}

// u = 2√(2/π)·(x + 0.044715·x³) = x·(a + b·x²) and what its rounding lost; beyond ±100 nothing changes.
template <class T> struct GeluTanh;
template <> struct GeluTanh<float> {
  static constexpr float a = 1.59576917f, aLow = -4.53406805e-08f, b = 0.0713548139f, bLow = 2.39883247e-09f;
};
template <> struct GeluTanh<double> {
  static constexpr double a = 1.5957691216057308, aLow = -9.9693088091109202e-17, b = 0.071354816272600249, bLow = -6.175149918155315e-19;
};
template <class T> struct Argument { V<T> value, lost; };
template <class T> INLINE Argument<T> geluTanhArgument(V<T> x) {
  const V<T> inner = rawMin(set1<T>(100), rawMax(set1<T>(-100), x)), a = set1(GeluTanh<T>::a), b = set1(GeluTanh<T>::b);
  const V<T> square = inner * inner, v = square * b, t = v + a;
  const V<T> vLost = fma(fma(inner, inner, negate(square)), b, fma(square, b, negate(v)));
  const V<T> sumLost = rawMin(v, a) - (t - rawMax(v, a));
  const V<T> tLost = fma(square, set1(GeluTanh<T>::bLow), sumLost + vLost) + set1(GeluTanh<T>::aLow);
  const V<T> u = inner * t;
  return {u, fma(inner, tLost, fma(inner, t, negate(u)))};
}
template <class T> INLINE V<T> geluTanhOf(V<T> x) {
  const Argument<T> u = geluTanhArgument(x);
  return timesSigmoid(x, u.value, u.lost);
}
// σ + x·σ·(1 − σ)·u′; from 25 on it is 1.
template <class T> INLINE V<T> geluTanhSlope(V<T> x) {
  const V<T> inner = rawMin(set1<T>(25), rawMax(set1<T>(-25), x)), s = sigmoid(geluTanhArgument(inner).value), one = set1<T>(1);
  const V<T> slope = fma(inner * inner, set1(3 * GeluTanh<T>::b), set1(GeluTanh<T>::a));
  return s * fma(inner * slope, one - s, one);
}

// Where β·x is a NaN, x is: one itself, or infinite while β is 0.
template <class T> INLINE V<T> swishOf(V<T> x, V<T> beta) {
  const V<T> u = beta * x;
  return select(isNaN(u), x, timesSigmoid(x, u, fma(beta, x, negate(u))));
}
template <class T> INLINE V<T> swishSlope(V<T> x, V<T> beta) {
  const V<T> u = beta * rawMin(set1<T>(1e18), rawMax(set1<T>(-1e18), x)), s = sigmoid(u), one = set1<T>(1);
  return s * fma(u, one - s, one);
}

// x·tanh(log(1 + w)) = x·n / (n + 2) with n = w·(w + 2), w = e^x = 2^k·h and n = 2^k·m; from 20 on it is x.
template <class T> INLINE V<T> mishOf(V<T> x) {
  const V<T> one = set1<T>(1), two = set1<T>(2), inner = rawMin(set1<T>(20), rawMax(set1<T>(Num<T>::productMin), x));
  const Reduced<T> a = reduce(inner);
  const V<T> p = expm1Reduced(a.r), h = one + p, hLost = p - (h - one), s = normalPowerOfTwo(a.k), w = s * h, twice = h + h;
  const V<T> m = fma(h, w, twice), mLost = fma(fma(two, w, two), hLost, fma(h, w, twice - m));
  const V<T> d = fma(s, m, two), dLost = fma(s, mLost, fma(s, m, two - d));
  const V<T> reciprocal = one / d, q = m * reciprocal, rest = fnma(q, dLost, fnma(q, d, m) + mLost);
  const V<T> y = inner * q, yLost = fma(inner * reciprocal, rest, fma(inner, q, negate(y)));
  return select(gt(x, set1<T>(20)), x, timesPowerOfTwo(y + yLost, a.k));
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
