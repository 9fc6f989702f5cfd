// What every instruction set shares on top of its vocabulary: NaN-keeping maximum, absolute value, lane sums in one fixed tree.

// rawMax(a, b) gives b when either is NaN, so a NaN on either side stays. Of two zeros the second is taken.
template <class T> INLINE V<T> maximum(V<T> a, V<T> b) { return select(isNaN(a), a, rawMax(a, b)); }
template <class T> INLINE V<T> minimum(V<T> a, V<T> b) { return select(isNaN(a), a, rawMin(a, b)); }

template <class T> INLINE B<T> signBit();
template <> INLINE B<float> signBit<float>() { return setBits<float>(int32_t(0x80000000u)); }
template <> INLINE B<double> signBit<double>() { return setBits<double>(int64_t(0x8000000000000000ull)); }
template <class T> INLINE V<T> negate(V<T> a) { return fromBits<T>(bits(a) ^ signBit<T>()); }
template <class T> INLINE V<T> signOf(V<T> a) { return fromBits<T>(bits(a) & signBit<T>()); }                    // ±0
template <class T> INLINE V<T> withSign(V<T> a, V<T> sign) { return fromBits<T>(bits(a) | bits(signOf(sign))); }  // a ≥ 0
template <class T> INLINE V<T> abs(V<T> a) { return fromBits<T>(bits(a) ^ bits(signOf(a))); }

// ((0+8)+(4+12)) … : halves of 8, 4, 2, 1. The same tree for every instruction set.
template <class T> INLINE T sumLanes(V<T> a) {
  T t[16];
  store(t, a);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) t[i] = t[i] + t[i + half];
  return t[0];
}
// A NaN in any lane stays.
template <class T> INLINE T maxLanes(V<T> a) {
  T t[16];
  store(t, a);
  T best = t[0];
  for (int i = 1; i < 16; ++i) best = (best != best) ? best : (best > t[i] ? best : t[i]);
  return best;
}

// Rounded to bfloat16, which is the upper half of each lane; the lower half is anything. To nearest, ties to even; a NaN stays one and is quiet;
// a denormal number is a zero of its sign.
INLINE B<float> roundUpper(V<float> a) {
  const B<float> u = bits(a), odd = shr<16>(u) & setBits<float>(1);
  const V<float> nearest = fromBits<float>(u + setBits<float>(0x7fff) + odd);
  const V<float> normal = select(equal<float>(u & setBits<float>(0x7f800000), setBits<float>(0)), signOf(a), nearest);
  return bits(select(isNaN(a), fromBits<float>(u | setBits<float>(0x400000)), normal));
}
