// Products of bfloat16 numbers, block by block, the same bits in three ways: by FMAs of float32, by VDPBF16PS and by AMX. ops/gemm_bfloat16.h
// has the definition. A word is two neighbours of k, the even one below; words travel as float, whose bits nobody computes with.

using nodegrad::Bfloat16Block;
using nodegrad::Bfloat16Product;
using nodegrad::bfloat16Panel;
using nodegrad::bfloat16Step;
using nodegrad::mostBfloat16Rows;

#define UNROLL _Pragma("GCC unroll 16")

constexpr int64_t wordsOfStep = bfloat16Step / 2;

inline void narrow(bfloat16* y, const float* x, int64_t n) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(y + i, load(x + i));
  if (i < n) store(y + i, load(x + i, int(n - i)), int(n - i));
}
inline void widen(float* y, const bfloat16* x, int64_t n) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(y + i, load(x + i));
  if (i < n) store(y + i, load(x + i, int(n - i)), int(n - i));
}

// ---- packing ------------------------------------------------------------------------------------------------------------------

INLINE B<float> upperHalf() { return setBits<float>(int32_t(0xffff0000u)); }
INLINE V<float> evenOf(V<float> words) { return fromBits<float>(shl<16>(bits(words))); }
INLINE V<float> oddOf(V<float> words) { return fromBits<float>(bits(words) & upperHalf()); }
INLINE B<float> upper(V<float> a, const bfloat16*) { return bits(a); }
INLINE B<float> upper(V<float> a, const float*) { return roundUpper(a); }

// to[n] = the bits of n numbers of bfloat16, n ≤ 32, and zeros up to 32.
inline void copyNarrow(const bfloat16* x, int64_t n, float* to) {
  if (n == bfloat16Step) { __builtin_memcpy(to, x, 64); return; }
  __builtin_memset(to, 0, 64);
  __builtin_memcpy(to, x, size_t(n) * 2);
}
inline void copyNarrow(const float* x, int64_t n, float* to) {
  bfloat16 all[bfloat16Step] = {};
  narrow(all, x, n);
  __builtin_memcpy(to, all, 64);
}

// words[lane][16] of one step of k that has `count` numbers; zero lanes up to `width`.
template <class S> inline void wordRows(const S* x, int64_t lane, int64_t count, int64_t used, int64_t width, float* to) {
  for (int64_t i = 0; i < used; ++i) copyNarrow(x + i * lane, count, to + i * wordsOfStep);
  __builtin_memset(to + used * wordsOfStep, 0, size_t((width - used) * wordsOfStep) * 4);
}
// words[16][width] of one step, where the lanes of a k are neighbours.
template <class S> inline void wordColumns(const S* x, int64_t k, int64_t count, int64_t used, int64_t width, float* to) {
  for (int64_t pair = 0; pair < wordsOfStep; ++pair, to += width) {
    const bool even = 2 * pair < count, odd = 2 * pair + 1 < count;
    const S* row = x + 2 * pair * k;
    const auto words = [&](int64_t j, auto read) FORMULA {
      V<float> low = zero<float>(), high = zero<float>();
      if (even) low = fromBits<float>(shr<16>(upper(read(row + j), x)));
      if (odd) high = fromBits<float>(upper(read(row + k + j), x) & upperHalf());
      store(to + j, fromBits<float>(bits(low) | bits(high)));
    };
    int64_t j = 0;
    for (; j + lanes <= used; j += lanes) words(j, [](const S* p) FORMULA { return load(p); });
    if (const int last = int(used - j); last > 0) {
      words(j, [last](const S* p) FORMULA { return load(p, last); });
      j += lanes;
    }
    for (; j < width; j += lanes) store(to + j, zero<float>());
  }
}

// Words of one step, `width` lanes (a multiple of 16) of which `used` are there: as [16][width], or as [width][16].
template <bool byLane> inline void wordsOf(const Bfloat16Block& x, int64_t at, int64_t count, int64_t used, int64_t width, float* to) {
  alignas(64) float turned[mostBfloat16Rows * wordsOfStep];
  const auto typed = [&](auto* data) {
    if (x.lane == 1) {
      wordColumns(data + at * x.k, x.k, count, used, width, byLane ? turned : to);
      if (byLane) transposeBlock<float>(wordsOfStep, width, turned, width, to, wordsOfStep);
    } else {
      wordRows(data + at, x.lane, count, used, width, byLane ? to : turned);
      if (!byLane) transposeBlock<float>(width, wordsOfStep, turned, wordsOfStep, to, width);
    }
  };
  if (x.wide) typed(static_cast<const float*>(x.data));
  else typed(static_cast<const bfloat16*>(x.data));
}

