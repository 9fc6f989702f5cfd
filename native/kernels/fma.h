// a·b + c, rounded once, where no instruction does it: the same bits as the instruction's, NaN's payload aside, in the mode that flushes denormal numbers
// too. C libraries and compilers have functions for it that round twice where the result is denormal (musl's fmaf, the fma of compiler_rt), so it is our own.

#if defined(__x86_64__) && !defined(__FMA__)

// In double the product is exact. The sum is rounded to odd: what was lost is kept in its last bit, so that rounding to float once more is right.
inline float fmaLane(float a, float b, float c) {
  const double product = double(a) * double(b), addend = c, sum = product + addend, part = sum - product;
  const double lost = (product - (sum - part)) + (addend - part);
  const int64_t bits = __builtin_bit_cast(int64_t, sum);
  const bool exact = lost == 0 || sum - sum != 0;  // or infinite, or NaN
  return float(exact || bits & 1 ? sum : __builtin_bit_cast(double, bits + ((lost > 0) == (sum > 0) ? 1 : -1)));
}

// A finite number other than zero as mantissa · 2^exponent, with the mantissa's first bit at place 62.
struct Parts {
  uint64_t mantissa;
  int exponent;
  bool negative;
};
inline Parts partsOf(double x) {
  const uint64_t bits = __builtin_bit_cast(uint64_t, x), fraction = bits & ((1ull << 52) - 1);
  const int field = int(bits >> 52) & 0x7ff, shift = field ? 10 : __builtin_clzll(fraction) - 1;
  return {(fraction | uint64_t(field != 0) << 52) << shift, (field ? field : 1) - 1075 - shift, bits >> 63 != 0};
}

// In whole numbers of 128 bits; the last bit of what was shifted out of them stands for all that were.
__attribute__((noinline)) inline double fmaLane(double a, double b, double c) {
  using Wide = unsigned __int128;
  const auto infinite = [](double x) { return x - x != 0; };  // or NaN
  if (infinite(a) || infinite(b) || a == 0 || b == 0) return a * b + c;
  if (infinite(c)) return c + c;
  const auto shifted = [](Wide x, int by) -> Wide { return by > 127 ? 1 : (x >> by) | ((x & ((Wide(1) << by) - 1)) != 0); };

  const Parts x = partsOf(a), y = partsOf(b);
  bool negative = x.negative != y.negative;
  Wide sum = Wide(x.mantissa) * y.mantissa;  // its first bit at place 124 or 125
  int exponent = x.exponent + y.exponent;
  if (c != 0) {
    const Parts z = partsOf(c);
    Wide addend = Wide(z.mantissa) << 63;
    const int distance = exponent - (z.exponent - 63);
    if (distance > 0) addend = shifted(addend, distance);
    if (distance < 0) sum = shifted(sum, -distance), exponent -= distance;
    if (negative == z.negative) sum += addend;
    else if (sum > addend) sum -= addend;
    else if (sum < addend) sum = addend - sum, negative = z.negative;
    else return 0;
  }

  const int last = sum >> 64 ? 127 - __builtin_clzll(uint64_t(sum >> 64)) : 63 - __builtin_clzll(uint64_t(sum)), power = exponent + last;
  const auto withSign = [negative](uint64_t bits) { return __builtin_bit_cast(double, bits | uint64_t(negative) << 63); };
  if (power > 1023) return withSign(0x7ffull << 52);
  const auto rounded = [&](int kept) -> uint64_t {  // the first bits of the sum, to nearest, ties to even
    const int dropped = last + 1 - kept;
    if (dropped <= 0) return uint64_t(sum) << -dropped;
    if (dropped > last + 1) return 0;
    const uint64_t whole = dropped > 127 ? 0 : uint64_t(sum >> dropped);
    const Wide half = Wide(1) << (dropped - 1), rest = sum - (Wide(whole) << (dropped > 127 ? 0 : dropped));
    return whole + (rest > half || (rest == half && whole & 1));
  };
  if (power >= -1022) return withSign((uint64_t(power + 1022) << 52) + rounded(53));
  if (__builtin_ia32_stmxcsr() & 0x8000) return withSign(power == -1023 && rounded(53) >> 53 ? 1ull << 52 : 0);  // FTZ: tininess after rounding
  return withSign(rounded(53 + power + 1022));
}

#else

inline float fmaLane(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fmaLane(double a, double b, double c) { return __builtin_fma(a, b, c); }

#endif
