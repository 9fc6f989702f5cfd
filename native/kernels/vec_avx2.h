// The vector vocabulary in AVX2 + FMA: sixteen lanes are two ymm registers of float or four of double.

// GCC leaves longer functions as calls and then passes V through memory, up to ten times slower: what works on V is always inlined.
#define INLINE inline __attribute__((always_inline))

using nodegrad::bfloat16;

constexpr int lanes = 16;
constexpr int neighbours = 2;  // vectors that a map works on at a time

template <class T> struct BitsOf;
template <> struct BitsOf<float> { using type = int32_t; };
template <> struct BitsOf<double> { using type = int64_t; };

// The register type of one ymm, its count per sixteen lanes, and the intrinsics under one name for both types.
template <class T> struct R;
template <> struct R<float> {
  using reg = __m256; static constexpr int n = 2, w = 8;
  static reg set1(float x) { return _mm256_set1_ps(x); }
  static reg load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, reg a) { _mm256_storeu_ps(p, a); }
  static void stream(float* p, reg a) { _mm256_stream_ps(p, a); }
  static reg add(reg a, reg b) { return _mm256_add_ps(a, b); }
  static reg sub(reg a, reg b) { return _mm256_sub_ps(a, b); }
  static reg mul(reg a, reg b) { return _mm256_mul_ps(a, b); }
  static reg div(reg a, reg b) { return _mm256_div_ps(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm256_fmadd_ps(a, b, c); }
  static reg fnma(reg a, reg b, reg c) { return _mm256_fnmadd_ps(a, b, c); }
  static reg sqrt(reg a) { return _mm256_sqrt_ps(a); }
  static reg max(reg a, reg b) { return _mm256_max_ps(a, b); }
  static reg min(reg a, reg b) { return _mm256_min_ps(a, b); }
  template <int P> static reg cmp(reg a, reg b) { return _mm256_cmp_ps(a, b, P); }
  static reg blend(reg m, reg a, reg b) { return _mm256_blendv_ps(b, a, m); }
  static reg band(reg a, reg b) { return _mm256_and_ps(a, b); }
  static reg bor(reg a, reg b) { return _mm256_or_ps(a, b); }
  static int mask(reg m) { return _mm256_movemask_ps(m); }
  static __m256i bits(reg a) { return _mm256_castps_si256(a); }
  static reg from(__m256i a) { return _mm256_castsi256_ps(a); }
  static __m256i iset(int32_t x) { return _mm256_set1_epi32(x); }
  static __m256i iadd(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }
  static __m256i isub(__m256i a, __m256i b) { return _mm256_sub_epi32(a, b); }
  template <int K> static __m256i shl(__m256i a) { return _mm256_slli_epi32(a, K); }
  template <int K> static __m256i shr(__m256i a) { return _mm256_srli_epi32(a, K); }
  // Lanes [0, n) of the register: for partial loads and stores.
  static __m256i tail(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
  static reg loadn(const float* p, int n) { return _mm256_maskload_ps(p, tail(n)); }
  // Not by a masked store, which takes many cycles on some processors.
  static void storen(float* p, reg a, int n) {
    if (n >= 8) return store(p, a);
    if (n <= 0) return;
    __m128 part = _mm256_castps256_ps128(a);
    if (n & 4) { _mm_storeu_ps(p, part); p += 4; part = _mm256_extractf128_ps(a, 1); }
    if (n & 2) { _mm_storel_pi((__m64*)p, part); p += 2; part = _mm_movehl_ps(part, part); }
    if (n & 1) _mm_store_ss(p, part);
  }
};
template <> struct R<double> {
  using reg = __m256d; static constexpr int n = 4, w = 4;
  static reg set1(double x) { return _mm256_set1_pd(x); }
  static reg load(const double* p) { return _mm256_loadu_pd(p); }
  static void store(double* p, reg a) { _mm256_storeu_pd(p, a); }
  static void stream(double* p, reg a) { _mm256_stream_pd(p, a); }
  static reg add(reg a, reg b) { return _mm256_add_pd(a, b); }
  static reg sub(reg a, reg b) { return _mm256_sub_pd(a, b); }
  static reg mul(reg a, reg b) { return _mm256_mul_pd(a, b); }
  static reg div(reg a, reg b) { return _mm256_div_pd(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm256_fmadd_pd(a, b, c); }
  static reg fnma(reg a, reg b, reg c) { return _mm256_fnmadd_pd(a, b, c); }
  static reg sqrt(reg a) { return _mm256_sqrt_pd(a); }
  static reg max(reg a, reg b) { return _mm256_max_pd(a, b); }
  static reg min(reg a, reg b) { return _mm256_min_pd(a, b); }
  template <int P> static reg cmp(reg a, reg b) { return _mm256_cmp_pd(a, b, P); }
  static reg blend(reg m, reg a, reg b) { return _mm256_blendv_pd(b, a, m); }
  static reg band(reg a, reg b) { return _mm256_and_pd(a, b); }
  static reg bor(reg a, reg b) { return _mm256_or_pd(a, b); }
  static int mask(reg m) { return _mm256_movemask_pd(m); }
  static __m256i bits(reg a) { return _mm256_castpd_si256(a); }
  static reg from(__m256i a) { return _mm256_castsi256_pd(a); }
  static __m256i iset(int64_t x) { return _mm256_set1_epi64x(x); }
  static __m256i iadd(__m256i a, __m256i b) { return _mm256_add_epi64(a, b); }
  static __m256i isub(__m256i a, __m256i b) { return _mm256_sub_epi64(a, b); }
  template <int K> static __m256i shl(__m256i a) { return _mm256_slli_epi64(a, K); }
  template <int K> static __m256i shr(__m256i a) { return _mm256_srli_epi64(a, K); }
  static __m256i tail(int n) { return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)); }
  static reg loadn(const double* p, int n) { return _mm256_maskload_pd(p, tail(n)); }
  static void storen(double* p, reg a, int n) {
    if (n >= 4) return store(p, a);
    if (n <= 0) return;
    __m128d part = _mm256_castpd256_pd128(a);
    if (n & 2) { _mm_storeu_pd(p, part); p += 2; part = _mm256_extractf128_pd(a, 1); }
    if (n & 1) _mm_store_sd(p, part);
  }
};