inline int64_t wholeVectors(int64_t n) { return (n + lanes - 1) / lanes * lanes; }
inline int64_t stepNumbers(int64_t count, int64_t at) { return count - at < bfloat16Step ? count - at : bfloat16Step; }

// Rows of the strips of one step: row(strip rows, step, where the strip begins in words[16][width]).
template <class F> inline void eachStrip(int64_t rows, int64_t strips, F f) {
  for (int64_t s = 0, i = 0; s < strips; ++s) {
    const int64_t end = rows * (s + 1) / strips;
    f(i, end - i);
    i = end;
  }
}

// ---- by FMAs ------------------------------------------------------------------------------------------------------------------

// Rows and vectors of a micro-tile: two chains for each output.
#if defined(__AVX512F__)
constexpr int bfloat16Rows = 6, bfloat16Vectors = 2;
#elif defined(__AVX2__)
constexpr int bfloat16Rows = 3, bfloat16Vectors = 1;
#else
constexpr int bfloat16Rows = 2, bfloat16Vectors = 1;
#endif

// A step of a strip is [even, odd][16][rows] of float32.
inline void packFmaRows(const Bfloat16Block& x, int64_t rows, int64_t strips, int64_t count, void* to) {
  alignas(64) float words[wordsOfStep * mostBfloat16Rows + lanes];
  const int64_t width = wholeVectors(rows), steps = (count + bfloat16Step - 1) / bfloat16Step;
  for (int64_t step = 0; step < steps; ++step) {
    wordsOf<false>(x, step * bfloat16Step, stepNumbers(count, step * bfloat16Step), rows, width, words);
    eachStrip(rows, strips, [&](int64_t i, int64_t m) {
      // What a store writes behind a row, the next row overwrites.
      float* out = static_cast<float*>(to) + (i * steps + step * m) * bfloat16Step;
      for (int64_t pair = 0; pair < wordsOfStep; ++pair, out += m) store(out, evenOf(load(words + pair * width + i)));
      for (int64_t pair = 0; pair + 1 < wordsOfStep; ++pair, out += m) store(out, oddOf(load(words + pair * width + i)), int(m));
      store(out, oddOf(load(words + (wordsOfStep - 1) * width + i)), int(m));
    });
  }
}
// A step of a panel is [16][width] words.
inline void packFmaColumns(const Bfloat16Block& x, int64_t columns, int64_t width, int64_t count, void* to) {
  wordsOf<false>(x, 0, count, columns, width, static_cast<float*>(to));
}

template <int MR, int NV>
__attribute__((noinline)) void multiplyFma(int64_t steps, const float* a, const float* b, float* c, int64_t cRow, bool onward) {
  for (; steps > 0; --steps, a += MR * wordsOfStep, onward = true) {
    V<float> even[MR][NV], odd[MR][NV];
    UNROLL for (int i = 0; i < MR; ++i) UNROLL for (int j = 0; j < NV; ++j) even[i][j] = odd[i][j] = zero<float>();
    _Pragma("GCC unroll 1") for (int pair = 0; pair < wordsOfStep; ++pair, a += MR, b += NV * lanes) {
      V<float> y[NV];
      UNROLL for (int j = 0; j < NV; ++j) y[j] = evenOf(load(b + j * lanes));
      UNROLL for (int i = 0; i < MR; ++i) {
        const V<float> x = set1(a[i]);
        UNROLL for (int j = 0; j < NV; ++j) even[i][j] = fma(x, y[j], even[i][j]);
      }
      UNROLL for (int j = 0; j < NV; ++j) y[j] = oddOf(load(b + j * lanes));
      UNROLL for (int i = 0; i < MR; ++i) {
        const V<float> x = set1(a[MR * wordsOfStep + i]);
        UNROLL for (int j = 0; j < NV; ++j) odd[i][j] = fma(x, y[j], odd[i][j]);
      }
    }
    UNROLL for (int i = 0; i < MR; ++i) UNROLL for (int j = 0; j < NV; ++j) {
      float* to = c + i * cRow + j * lanes;
      store(to, (onward ? load(to) : zero<float>()) + (even[i][j] + odd[i][j]));
    }
  }
}

using Bfloat16Micro = void (*)(int64_t, const float*, const float*, float*, int64_t, bool);
template <int MR> inline Bfloat16Micro fmaMicro(int64_t rows, bool both) {
  if (rows == MR) return both ? &multiplyFma<MR, bfloat16Vectors> : &multiplyFma<MR, 1>;
  if constexpr (MR > 1) return fmaMicro<MR - 1>(rows, both);
  else return nullptr;
}
