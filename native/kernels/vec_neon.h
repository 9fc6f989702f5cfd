// The vector vocabulary in NEON (AArch64): sixteen lanes are four registers of float or eight of double.

// GCC leaves longer functions as calls and then passes V through memory, up to ten times slower: what works on V is always inlined.
#define INLINE inline __attribute__((always_inline))

using nodegrad::bfloat16;

constexpr int lanes = 16;
constexpr int neighbours = 1;  // vectors that a map works on at a time: its registers are four neighbours already

template <class T> struct BitsOf;
template <> struct BitsOf<float> { using type = int32_t; };
template <> struct BitsOf<double> { using type = int64_t; };

// The register types, their count per sixteen lanes, and the intrinsics under one name for both types.
template <class T> struct R;
template <> struct R<float> {
  using reg = float32x4_t; using word = uint32x4_t; static constexpr int n = 4, w = 4;
  static INLINE reg set1(float x) { return vdupq_n_f32(x); }
  static INLINE reg load(const float* p) { return vld1q_f32(p); }
  static INLINE void store(float* p, reg a) { vst1q_f32(p, a); }
  static INLINE reg add(reg a, reg b) { return vaddq_f32(a, b); }
  static INLINE reg sub(reg a, reg b) { return vsubq_f32(a, b); }
  static INLINE reg mul(reg a, reg b) { return vmulq_f32(a, b); }
  static INLINE reg div(reg a, reg b) { return vdivq_f32(a, b); }
  static INLINE reg fma(reg a, reg b, reg c) { return vfmaq_f32(c, a, b); }
  static INLINE reg fnma(reg a, reg b, reg c) { return vfmsq_f32(c, a, b); }
  static INLINE reg sqrt(reg a) { return vsqrtq_f32(a); }
  static INLINE word gt(reg a, reg b) { return vcgtq_f32(a, b); }
  static INLINE word ge(reg a, reg b) { return vcgeq_f32(a, b); }
  static INLINE word eq(reg a, reg b) { return vceqq_f32(a, b); }
  static INLINE word equal(word a, word b) { return vceqq_u32(a, b); }
  static INLINE word inverse(word a) { return vmvnq_u32(a); }
  static INLINE reg blend(word m, reg a, reg b) { return vbslq_f32(m, a, b); }
  static INLINE word band(word a, word b) { return vandq_u32(a, b); }
  static INLINE word bor(word a, word b) { return vorrq_u32(a, b); }
  static INLINE word bxor(word a, word b) { return veorq_u32(a, b); }
  static INLINE bool any(word a) { return vmaxvq_u32(a) != 0; }
  static INLINE word bits(reg a) { return vreinterpretq_u32_f32(a); }
  static INLINE reg from(word a) { return vreinterpretq_f32_u32(a); }
  static INLINE word iset(int32_t x) { return vdupq_n_u32(uint32_t(x)); }
  static INLINE word iadd(word a, word b) { return vaddq_u32(a, b); }
  static INLINE word isub(word a, word b) { return vsubq_u32(a, b); }
  template <int K> static INLINE word shl(word a) { return vshlq_n_u32(a, K); }
  template <int K> static INLINE word shr(word a) { return vshrq_n_u32(a, K); }
  // Lanes [0, n) of the register alone.
  static INLINE reg loadn(const float* p, int n) {
    if (n >= 4) return load(p);
    const float32x2_t none = vdup_n_f32(0);
    if (n <= 0) return vcombine_f32(none, none);
    if (n == 1) return vcombine_f32(vld1_lane_f32(p, none, 0), none);
    return vcombine_f32(vld1_f32(p), n == 2 ? none : vld1_lane_f32(p + 2, none, 0));
  }
  static INLINE void storen(float* p, reg a, int n) {
    if (n >= 4) return store(p, a);
    if (n >= 2) vst1_f32(p, vget_low_f32(a));
    if (n == 3) vst1q_lane_f32(p + 2, a, 2);
    if (n == 1) vst1q_lane_f32(p, a, 0);
  }
};
template <> struct R<double> {
  using reg = float64x2_t; using word = uint64x2_t; static constexpr int n = 8, w = 2;
  static INLINE reg set1(double x) { return vdupq_n_f64(x); }
  static INLINE reg load(const double* p) { return vld1q_f64(p); }
  static INLINE void store(double* p, reg a) { vst1q_f64(p, a); }
  static INLINE reg add(reg a, reg b) { return vaddq_f64(a, b); }
  static INLINE reg sub(reg a, reg b) { return vsubq_f64(a, b); }
  static INLINE reg mul(reg a, reg b) { return vmulq_f64(a, b); }
  static INLINE reg div(reg a, reg b) { return vdivq_f64(a, b); }
  static INLINE reg fma(reg a, reg b, reg c) { return vfmaq_f64(c, a, b); }
  static INLINE reg fnma(reg a, reg b, reg c) { return vfmsq_f64(c, a, b); }
  static INLINE reg sqrt(reg a) { return vsqrtq_f64(a); }
  static INLINE word gt(reg a, reg b) { return vcgtq_f64(a, b); }
  static INLINE word ge(reg a, reg b) { return vcgeq_f64(a, b); }
  static INLINE word eq(reg a, reg b) { return vceqq_f64(a, b); }
  static INLINE word equal(word a, word b) { return vceqq_u64(a, b); }
  static INLINE word inverse(word a) { return vreinterpretq_u64_u32(vmvnq_u32(vreinterpretq_u32_u64(a))); }
  static INLINE reg blend(word m, reg a, reg b) { return vbslq_f64(m, a, b); }
  static INLINE word band(word a, word b) { return vandq_u64(a, b); }
  static INLINE word bor(word a, word b) { return vorrq_u64(a, b); }
  static INLINE word bxor(word a, word b) { return veorq_u64(a, b); }
  static INLINE bool any(word a) { return vmaxvq_u32(vreinterpretq_u32_u64(a)) != 0; }
  static INLINE word bits(reg a) { return vreinterpretq_u64_f64(a); }
  static INLINE reg from(word a) { return vreinterpretq_f64_u64(a); }
  static INLINE word iset(int64_t x) { return vdupq_n_u64(uint64_t(x)); }
  static INLINE word iadd(word a, word b) { return vaddq_u64(a, b); }
  static INLINE word isub(word a, word b) { return vsubq_u64(a, b); }
  template <int K> static INLINE word shl(word a) { return vshlq_n_u64(a, K); }
  template <int K> static INLINE word shr(word a) { return vshrq_n_u64(a, K); }
  static INLINE reg loadn(const double* p, int n) {
    if (n >= 2) return load(p);
    return vcombine_f64(n == 1 ? vld1_f64(p) : vdup_n_f64(0), vdup_n_f64(0));
  }
  static INLINE void storen(double* p, reg a, int n) {
    if (n >= 2) return store(p, a);
    if (n == 1) vst1_f64(p, vget_low_f64(a));
  }
};