template <class T> struct V { typename R<T>::reg v[R<T>::n]; };
template <class T> struct M { typename R<T>::reg v[R<T>::n]; };
template <class T> struct B { __m256i v[R<T>::n]; };

#define EACH _Pragma("GCC unroll 4") for (int i = 0; i < R<T>::n; ++i)

template <class T> INLINE V<T> set1(T x) { V<T> r; EACH r.v[i] = R<T>::set1(x); return r; }
template <class T> INLINE V<T> zero() { return set1<T>(0); }
template <class T> INLINE V<T> load(const T* p) { V<T> r; EACH r.v[i] = R<T>::load(p + i * R<T>::w); return r; }
template <class T> INLINE V<T> load(const T* p, int n) { V<T> r; EACH r.v[i] = R<T>::loadn(p + i * R<T>::w, n - i * R<T>::w); return r; }
template <class T> INLINE void store(T* p, V<T> a) { EACH R<T>::store(p + i * R<T>::w, a.v[i]); }
template <class T> INLINE void store(T* p, V<T> a, int n) { EACH R<T>::storen(p + i * R<T>::w, a.v[i], n - i * R<T>::w); }
template <class T> INLINE void stream(T* p, V<T> a) { EACH R<T>::stream(p + i * R<T>::w, a.v[i]); }
INLINE void streamFence() { _mm_sfence(); }
INLINE void prefetch(const void* p) { _mm_prefetch((const char*)p, _MM_HINT_T0); }
INLINE void prefetchFar(const void* p) { _mm_prefetch((const char*)p, _MM_HINT_T1); }
INLINE void prefetchForWriting(const void* p) { __builtin_prefetch(p, 1); }

template <class T> INLINE V<T> held(V<T> a) { return a; }
INLINE void readInOrder() {}

