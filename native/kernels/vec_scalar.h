// The vector vocabulary in plain C++: sixteen lanes in an array. Oracle of the other two, and fallback where there is no AVX2.

#define INLINE inline  // the others insist on it

using nodegrad::bfloat16;

constexpr int lanes = 16;
constexpr int neighbours = 1;  // vectors that a map works on at a time

template <class T> struct BitsOf;
template <> struct BitsOf<float> { using type = int32_t; };
template <> struct BitsOf<double> { using type = int64_t; };

template <class T> struct V { T v[16]; };
template <class T> struct M { bool v[16]; };
template <class T> struct B { typename BitsOf<T>::type v[16]; };  // the lanes as integers of the same width

#define EACH(i) for (int i = 0; i < 16; ++i)

template <class T> inline V<T> set1(T x) { V<T> r; EACH(i) r.v[i] = x; return r; }
template <class T> inline V<T> zero() { return set1<T>(0); }
template <class T> inline V<T> load(const T* p) { V<T> r; EACH(i) r.v[i] = p[i]; return r; }
template <class T> inline V<T> load(const T* p, int n) { V<T> r; EACH(i) r.v[i] = i < n ? p[i] : T(0); return r; }
template <class T> inline void store(T* p, V<T> a) { EACH(i) p[i] = a.v[i]; }
template <class T> inline void store(T* p, V<T> a, int n) { for (int i = 0; i < n; ++i) p[i] = a.v[i]; }
template <class T> inline void stream(T* p, V<T> a) { store(p, a); }
inline void streamFence() {}
inline void prefetch(const void*) {}
inline void prefetchFar(const void*) {}
inline void prefetchForWriting(const void*) {}

template <class T> inline V<T> held(V<T> a) { return a; }
inline void readInOrder() {}

template <class T> inline V<T> operator+(V<T> a, V<T> b) { V<T> r; EACH(i) r.v[i] = a.v[i] + b.v[i]; return r; }
template <class T> inline V<T> operator-(V<T> a, V<T> b) { V<T> r; EACH(i) r.v[i] = a.v[i] - b.v[i]; return r; }
template <class T> inline V<T> operator*(V<T> a, V<T> b) { V<T> r; EACH(i) r.v[i] = a.v[i] * b.v[i]; return r; }
template <class T> inline V<T> operator/(V<T> a, V<T> b) { V<T> r; EACH(i) r.v[i] = a.v[i] / b.v[i]; return r; }

template <class T> inline V<T> fma(V<T> a, V<T> b, V<T> c) { V<T> r; EACH(i) r.v[i] = fmaLane(a.v[i], b.v[i], c.v[i]); return r; }   // a·b + c
template <class T> inline V<T> fnma(V<T> a, V<T> b, V<T> c) { V<T> r; EACH(i) r.v[i] = fmaLane(-a.v[i], b.v[i], c.v[i]); return r; }  // c − a·b

// Half a vector, eight lanes: what a matrix product needs of it.
template <class T> struct H { T v[8]; };
#define EACH_HALF(i) for (int i = 0; i < 8; ++i)
template <class T> inline H<T> half(T x) { H<T> r; EACH_HALF(i) r.v[i] = x; return r; }
template <class T> inline H<T> loadHalf(const T* p) { H<T> r; EACH_HALF(i) r.v[i] = p[i]; return r; }
template <class T> inline H<T> loadHalf(const T* p, int n) { H<T> r; EACH_HALF(i) r.v[i] = i < n ? p[i] : T(0); return r; }
template <class T> inline void store(T* p, H<T> a) { EACH_HALF(i) p[i] = a.v[i]; }
template <class T> inline void store(T* p, H<T> a, int n) { for (int i = 0; i < n; ++i) p[i] = a.v[i]; }
template <class T> inline H<T> operator+(H<T> a, H<T> b) { EACH_HALF(i) a.v[i] = a.v[i] + b.v[i]; return a; }
template <class T> inline H<T> fma(H<T> a, H<T> b, H<T> c) { EACH_HALF(i) c.v[i] = fmaLane(a.v[i], b.v[i], c.v[i]); return c; }
template <class T> inline V<T> whole(H<T> a) { V<T> r = zero<T>(); EACH_HALF(i) r.v[i] = a.v[i]; return r; }  // the rest is anything
template <class T> inline H<T> half(V<T> a) { H<T> r; EACH_HALF(i) r.v[i] = a.v[i]; return r; }
#undef EACH_HALF

inline float sqrtLane(float a) { return __builtin_sqrtf(a); }
inline double sqrtLane(double a) { return __builtin_sqrt(a); }
template <class T> inline V<T> sqrt(V<T> a) { V<T> r; EACH(i) r.v[i] = sqrtLane(a.v[i]); return r; }
// Nearest, ties to even, by adding and taking away 1.5·2^(mantissa bits): for |a| < 2^22 (float) or 2^51 (double).
template <class T> inline T roundMagic() { return sizeof(T) == 4 ? T(12582912.0) : T(6755399441055744.0); }

// x86 semantics: `a > b ? a : b`, so a NaN in `a` is lost; use maximum() where a NaN must stay.
template <class T> inline V<T> rawMax(V<T> a, V<T> b) { V<T> r; EACH(i) r.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i]; return r; }
template <class T> inline V<T> rawMin(V<T> a, V<T> b) { V<T> r; EACH(i) r.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i]; return r; }