template <class T> struct V { typename R<T>::reg v[R<T>::n]; };
template <class T> struct M { typename R<T>::word v[R<T>::n]; };
template <class T> struct B { typename R<T>::word v[R<T>::n]; };

#define EACH _Pragma("GCC unroll 8") for (int i = 0; i < R<T>::n; ++i)

template <class T> INLINE V<T> set1(T x) { V<T> r; EACH r.v[i] = R<T>::set1(x); return r; }
template <class T> INLINE V<T> zero() { return set1<T>(0); }
template <class T> INLINE V<T> load(const T* p) { V<T> r; EACH r.v[i] = R<T>::load(p + i * R<T>::w); return r; }
template <class T> INLINE V<T> load(const T* p, int n) { V<T> r; EACH r.v[i] = R<T>::loadn(p + i * R<T>::w, n - i * R<T>::w); return r; }
template <class T> INLINE void store(T* p, V<T> a) { EACH R<T>::store(p + i * R<T>::w, a.v[i]); }
template <class T> INLINE void store(T* p, V<T> a, int n) { EACH R<T>::storen(p + i * R<T>::w, a.v[i], n - i * R<T>::w); }
// No intrinsic stores past the cache.
template <class T> INLINE void stream(T* p, V<T> a) { store(p, a); }
INLINE void streamFence() {}
INLINE void prefetch(const void* p) { __builtin_prefetch(p, 0, 3); }
INLINE void prefetchFar(const void* p) { __builtin_prefetch(p, 0, 2); }
INLINE void prefetchForWriting(const void* p) { __builtin_prefetch(p, 1, 3); }