template <class T> INLINE V<T> operator+(V<T> a, V<T> b) { EACH a.v[i] = R<T>::add(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> operator-(V<T> a, V<T> b) { EACH a.v[i] = R<T>::sub(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> operator*(V<T> a, V<T> b) { EACH a.v[i] = R<T>::mul(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> operator/(V<T> a, V<T> b) { EACH a.v[i] = R<T>::div(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> fma(V<T> a, V<T> b, V<T> c) { EACH a.v[i] = R<T>::fma(a.v[i], b.v[i], c.v[i]); return a; }
template <class T> INLINE V<T> fnma(V<T> a, V<T> b, V<T> c) { EACH a.v[i] = R<T>::fnma(a.v[i], b.v[i], c.v[i]); return a; }
template <class T> INLINE V<T> sqrt(V<T> a) { EACH a.v[i] = R<T>::sqrt(a.v[i]); return a; }
template <class T> INLINE T roundMagic() { return sizeof(T) == 4 ? T(12582912.0) : T(6755399441055744.0); }
template <class T> INLINE V<T> rawMax(V<T> a, V<T> b) { EACH a.v[i] = R<T>::max(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> rawMin(V<T> a, V<T> b) { EACH a.v[i] = R<T>::min(a.v[i], b.v[i]); return a; }

// Half a vector, eight lanes: what a matrix product needs of it.
template <class T> struct H { typename R<T>::reg v[R<T>::n / 2]; };
#define EACH_HALF _Pragma("GCC unroll 2") for (int i = 0; i < R<T>::n / 2; ++i)
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
template <class T> INLINE B<T> operator&(B<T> a, B<T> b) { EACH a.v[i] = _mm256_and_si256(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator|(B<T> a, B<T> b) { EACH a.v[i] = _mm256_or_si256(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator^(B<T> a, B<T> b) { EACH a.v[i] = _mm256_xor_si256(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator+(B<T> a, B<T> b) { EACH a.v[i] = R<T>::iadd(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator-(B<T> a, B<T> b) { EACH a.v[i] = R<T>::isub(a.v[i], b.v[i]); return a; }
template <int K, class T> INLINE B<T> shl(B<T> a) { EACH a.v[i] = R<T>::template shl<K>(a.v[i]); return a; }
template <int K, class T> INLINE B<T> shr(B<T> a) { EACH a.v[i] = R<T>::template shr<K>(a.v[i]); return a; }

template <class T> INLINE M<T> gt(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_GT_OQ>(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> ge(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_GE_OQ>(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> eq(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_EQ_OQ>(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> ne(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_NEQ_UQ>(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> isNaN(V<T> a) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_UNORD_Q>(a.v[i], a.v[i]); return r; }
template <class T> INLINE M<T> operator&(M<T> a, M<T> b) { EACH a.v[i] = R<T>::band(a.v[i], b.v[i]); return a; }
template <class T> INLINE M<T> operator|(M<T> a, M<T> b) { EACH a.v[i] = R<T>::bor(a.v[i], b.v[i]); return a; }
template <class T> INLINE V<T> select(M<T> m, V<T> a, V<T> b) { EACH a.v[i] = R<T>::blend(m.v[i], a.v[i], b.v[i]); return a; }
template <class T> INLINE bool any(M<T> m) { int r = 0; EACH r |= R<T>::mask(m.v[i]); return r != 0; }

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
  for (int i = 0; i < 2; ++i) {
    r.v[2 * i] = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v[i]));
    r.v[2 * i + 1] = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v[i], 1));
  }
  return r;
}
INLINE V<double> widen(V<double> a) { return a; }

// bfloat16 in memory, float32 in registers; see roundUpper in vec.h.
INLINE B<float> roundUpper(V<float> a);
INLINE V<float> fromUpper(__m128i low, __m128i high) {
  return {{_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(low), 16)), _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(high), 16))}};
}
INLINE __m256i toUpper(V<float> a) {
  const B<float> words = shr<16>(roundUpper(a));
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(words.v[0], words.v[1]), 0xd8);
}
INLINE V<float> load(const bfloat16* p) { return fromUpper(_mm_loadu_si128((const __m128i*)p), _mm_loadu_si128((const __m128i*)(p + 8))); }
INLINE V<float> load(const bfloat16* p, int n) {
  uint64_t words[4] = {0, 0, 0, 0};
  int i = 0;
  for (; i + 4 <= n; i += 4) __builtin_memcpy(words + i / 4, p + i, 8);
  for (; i < n; ++i) words[i / 4] |= uint64_t(p[i].bits) << (i % 4 * 16);
  return fromUpper(_mm_set_epi64x(int64_t(words[1]), int64_t(words[0])), _mm_set_epi64x(int64_t(words[3]), int64_t(words[2])));
}
INLINE void store(bfloat16* p, V<float> a) { _mm256_storeu_si256((__m256i*)p, toUpper(a)); }
INLINE void store(bfloat16* p, V<float> a, int n) {
  const __m256i words = toUpper(a);
  __m128i part = _mm256_castsi256_si128(words);
  if (n & 16) return _mm256_storeu_si256((__m256i*)p, words);
  if (n & 8) { _mm_storeu_si128((__m128i*)p, part); p += 8; part = _mm256_extracti128_si256(words, 1); }
  if (n & 4) { _mm_storel_epi64((__m128i*)p, part); p += 4; part = _mm_srli_si128(part, 8); }
  uint64_t rest = uint64_t(_mm_cvtsi128_si64(part));
  for (int i = 0; i < (n & 3); ++i, rest >>= 16) p[i].bits = uint16_t(rest);
}
INLINE void stream(bfloat16* p, V<float> a) { _mm256_stream_si256((__m256i*)p, toUpper(a)); }

// Sixteen bytes as integer lanes, and integer lanes of 0 … 255 as bytes; the forms with n touch n bytes.
template <class T> INLINE B<T> fromBytes(__m128i b) {
  if constexpr (sizeof(T) == 4) return {{_mm256_cvtepu8_epi32(b), _mm256_cvtepu8_epi32(_mm_srli_si128(b, 8))}};
  else return {{_mm256_cvtepu8_epi64(b), _mm256_cvtepu8_epi64(_mm_srli_si128(b, 4)), _mm256_cvtepu8_epi64(_mm_srli_si128(b, 8)), _mm256_cvtepu8_epi64(_mm_srli_si128(b, 12))}};
}
// The low halves of eight 64-bit lanes.
INLINE __m256i narrow(__m256i a, __m256i b) {
  const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  return _mm256_blend_epi32(_mm256_permutevar8x32_epi32(a, even), _mm256_permutevar8x32_epi32(b, even), 0xf0);
}
template <class T> INLINE __m128i toBytes(B<T> a) {
  __m256i low, high;
  if constexpr (sizeof(T) == 4) low = a.v[0], high = a.v[1];
  else low = narrow(a.v[0], a.v[1]), high = narrow(a.v[2], a.v[3]);
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
template <class T> INLINE B<T> loadBytes(const uint8_t* p) { return fromBytes<T>(_mm_loadu_si128((const __m128i*)p)); }
template <class T> INLINE B<T> loadBytes(const uint8_t* p, int n) {
  // Two words that overlap: bytes of both are the same.
  uint64_t low = 0, high = 0;
  uint32_t half = 0;
  if (n >= 8) {
    __builtin_memcpy(&low, p, 8);
    __builtin_memcpy(&high, p + n - 8, 8);
    high = n > 8 ? high >> (8 * (16 - n)) : 0;
  } else if (n >= 4) {
    __builtin_memcpy(&half, p + n - 4, 4);
    low = uint64_t(half) << (8 * (n - 4));
    __builtin_memcpy(&half, p, 4);
    low |= half;
  } else {
    for (int i = 0; i < n; ++i) low |= uint64_t(p[i]) << (8 * i);
  }
  return fromBytes<T>(_mm_set_epi64x(int64_t(high), int64_t(low)));
}
template <class T> INLINE void storeBytes(uint8_t* p, B<T> a) { _mm_storeu_si128((__m128i*)p, toBytes<T>(a)); }
template <class T> INLINE void storeBytes(uint8_t* p, B<T> a, int n) {
  const __m128i b = toBytes<T>(a);
  const uint64_t low = uint64_t(_mm_cvtsi128_si64(b)), high = uint64_t(_mm_extract_epi64(b, 1));
  if (n >= 8) {
    const uint64_t last = n > 8 ? low >> (8 * (n - 8)) | high << (8 * (16 - n)) : low;
    __builtin_memcpy(p, &low, 8);
    __builtin_memcpy(p + n - 8, &last, 8);
  } else if (n >= 4) {
    const uint32_t first = uint32_t(low), last = uint32_t(low >> (8 * (n - 4)));
    __builtin_memcpy(p, &first, 4);
    __builtin_memcpy(p + n - 4, &last, 4);
  } else {
    for (int i = 0; i < n; ++i) p[i] = uint8_t(low >> (8 * i));
  }
}
template <class T> INLINE M<T> equal(B<T> a, B<T> b) {
  M<T> r;
  EACH {
    if constexpr (sizeof(T) == 4) r.v[i] = R<T>::from(_mm256_cmpeq_epi32(a.v[i], b.v[i]));
    else r.v[i] = R<T>::from(_mm256_cmpeq_epi64(a.v[i], b.v[i]));
  }
  return r;
}

#undef EACH