template <class T> inline B<T> bits(V<T> a) { B<T> r; __builtin_memcpy(&r, &a, sizeof r); return r; }
template <class T> inline V<T> fromBits(B<T> a) { V<T> r; __builtin_memcpy(&r, &a, sizeof r); return r; }
template <class T> inline B<T> setBits(typename BitsOf<T>::type x) { B<T> r; EACH(i) r.v[i] = x; return r; }
template <class T> inline B<T> operator&(B<T> a, B<T> b) { B<T> r; EACH(i) r.v[i] = a.v[i] & b.v[i]; return r; }
template <class T> inline B<T> operator|(B<T> a, B<T> b) { B<T> r; EACH(i) r.v[i] = a.v[i] | b.v[i]; return r; }
template <class T> inline B<T> operator^(B<T> a, B<T> b) { B<T> r; EACH(i) r.v[i] = a.v[i] ^ b.v[i]; return r; }
// Wrap-around sums, as the instructions do them.
inline int32_t addLane(int32_t a, int32_t b) { return int32_t(uint32_t(a) + uint32_t(b)); }
inline int64_t addLane(int64_t a, int64_t b) { return int64_t(uint64_t(a) + uint64_t(b)); }
inline int32_t subLane(int32_t a, int32_t b) { return int32_t(uint32_t(a) - uint32_t(b)); }
inline int64_t subLane(int64_t a, int64_t b) { return int64_t(uint64_t(a) - uint64_t(b)); }
template <class T> inline B<T> operator+(B<T> a, B<T> b) { B<T> r; EACH(i) r.v[i] = addLane(a.v[i], b.v[i]); return r; }
template <class T> inline B<T> operator-(B<T> a, B<T> b) { B<T> r; EACH(i) r.v[i] = subLane(a.v[i], b.v[i]); return r; }
inline int32_t shlLane(int32_t a, int k) { return int32_t(uint32_t(a) << k); }
inline int64_t shlLane(int64_t a, int k) { return int64_t(uint64_t(a) << k); }
inline int32_t shrLane(int32_t a, int k) { return int32_t(uint32_t(a) >> k); }
inline int64_t shrLane(int64_t a, int k) { return int64_t(uint64_t(a) >> k); }
template <int K, class T> inline B<T> shl(B<T> a) { B<T> r; EACH(i) r.v[i] = shlLane(a.v[i], K); return r; }
template <int K, class T> inline B<T> shr(B<T> a) { B<T> r; EACH(i) r.v[i] = shrLane(a.v[i], K); return r; }  // logical

template <class T> inline M<T> gt(V<T> a, V<T> b) { M<T> r; EACH(i) r.v[i] = a.v[i] > b.v[i]; return r; }
template <class T> inline M<T> ge(V<T> a, V<T> b) { M<T> r; EACH(i) r.v[i] = a.v[i] >= b.v[i]; return r; }
template <class T> inline M<T> eq(V<T> a, V<T> b) { M<T> r; EACH(i) r.v[i] = a.v[i] == b.v[i]; return r; }
template <class T> inline M<T> ne(V<T> a, V<T> b) { M<T> r; EACH(i) r.v[i] = !(a.v[i] == b.v[i]); return r; }  // true where either is NaN
template <class T> inline M<T> isNaN(V<T> a) { M<T> r; EACH(i) r.v[i] = !(a.v[i] == a.v[i]); return r; }
template <class T> inline M<T> operator&(M<T> a, M<T> b) { M<T> r; EACH(i) r.v[i] = a.v[i] && b.v[i]; return r; }
template <class T> inline M<T> operator|(M<T> a, M<T> b) { M<T> r; EACH(i) r.v[i] = a.v[i] || b.v[i]; return r; }
template <class T> inline V<T> select(M<T> m, V<T> a, V<T> b) { V<T> r; EACH(i) r.v[i] = m.v[i] ? a.v[i] : b.v[i]; return r; }
template <class T> inline bool any(M<T> m) { bool r = false; EACH(i) r |= m.v[i]; return r; }

// a·2^k for 1/2 ≤ |a| < 2 and an integer-valued k, |k| ≤ 252 (float) or 2044 (double), rounded once: the power in two factors
// (AVX-512 has an instruction; the bits are the same).
template <class T> inline V<T> timesPowerOfTwo(V<T> a, V<T> k) {
  constexpr int mantissa = sizeof(T) == 4 ? 23 : 52, bias = sizeof(T) == 4 ? 127 : 1023;
  const B<T> both = bits(k + set1<T>(roundMagic<T>() + 2 * bias)), first = shr<1>(both);
  return a * fromBits<T>(shl<mantissa>(first)) * fromBits<T>(shl<mantissa>(both - first));
}

// float → double, exactly; double as it is.
template <class T> inline V<double> widen(V<T> a) { V<double> r; EACH(i) r.v[i] = double(a.v[i]); return r; }

// bfloat16 in memory, float32 in registers. As calls: sixteen roundings wherever something is stored are a megabyte of code.
__attribute__((noinline)) inline V<float> load(const bfloat16* p, int n = lanes) { V<float> r; EACH(i) r.v[i] = i < n ? float(p[i]) : 0.0f; return r; }
__attribute__((noinline)) inline void store(bfloat16* p, V<float> a, int n = lanes) { for (int i = 0; i < n; ++i) p[i] = bfloat16(a.v[i]); }
inline void stream(bfloat16* p, V<float> a) { store(p, a); }

// Sixteen bytes as integer lanes, and integer lanes of 0 … 255 as bytes; the forms with n touch n bytes.
template <class T> inline B<T> loadBytes(const uint8_t* p, int n = lanes) { B<T> r; EACH(i) r.v[i] = i < n ? p[i] : 0; return r; }
template <class T> inline void storeBytes(uint8_t* p, B<T> a, int n = lanes) { for (int i = 0; i < n; ++i) p[i] = uint8_t(a.v[i]); }
template <class T> inline M<T> equal(B<T> a, B<T> b) { M<T> r; EACH(i) r.v[i] = a.v[i] == b.v[i]; return r; }

#undef EACH