template <class T> INLINE V<T> held(V<T> a) { return a; }
// What is read after it is loaded after it: GCC would load all operands of a step of a product first, and spill sums for them.
INLINE void readInOrder() { asm volatile("" ::: "memory"); }

template <class T> INLINE V<T> operator+(V<T> a, V<T> b) { EACH a.v[i] = R<T>::add(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> operator-(V<T> a, V<T> b) { EACH a.v[i] = R<T>::sub(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> operator*(V<T> a, V<T> b) { EACH a.v[i] = R<T>::mul(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> operator/(V<T> a, V<T> b) { EACH a.v[i] = R<T>::div(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> fma(V<T> a, V<T> b, V<T> c) { EACH a.v[i] = R<T>::fma(a.v[i], b.v[i], c.v[i]); return a; }
template <class T> INLINE V<T> fnma(V<T> a, V<T> b, V<T> c) { EACH a.v[i] = R<T>::fnma(a.v[i], b.v[i], c.v[i]); return a; }
template <class T> INLINE V<T> sqrt(V<T> a) { EACH a.v[i] = R<T>::sqrt(a.v[i]); return a; }
template <class T> INLINE T roundMagic() { return sizeof(T) == 4 ? T(12582912.0) : T(6755399441055744.0); }
// By comparison: FMAX has other rules for NaN and zeros.
template <class T> INLINE V<T> rawMax(V<T> a, V<T> b) { EACH a.v[i] = R<T>::blend(R<T>::gt(a.v[i], b.v[i]), a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> rawMin(V<T> a, V<T> b) { EACH a.v[i] = R<T>::blend(R<T>::gt(b.v[i], a.v[i]), a.v[i], b.v[i]); return a; }

// Half a vector, eight lanes: what a matrix product needs of it.
template <class T> struct H { typename R<T>::reg v[R<T>::n / 2]; };
#define EACH_HALF _Pragma("GCC unroll 4") for (int i = 0; i < R<T>::n / 2; ++i)
template <class T> INLINE H<T> half(T x) { H<T> r; EACH_HALF r.v[i] = R<T>::set1(x); return r; }
template <class T> INLINE H<T> loadHalf(const T* p) { H<T> r; EACH_HALF r.v[i] = R<T>::load(p + i * R<T>::w); return r; }
template <class T> INLINE H<T> loadHalf(const T* p, int n) { H<T> r; EACH_HALF r.v[i] = R<T>::loadn(p + i * R<T>::w, n - i * R<T>::w); return r; }
template <class T> INLINE void store(T* p, H<T> a) { EACH_HALF R<T>::store(p + i * R<T>::w, a.v[i]); }
template <class T> INLINE void store(T* p, H<T> a, int n) { EACH_HALF R<T>::storen(p + i * R<T>::w, a.v[i], n - i * R<T>::w); }
template <class T> INLINE H<T> operator+(H<T> a, H<T> b) { EACH_HALF a.v[i] = R<T>::add(a.v[i], b.v[i]); return a; }
template <class T> INLINE H<T> fma(H<T> a, H<T> b, H<T> c) { EACH_HALF c.v[i] = R<T>::fma(a.v[i], b.v[i], c.v[i]); return c; }
template <class T> INLINE V<T> whole(H<T> a) { V<T> r = zero<T>(); EACH_HALF r.v[i] = a.v[i]; return r; }  // the rest is anything
template <class T> INLINE H<T> half(V<T> a) { H<T> r; EACH_HALF r.v[i] = a.v[i]; return r; }
#undef EACH_HALF

template <class T> INLINE B<T> bits(V<T> a) { B<T> r; EACH r.v[i] = R<T>::bits(a.v[i]); return r; }
template <class T> INLINE V<T> fromBits(B<T> a) { V<T> r; EACH r.v[i] = R<T>::from(a.v[i]); return r; }
template <class T> INLINE B<T> setBits(typename BitsOf<T>::type x) { B<T> r; EACH r.v[i] = R<T>::iset(x); return r; }
template <class T> INLINE B<T> operator&(B<T> a, B<T> b) { EACH a.v[i] = R<T>::band(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator|(B<T> a, B<T> b) { EACH a.v[i] = R<T>::bor(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator^(B<T> a, B<T> b) { EACH a.v[i] = R<T>::bxor(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator+(B<T> a, B<T> b) { EACH a.v[i] = R<T>::iadd(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator-(B<T> a, B<T> b) { EACH a.v[i] = R<T>::isub(a.v[i], b.v[i]); return a; }
template <int K, class T> INLINE B<T> shl(B<T> a) { EACH a.v[i] = R<T>::template shl<K>(a.v[i]); return a; }
template <int K, class T> INLINE B<T> shr(B<T> a) { EACH a.v[i] = R<T>::template shr<K>(a.v[i]); return a; }

template <class T> INLINE M<T> gt(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::gt(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> ge(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::ge(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> eq(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::eq(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> ne(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::inverse(R<T>::eq(a.v[i], b.v[i])); return r; }
template <class T> INLINE M<T> isNaN(V<T> a) { return ne(a, a); }
template <class T> INLINE M<T> operator&(M<T> a, M<T> b) { EACH a.v[i] = R<T>::band(a.v[i], b.v[i]); return a; }
template <class T> INLINE M<T> operator|(M<T> a, M<T> b) { EACH a.v[i] = R<T>::bor(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> select(M<T> m, V<T> a, V<T> b) { EACH a.v[i] = R<T>::blend(m.v[i], a.v[i], b.v[i]); return a; }
template <class T> INLINE bool any(M<T> m) { EACH m.v[0] = R<T>::bor(m.v[0], m.v[i]); return R<T>::any(m.v[0]); }
template <class T> INLINE M<T> equal(B<T> a, B<T> b) { M<T> r; EACH r.v[i] = R<T>::equal(a.v[i], b.v[i]); return r; }

// a·2^k for 1/2 ≤ |a| < 2 and an integer-valued k, |k| ≤ 252 (float) or 2044 (double), rounded once: the power in two factors
// (AVX-512 has an instruction; the bits are the same).
template <class T> INLINE V<T> timesPowerOfTwo(V<T> a, V<T> k) {
  constexpr int mantissa = sizeof(T) == 4 ? 23 : 52, bias = sizeof(T) == 4 ? 127 : 1023;
  const B<T> both = bits(k + set1<T>(roundMagic<T>() + 2 * bias)), first = shr<1>(both);
  return a * fromBits<T>(shl<mantissa>(first)) * fromBits<T>(shl<mantissa>(both - first));
}

// float → double, exactly; double as it is.
INLINE V<double> widen(V<float> a) {
  V<double> r;
  for (int i = 0; i < 4; ++i) {
    r.v[2 * i] = vcvt_f64_f32(vget_low_f32(a.v[i]));
    r.v[2 * i + 1] = vcvt_high_f64_f32(a.v[i]);
  }
  return r;
}
INLINE V<double> widen(V<double> a) { return a; }

// bfloat16 in memory, float32 in registers; see roundUpper in vec.h.
INLINE B<float> roundUpper(V<float> a);
INLINE V<float> fromUpper(uint16x8_t low, uint16x8_t high) {
  const uint32x4_t words[4] = {vshll_n_u16(vget_low_u16(low), 16), vshll_n_u16(vget_high_u16(low), 16), vshll_n_u16(vget_low_u16(high), 16),
                               vshll_n_u16(vget_high_u16(high), 16)};
  V<float> r;
  for (int i = 0; i < 4; ++i) r.v[i] = vreinterpretq_f32_u32(words[i]);
  return r;
}
INLINE uint16x8x2_t toUpper(V<float> a) {
  const B<float> u = roundUpper(a);
  const auto upper = [](uint32x4_t low, uint32x4_t high) { return vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high)); };
  return {{upper(u.v[0], u.v[1]), upper(u.v[2], u.v[3])}};
}
INLINE V<float> load(const bfloat16* p) { return fromUpper(vld1q_u16(&p->bits), vld1q_u16(&p[8].bits)); }
INLINE V<float> load(const bfloat16* p, int n) {
  uint16_t all[16] = {};
  __builtin_memcpy(all, p, size_t(n) * 2);
  return fromUpper(vld1q_u16(all), vld1q_u16(all + 8));
}
INLINE void store(bfloat16* p, V<float> a) {
  const uint16x8x2_t words = toUpper(a);
  vst1q_u16(&p->bits, words.val[0]);
  vst1q_u16(&p[8].bits, words.val[1]);
}
INLINE void store(bfloat16* p, V<float> a, int n) {
  const uint16x8x2_t words = toUpper(a);
  uint16_t all[16];
  vst1q_u16(all, words.val[0]);
  vst1q_u16(all + 8, words.val[1]);
  __builtin_memcpy(p, all, size_t(n) * 2);
}
INLINE void stream(bfloat16* p, V<float> a) { store(p, a); }

// Sixteen bytes as integer lanes, and integer lanes of 0 … 255 as bytes; the forms with n touch n bytes.
template <class T> INLINE B<T> fromBytes(uint8x16_t b) {
  const uint16x8_t low = vmovl_u8(vget_low_u8(b)), high = vmovl_u8(vget_high_u8(b));
  const uint32x4_t words[4] = {vmovl_u16(vget_low_u16(low)), vmovl_u16(vget_high_u16(low)), vmovl_u16(vget_low_u16(high)), vmovl_u16(vget_high_u16(high))};
  B<T> r;
  for (int i = 0; i < 4; ++i) {
    if constexpr (sizeof(T) == 4) r.v[i] = words[i];
    else r.v[2 * i] = vmovl_u32(vget_low_u32(words[i])), r.v[2 * i + 1] = vmovl_u32(vget_high_u32(words[i]));
  }
  return r;
}
template <class T> INLINE uint8x16_t toBytes(B<T> a) {
  uint32x4_t words[4];
  for (int i = 0; i < 4; ++i) {
    if constexpr (sizeof(T) == 4) words[i] = a.v[i];
    else words[i] = vcombine_u32(vmovn_u64(a.v[2 * i]), vmovn_u64(a.v[2 * i + 1]));
  }
  const uint16x8_t low = vcombine_u16(vmovn_u32(words[0]), vmovn_u32(words[1])), high = vcombine_u16(vmovn_u32(words[2]), vmovn_u32(words[3]));
  return vcombine_u8(vmovn_u16(low), vmovn_u16(high));
}
template <class T> INLINE B<T> loadBytes(const uint8_t* p) { return fromBytes<T>(vld1q_u8(p)); }
template <class T> INLINE B<T> loadBytes(const uint8_t* p, int n) {
  uint8_t all[16] = {};
  __builtin_memcpy(all, p, size_t(n));
  return fromBytes<T>(vld1q_u8(all));
}
template <class T> INLINE void storeBytes(uint8_t* p, B<T> a) { vst1q_u8(p, toBytes<T>(a)); }
template <class T> INLINE void storeBytes(uint8_t* p, B<T> a, int n) {
  uint8_t all[16];
  vst1q_u8(all, toBytes<T>(a));
  __builtin_memcpy(p, all, size_t(n));
}

#undef EACH
