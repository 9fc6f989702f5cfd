// The vector vocabulary in AVX-512 (F, DQ, BW, VL): sixteen lanes are one zmm register of float or two of double.

// GCC leaves longer functions as calls and then passes V through memory, up to ten times slower: what works on V is always inlined.
#define INLINE inline __attribute__((always_inline))

using nodegrad::bfloat16;

constexpr int lanes = 16;
constexpr int neighbours = 4;  // vectors that a map works on at a time

template <class T> struct BitsOf;
template <> struct BitsOf<float> { using type = int32_t; };
template <> struct BitsOf<double> { using type = int64_t; };

template <class T> struct R;
template <> struct R<float> {
  using reg = __m512; using mask = __mmask16; static constexpr int n = 1, w = 16;
  static reg set1(float x) { return _mm512_set1_ps(x); }
  static reg load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, reg a) { _mm512_storeu_ps(p, a); }
  static void stream(float* p, reg a) { _mm512_stream_ps(p, a); }
  static reg add(reg a, reg b) { return _mm512_add_ps(a, b); }
  static reg sub(reg a, reg b) { return _mm512_sub_ps(a, b); }
  static reg mul(reg a, reg b) { return _mm512_mul_ps(a, b); }
  static reg div(reg a, reg b) { return _mm512_div_ps(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm512_fmadd_ps(a, b, c); }
  static reg fnma(reg a, reg b, reg c) { return _mm512_fnmadd_ps(a, b, c); }
  static reg sqrt(reg a) { return _mm512_sqrt_ps(a); }
  static reg scale(reg a, reg k) { return _mm512_scalef_ps(a, k); }
  static reg max(reg a, reg b) { return _mm512_max_ps(a, b); }
  static reg min(reg a, reg b) { return _mm512_min_ps(a, b); }
  template <int P> static mask cmp(reg a, reg b) { return _mm512_cmp_ps_mask(a, b, P); }
  static reg blend(mask m, reg a, reg b) { return _mm512_mask_blend_ps(m, b, a); }
  static __m512i bits(reg a) { return _mm512_castps_si512(a); }
  static reg from(__m512i a) { return _mm512_castsi512_ps(a); }
  static __m512i iset(int32_t x) { return _mm512_set1_epi32(x); }
  static __m512i iadd(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
  static __m512i isub(__m512i a, __m512i b) { return _mm512_sub_epi32(a, b); }
  template <int K> static __m512i shl(__m512i a) { return _mm512_slli_epi32(a, K); }
  template <int K> static __m512i shr(__m512i a) { return _mm512_srli_epi32(a, K); }
  static reg loadm(mask m, const float* p) { return _mm512_maskz_loadu_ps(m, p); }
  static void storem(float* p, mask m, reg a) { _mm512_mask_storeu_ps(p, m, a); }
};
template <> struct R<double> {
  using reg = __m512d; using mask = __mmask8; static constexpr int n = 2, w = 8;
  static reg set1(double x) { return _mm512_set1_pd(x); }
  static reg load(const double* p) { return _mm512_loadu_pd(p); }
  static void store(double* p, reg a) { _mm512_storeu_pd(p, a); }
  static void stream(double* p, reg a) { _mm512_stream_pd(p, a); }
  static reg add(reg a, reg b) { return _mm512_add_pd(a, b); }
  static reg sub(reg a, reg b) { return _mm512_sub_pd(a, b); }
  static reg mul(reg a, reg b) { return _mm512_mul_pd(a, b); }
  static reg div(reg a, reg b) { return _mm512_div_pd(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm512_fmadd_pd(a, b, c); }
  static reg fnma(reg a, reg b, reg c) { return _mm512_fnmadd_pd(a, b, c); }
  static reg sqrt(reg a) { return _mm512_sqrt_pd(a); }
  static reg scale(reg a, reg k) { return _mm512_scalef_pd(a, k); }
  static reg max(reg a, reg b) { return _mm512_max_pd(a, b); }
  static reg min(reg a, reg b) { return _mm512_min_pd(a, b); }
  template <int P> static mask cmp(reg a, reg b) { return _mm512_cmp_pd_mask(a, b, P); }
  static reg blend(mask m, reg a, reg b) { return _mm512_mask_blend_pd(m, b, a); }
  static __m512i bits(reg a) { return _mm512_castpd_si512(a); }
  static reg from(__m512i a) { return _mm512_castsi512_pd(a); }
  static __m512i iset(int64_t x) { return _mm512_set1_epi64(x); }
  static __m512i iadd(__m512i a, __m512i b) { return _mm512_add_epi64(a, b); }
  static __m512i isub(__m512i a, __m512i b) { return _mm512_sub_epi64(a, b); }
  template <int K> static __m512i shl(__m512i a) { return _mm512_slli_epi64(a, K); }
  template <int K> static __m512i shr(__m512i a) { return _mm512_srli_epi64(a, K); }
  static reg loadm(mask m, const double* p) { return _mm512_maskz_loadu_pd(m, p); }
  static void storem(double* p, mask m, reg a) { _mm512_mask_storeu_pd(p, m, a); }
};

template <class T> struct V { typename R<T>::reg v[R<T>::n]; };
template <class T> struct M { typename R<T>::mask v[R<T>::n]; };
template <class T> struct B { __m512i v[R<T>::n]; };

#define EACH _Pragma("GCC unroll 2") for (int i = 0; i < R<T>::n; ++i)
// The mask of lanes [0, n) in register i, 0 ≤ n ≤ 16.
template <class T> INLINE typename R<T>::mask tail(int n, int i) { return (typename R<T>::mask)(((1u << n) - 1u) >> (i * R<T>::w)); }

template <class T> INLINE V<T> set1(T x) { V<T> r; EACH r.v[i] = R<T>::set1(x); return r; }
template <class T> INLINE V<T> zero() { return set1<T>(0); }
template <class T> INLINE V<T> load(const T* p) { V<T> r; EACH r.v[i] = R<T>::load(p + i * R<T>::w); return r; }
template <class T> INLINE V<T> load(const T* p, int n) { V<T> r; EACH r.v[i] = R<T>::loadm(tail<T>(n, i), p + i * R<T>::w); return r; }
template <class T> INLINE void store(T* p, V<T> a) { EACH R<T>::store(p + i * R<T>::w, a.v[i]); }
template <class T> INLINE void store(T* p, V<T> a, int n) { EACH R<T>::storem(p + i * R<T>::w, tail<T>(n, i), a.v[i]); }
template <class T> INLINE void stream(T* p, V<T> a) { EACH R<T>::stream(p + i * R<T>::w, a.v[i]); }
INLINE void streamFence() { _mm_sfence(); }
INLINE void prefetch(const void* p) { _mm_prefetch((const char*)p, _MM_HINT_T0); }
INLINE void prefetchFar(const void* p) { _mm_prefetch((const char*)p, _MM_HINT_T1); }
INLINE void prefetchForWriting(const void* p) { __builtin_prefetch(p, 1); }

// a in a register: GCC would rather load it once more for each of its uses.
template <class T> INLINE V<T> held(V<T> a) { EACH asm("" : "+v"(a.v[i])); return a; }
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
template <class T> struct H;
template <> struct H<float> { __m256 v; };
template <> struct H<double> { __m512d v; };
INLINE H<float> half(float x) { return {_mm256_set1_ps(x)}; }
INLINE H<double> half(double x) { return {_mm512_set1_pd(x)}; }
INLINE H<float> loadHalf(const float* p) { return {_mm256_loadu_ps(p)}; }
INLINE H<double> loadHalf(const double* p) { return {_mm512_loadu_pd(p)}; }
INLINE H<float> loadHalf(const float* p, int n) { return {_mm256_maskz_loadu_ps(tail<double>(n, 0), p)}; }
INLINE H<double> loadHalf(const double* p, int n) { return {_mm512_maskz_loadu_pd(tail<double>(n, 0), p)}; }
INLINE void store(float* p, H<float> a) { _mm256_storeu_ps(p, a.v); }
INLINE void store(double* p, H<double> a) { _mm512_storeu_pd(p, a.v); }
INLINE void store(float* p, H<float> a, int n) { _mm256_mask_storeu_ps(p, tail<double>(n, 0), a.v); }
INLINE void store(double* p, H<double> a, int n) { _mm512_mask_storeu_pd(p, tail<double>(n, 0), a.v); }
INLINE H<float> operator+(H<float> a, H<float> b) { return {_mm256_add_ps(a.v, b.v)}; }
INLINE H<double> operator+(H<double> a, H<double> b) { return {_mm512_add_pd(a.v, b.v)}; }
INLINE H<float> fma(H<float> a, H<float> b, H<float> c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
INLINE H<double> fma(H<double> a, H<double> b, H<double> c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
INLINE V<float> whole(H<float> a) { return {{_mm512_zextps256_ps512(a.v)}}; }  // the rest is anything
INLINE V<double> whole(H<double> a) { return {{a.v, _mm512_setzero_pd()}}; }
INLINE H<float> half(V<float> a) { return {_mm512_castps512_ps256(a.v[0])}; }
INLINE H<double> half(V<double> a) { return {a.v[0]}; }

template <class T> INLINE B<T> bits(V<T> a) { B<T> r; EACH r.v[i] = R<T>::bits(a.v[i]); return r; }
template <class T> INLINE V<T> fromBits(B<T> a) { V<T> r; EACH r.v[i] = R<T>::from(a.v[i]); return r; }
template <class T> INLINE B<T> setBits(typename BitsOf<T>::type x) { B<T> r; EACH r.v[i] = R<T>::iset(x); return r; }
template <class T> INLINE B<T> operator&(B<T> a, B<T> b) { EACH a.v[i] = _mm512_and_si512(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator|(B<T> a, B<T> b) { EACH a.v[i] = _mm512_or_si512(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator^(B<T> a, B<T> b) { EACH a.v[i] = _mm512_xor_si512(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator+(B<T> a, B<T> b) { EACH a.v[i] = R<T>::iadd(a.v[i], b.v[i]); return a; }
template <class T> INLINE B<T> operator-(B<T> a, B<T> b) { EACH a.v[i] = R<T>::isub(a.v[i], b.v[i]); return a; }
template <int K, class T> INLINE B<T> shl(B<T> a) { EACH a.v[i] = R<T>::template shl<K>(a.v[i]); return a; }
template <int K, class T> INLINE B<T> shr(B<T> a) { EACH a.v[i] = R<T>::template shr<K>(a.v[i]); return a; }

template <class T> INLINE M<T> gt(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_GT_OQ>(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> ge(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_GE_OQ>(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> eq(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_EQ_OQ>(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> ne(V<T> a, V<T> b) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_NEQ_UQ>(a.v[i], b.v[i]); return r; }
template <class T> INLINE M<T> isNaN(V<T> a) { M<T> r; EACH r.v[i] = R<T>::template cmp<_CMP_UNORD_Q>(a.v[i], a.v[i]); return r; }
template <class T> INLINE M<T> operator&(M<T> a, M<T> b) { EACH a.v[i] = (typename R<T>::mask)(a.v[i] & b.v[i]); return a; }
template <class T> INLINE M<T> operator|(M<T> a, M<T> b) { EACH a.v[i] = (typename R<T>::mask)(a.v[i] | b.v[i]); return a; }
template <class T> INLINE V<T> select(M<T> m, V<T> a, V<T> b) { EACH a.v[i] = R<T>::blend(m.v[i], a.v[i], b.v[i]); return a; }
template <class T> INLINE bool any(M<T> m) { unsigned r = 0; EACH r |= m.v[i]; return r != 0; }
template <class T> INLINE V<T> timesPowerOfTwo(V<T> a, V<T> k) { EACH a.v[i] = R<T>::scale(a.v[i], k.v[i]); return a; }

// float → double, exactly; double as it is.
INLINE V<double> widen(V<float> a) {
  return {{_mm512_cvtps_pd(_mm512_castps512_ps256(a.v[0])), _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v[0], 1))}};
}
INLINE V<double> widen(V<double> a) { return a; }

// bfloat16 in memory, float32 in registers; see roundUpper in vec.h.
INLINE V<float> fromUpper(__m256i a) { return {{_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16))}}; }
// By masks and one permutation, half as many instructions as by the formula for all.
INLINE __m256i toUpper(V<float> a) {
  const __m512i u = _mm512_castps_si512(a.v[0]), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  const __m512i nearest = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
  const __m512i numbers = _mm512_mask_or_epi32(nearest, _mm512_cmp_ps_mask(a.v[0], a.v[0], _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
  const __m512i normal =
      _mm512_mask_and_epi32(numbers, _mm512_testn_epi32_mask(u, _mm512_set1_epi32(0x7f800000)), u, _mm512_set1_epi32(int32_t(0x80000000u)));
  const __m512i upper = _mm512_set_epi64(0, 0, 0, 0, 0x001f001d001b0019, 0x0017001500130011, 0x000f000d000b0009, 0x0007000500030001);
  return _mm512_castsi512_si256(_mm512_permutexvar_epi16(upper, normal));
}
INLINE V<float> load(const bfloat16* p) { return fromUpper(_mm256_loadu_si256((const __m256i*)p)); }
INLINE V<float> load(const bfloat16* p, int n) { return fromUpper(_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1u), p)); }
INLINE void store(bfloat16* p, V<float> a) { _mm256_storeu_si256((__m256i*)p, toUpper(a)); }
INLINE void store(bfloat16* p, V<float> a, int n) { _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1u), toUpper(a)); }
INLINE void stream(bfloat16* p, V<float> a) { _mm256_stream_si256((__m256i*)p, toUpper(a)); }

// Sixteen bytes as integer lanes, and integer lanes of 0 … 255 as bytes; the forms with n touch n bytes.
template <class T> INLINE B<T> fromBytes(__m128i b) {
  if constexpr (sizeof(T) == 4) return {{_mm512_cvtepu8_epi32(b)}};
  else return {{_mm512_cvtepu8_epi64(b), _mm512_cvtepu8_epi64(_mm_srli_si128(b, 8))}};
}
template <class T> INLINE __m128i toBytes(B<T> a) {
  if constexpr (sizeof(T) == 4) return _mm512_cvtepi32_epi8(a.v[0]);
  else return _mm_unpacklo_epi64(_mm512_cvtepi64_epi8(a.v[0]), _mm512_cvtepi64_epi8(a.v[1]));
}
template <class T> INLINE B<T> loadBytes(const uint8_t* p) { return fromBytes<T>(_mm_loadu_si128((const __m128i*)p)); }
template <class T> INLINE B<T> loadBytes(const uint8_t* p, int n) { return fromBytes<T>(_mm_maskz_loadu_epi8((__mmask16)((1u << n) - 1u), p)); }
template <class T> INLINE void storeBytes(uint8_t* p, B<T> a) { _mm_storeu_si128((__m128i*)p, toBytes<T>(a)); }
template <class T> INLINE void storeBytes(uint8_t* p, B<T> a, int n) { _mm_mask_storeu_epi8(p, (__mmask16)((1u << n) - 1u), toBytes<T>(a)); }
template <class T> INLINE M<T> equal(B<T> a, B<T> b) {
  M<T> r;
  EACH {
    if constexpr (sizeof(T) == 4) r.v[i] = _mm512_cmpeq_epi32_mask(a.v[i], b.v[i]);
    else r.v[i] = _mm512_cmpeq_epi64_mask(a.v[i], b.v[i]);
  }
  return r;
}

#undef EACH
