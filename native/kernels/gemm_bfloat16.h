// Products of bfloat16 numbers, block by block, the same bits in four ways: by FMAs of float32, by VDPBF16PS, by AMX and by BFMLAL. ops/gemm_bfloat16.h
// has the definition, pack_bfloat16.h the words that they take.

using nodegrad::Bfloat16Product;

#define UNROLL _Pragma("GCC unroll 16")

// Where the rows of a half of a step begin.
template <int MR> struct HalfStep {
  const char* rows[MR];

  INLINE HalfStep(const Bfloat16Rows& a, int64_t half) {
    const int64_t at = a.halves[half], row = at < 0 ? 0 : a.row;
    rows[0] = at < 0 ? noNumbers : a.data + at;
    UNROLL for (int i = 1; i < MR; ++i) {
      rows[i] = rows[i - 1] + row;
      keep(rows[i]);
    }
  }
  // GCC would make addresses of sums of its own, and spill registers for them.
  static INLINE void keep([[maybe_unused]] const char*& p) {
#if defined(__x86_64__)
    asm("" : "+r"(p));
#endif
  }
};

// ---- by FMAs ------------------------------------------------------------------------------------------------------------------

// Rows and vectors of a micro-tile: two chains for each output.
#if defined(__AVX512F__)
constexpr int bfloat16Rows = 6, bfloat16Vectors = 2;
#elif defined(__AVX2__) || defined(NODEGRAD_NEON)
constexpr int bfloat16Rows = 3, bfloat16Vectors = 1;
#else
constexpr int bfloat16Rows = 2, bfloat16Vectors = 1;
#endif

// A row is float32.
inline void arrangeFma(void* to, const bfloat16* x, int64_t n) { widen(static_cast<float*>(to), x, n); }
// A step of a panel is [16][width] words.
inline void packFmaColumns(const Bfloat16Block& x, int64_t columns, int64_t width, int64_t count, void* to) {
  wordsOf<false>(x, 0, count, columns, width, static_cast<float*>(to));
}

template <int MR, int NV>
__attribute__((noinline)) void multiplyFma(int64_t steps, const Bfloat16Rows& a, const float* b, int64_t bRow, float* c, int64_t cRow, bool onward) {
  for (int64_t half = 0; half < 2 * steps; onward = true) {
    V<float> even[MR][NV], odd[MR][NV];
    UNROLL for (int i = 0; i < MR; ++i) UNROLL for (int j = 0; j < NV; ++j) even[i][j] = odd[i][j] = zero<float>();
    _Pragma("GCC unroll 1") for (int part = 0; part < 2; ++part, ++half) {
      const HalfStep<MR> from(a, half);
      _Pragma("GCC unroll 1") for (int pair = 0; pair < wordsOfStep / 2; ++pair, b += bRow) {
        V<float> y[NV];
        UNROLL for (int j = 0; j < NV; ++j) y[j] = evenOf(load(b + j * lanes));
        UNROLL for (int i = 0; i < MR; ++i) {
          const V<float> x = set1(*reinterpret_cast<const float*>(from.rows[i] + 8 * pair));
          UNROLL for (int j = 0; j < NV; ++j) even[i][j] = fma(x, y[j], even[i][j]);
          readInOrder();
        }
        UNROLL for (int j = 0; j < NV; ++j) y[j] = oddOf(load(b + j * lanes));
        UNROLL for (int i = 0; i < MR; ++i) {
          const V<float> x = set1(*reinterpret_cast<const float*>(from.rows[i] + 8 * pair + 4));
          UNROLL for (int j = 0; j < NV; ++j) odd[i][j] = fma(x, y[j], odd[i][j]);
          readInOrder();
        }
      }
    }
    UNROLL for (int i = 0; i < MR; ++i) UNROLL for (int j = 0; j < NV; ++j) {
      float* to = c + i * cRow + j * lanes;
      store(to, (onward ? load(to) : zero<float>()) + (even[i][j] + odd[i][j]));
    }
  }
}

using FmaMicro = void (*)(int64_t, const Bfloat16Rows&, const float*, int64_t, float*, int64_t, bool);
template <int MR> inline FmaMicro fmaMicro(int64_t rows, bool both) {
  if (rows == MR) return both ? &multiplyFma<MR, bfloat16Vectors> : &multiplyFma<MR, 1>;
  if constexpr (MR > 1) return fmaMicro<MR - 1>(rows, both);
  else return nullptr;
}
inline void multiplyPanels(int64_t rows, int64_t width, int64_t steps, const Bfloat16Rows& a, const void* b, float* c, int64_t cRow, bool onward) {
  const int64_t panel = bfloat16Vectors * lanes;
  for (int64_t j = 0; j < width; j += panel) {
    const bool both = width - j >= panel;
    fmaMicro<bfloat16Rows>(rows, both)(steps, a, static_cast<const float*>(b) + j, width, c + j, cRow, onward);
  }
}

#if defined(__aarch64__)
inline void multiplyByFma(int64_t rows, int64_t width, int64_t steps, const Bfloat16Rows& a, const void* b, float* c, int64_t cRow, bool onward) {
  afterRounding<float, bfloat16Rows>(multiplyPanels, rows, width, steps, a, b, c, cRow, onward);
}
#else
constexpr auto multiplyByFma = multiplyPanels;
#endif

constexpr Bfloat16Product bfloat16Fma = {"fma", bfloat16Rows, bfloat16Rows, 1, 4, false, 8, false, false, arrangeFma, packRowsBy<arrangeFma, 4>, packFmaColumns, multiplyByFma, nullptr, nullptr};

#if defined(__AVX512F__)

// ---- by VDPBF16PS -------------------------------------------------------------------------------------------------------------

// It continues one chain by two links, the upper half of a word first. So words are regrouped: of four neighbours k0 k1 k2 k3, (k2, k0)
// continues the even chain and (k3, k1) the odd one.
INLINE V<float> evenPair(V<float> first, V<float> second) { return fromBits<float>(shl<16>(bits(first)) | (bits(second) & setBits<float>(0xffff))); }
INLINE V<float> oddPair(V<float> first, V<float> second) { return fromBits<float>((bits(first) & upperHalf()) | shr<16>(bits(second))); }

inline void arrangeDot(void* to, const bfloat16* x, int64_t n) {
  const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(4, 5, 0, 1, 6, 7, 2, 3, 12, 13, 8, 9, 14, 15, 10, 11));
  char* out = static_cast<char*>(to);
  int64_t i = 0;
  for (; i + 32 <= n; i += 32, out += 64) _mm512_storeu_si512(out, _mm512_shuffle_epi8(_mm512_loadu_si512(x + i), order));
  if (i < n) _mm256_storeu_si256((__m256i*)out, _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i*)(x + i)), _mm512_castsi512_si256(order)));
}
// The same as wordColumns, but as pairs that are regrouped: put(four k, lane, even, odd).
template <class S, class P, class F> inline void pairColumns(const S* x, P place, int64_t count, int64_t used, int64_t width, F put) {
  for (int64_t quad = 0; quad < wordsOfStep / 2; ++quad) {
    const S* row[4];
    for (int i = 0; i < 4; ++i) row[i] = 4 * quad + i < count ? x + place(4 * quad + i) : nullptr;
    const auto pairs = [&](int64_t j, auto read) FORMULA {
      const auto number = [&](int i) FORMULA { return row[i] ? upper(read(row[i] + j), x) & upperHalf() : setBits<float>(0); };
      put(quad, j, fromBits<float>(number(0) | shr<16>(number(2))), fromBits<float>(number(1) | shr<16>(number(3))));
    };
    int64_t j = 0;
    for (; j + lanes <= used; j += lanes) pairs(j, [](const S* p) FORMULA { return load(p); });
    if (const int last = int(used - j); last > 0) {
      pairs(j, [last](const S* p) FORMULA { return load(p, last); });
      j += lanes;
    }
    for (; j < width; j += lanes) put(quad, j, zero<float>(), zero<float>());
  }
}
inline void packDotRows(const Bfloat16Block& x, int64_t rows, int64_t count, void* to) {
  if (x.lane != 1) return packRowsBy<arrangeDot, 2>(x, rows, count, to);
  alignas(64) float pairs[wordsOfStep * mostBfloat16Rows], square[wordsOfStep * lanes];
  const int64_t width = wholeVectors(rows), steps = (count + bfloat16Step - 1) / bfloat16Step;
  const auto put = [&](int64_t quad, int64_t j, V<float> even, V<float> odd) FORMULA {
    store(pairs + 2 * quad * width + j, even);
    store(pairs + (2 * quad + 1) * width + j, odd);
  };
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t at = step * bfloat16Step;
    placesOf(x, at, [&](const auto* data, auto place) { pairColumns(data, place, stepNumbers(count, at), rows, width, put); });
    for (int64_t i = 0; i < rows; i += lanes) {
      float* const out = static_cast<float*>(to) + (i * steps + step) * wordsOfStep;
      if (rows - i >= lanes) {
        transposeBlock<float>(wordsOfStep, lanes, pairs + i, width, out, steps * wordsOfStep);
        continue;
      }
      transposeBlock<float>(wordsOfStep, lanes, pairs + i, width, square, wordsOfStep);
      for (int64_t row = 0; row < rows - i; ++row) __builtin_memcpy(out + row * steps * wordsOfStep, square + row * wordsOfStep, 64);
    }
  }
}
// A step of a panel of 32 columns is [8][even, odd][32] words: a word of A is spread for each chain. One of 16 columns is [8][16] pairs of an even and an odd
// word, of which one of A is spread for both chains; of four columns the first two lie in one vector, the others in the next, as `vunpcklps` leaves them
// and `vshufps` parts them again.
inline void packDotColumns(const Bfloat16Block& x, int64_t columns, int64_t width, int64_t count, void* to) {
  const auto put = [&](int64_t quad, int64_t j, V<float> a, V<float> b) FORMULA {
    float* const out = static_cast<float*>(to) + 2 * quad * width + j;
    const __m512 even = a.v[0], odd = b.v[0];
    _mm512_storeu_ps(out, width == lanes ? _mm512_unpacklo_ps(even, odd) : even);
    _mm512_storeu_ps(out + width, width == lanes ? _mm512_unpackhi_ps(even, odd) : odd);
  };
  if (x.lane == 1) return placesOf(x, 0, [&](const auto* data, auto place) { pairColumns(data, place, count, columns, width, put); });
  alignas(64) float words[wordsOfStep * bfloat16Panel];
  wordsOf<false>(x, 0, count, columns, width, words);
  for (int64_t quad = 0; quad < wordsOfStep / 2; ++quad)
    for (int64_t j = 0; j < width; j += lanes) {
      const V<float> first = load(words + 2 * quad * width + j), second = load(words + (2 * quad + 1) * width + j);
      put(quad, j, evenPair(first, second), oddPair(first, second));
    }
}

// A word to all lanes, or two to all pairs of lanes. In assembler: GCC would load them first and spread them then.
INLINE __m512bh everywhere(const float* word) {
  __m512 x;
  asm("vbroadcastss %1, %0" : "=v"(x) : "m"(*word));
  return (__m512bh)x;
}
INLINE __m512bh everywhere(const double* words) {
  __m512 x;
  asm("vbroadcastsd %1, %0" : "=v"(x) : "m"(*words));
  return (__m512bh)x;
}
template <int MR, int NV>
__attribute__((noinline, target("avx512bf16"))) void multiplyDot(int64_t steps, const Bfloat16Rows& a, const float* b, float* c, int64_t cRow, bool onward) {
  constexpr int quads = wordsOfStep / 2, chains = 2 * NV;
  for (int64_t half = 0; half < 2 * steps; onward = true) {
    __m512 sums[MR][chains];
    UNROLL for (int i = 0; i < MR; ++i) UNROLL for (int j = 0; j < chains; ++j) sums[i][j] = _mm512_setzero_ps();
    _Pragma("GCC unroll 1") for (int part = 0; part < 2; ++part, ++half) {
      const HalfStep<MR> from(a, half);
      UNROLL for (int quad = 0; quad < quads / 2; ++quad) {
        constexpr int together = NV == 1 ? chains : NV;  // of the chains a spread word or pair continues
        UNROLL for (int first = 0; first < chains; first += together, b += together * lanes) {
          __m512bh y[together];
          UNROLL for (int j = 0; j < together; ++j) y[j] = (__m512bh)_mm512_loadu_ps(b + j * lanes);
          UNROLL for (int i = 0; i < MR; ++i) {
            const char* const words = from.rows[i] + 8 * quad + 4 * (first / NV);
            const __m512bh x = NV == 1 ? everywhere(reinterpret_cast<const double*>(words)) : everywhere(reinterpret_cast<const float*>(words));
            UNROLL for (int j = 0; j < together; ++j) sums[i][first + j] = _mm512_dpbf16_ps(sums[i][first + j], x, y[j]);
          }
        }
      }
    }
    UNROLL for (int i = 0; i < MR; ++i) UNROLL for (int j = 0; j < NV; ++j) {
      float* to = c + i * cRow + j * lanes;
      const __m512 x = sums[i][j], y = sums[i][NV + j];
      const __m512 even = NV == 1 ? _mm512_shuffle_ps(x, y, 0x88) : x, odd = NV == 1 ? _mm512_shuffle_ps(x, y, 0xdd) : y;
      _mm512_storeu_ps(to, _mm512_add_ps(onward ? _mm512_loadu_ps(to) : _mm512_setzero_ps(), _mm512_add_ps(even, odd)));
    }
  }
}
using DotMicro = void (*)(int64_t, const Bfloat16Rows&, const float*, float*, int64_t, bool);
template <int MR, int NV> inline DotMicro dotMicro(int64_t rows) {
  if (rows == MR) return &multiplyDot<MR, NV>;
  if constexpr (MR > 1) return dotMicro<MR - 1, NV>(rows);
  else return nullptr;
}
inline void multiplyByDot(int64_t rows, int64_t width, int64_t steps, const Bfloat16Rows& a, const void* b, float* c, int64_t cRow, bool onward) {
  const DotMicro micro = width > lanes ? dotMicro<bfloat16Rows, 2>(rows) : dotMicro<2 * bfloat16Rows, 1>(rows);
  micro(steps, a, static_cast<const float*>(b), c, cRow, onward);
}

constexpr Bfloat16Product bfloat16DotProduct = {"avx512_bf16", bfloat16Rows, 9, 1, 2, false, 8, false, false, arrangeDot, packDotRows, packDotColumns, multiplyByDot, nullptr, nullptr};
constexpr const Bfloat16Product* bfloat16Dot = &bfloat16DotProduct;

// ---- by AMX -------------------------------------------------------------------------------------------------------------------

// Tiles 0 … 3 are sums (16 × 16 each; rows below, columns beside), 4 and 5 rows of A (16 rows × 16 words), 6 and 7 columns of B (16 words ×
// 16 columns). In assembler: intrinsics of some compilers forget that a tile is loaded from memory.
constexpr int64_t tileSide = 16;
template <int T> INLINE void tileZero() { asm volatile("tilezero %%tmm%c0" ::"i"(T)); }
template <int T> INLINE void tileLoad(const void* p, int64_t row) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(T), "r"(p), "r"(row) : "memory");
}
template <int T> INLINE void tileStore(void* p, int64_t row) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(T), "r"(p), "r"(row) : "memory");
}
template <int C, int A, int B> INLINE void tileMultiply() { asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B)); }

// A row is bfloat16 as it is.
inline void arrangeTiles(void* to, const bfloat16* x, int64_t n) { __builtin_memcpy(to, x, size_t(n) * 2); }

template <bool tall, bool wide>
inline void multiplyTiles(int64_t steps, const Bfloat16Rows& a, const float* b, float* c, int64_t cRow, bool onward) {
  constexpr int64_t width = wide ? 2 * tileSide : tileSide;
  float* const below = c + tileSide * cRow;
  if (onward) {
    tileLoad<0>(c, cRow * 4);
    if (wide) tileLoad<1>(c + tileSide, cRow * 4);
    if (tall) tileLoad<2>(below, cRow * 4);
    if (tall && wide) tileLoad<3>(below + tileSide, cRow * 4);
  } else {
    tileZero<0>();
    if (wide) tileZero<1>();
    if (tall) tileZero<2>();
    if (tall && wide) tileZero<3>();
  }
  for (int64_t step = 0; step < steps; ++step, b += width * wordsOfStep) {
    const char* const x = a.data + a.halves[2 * step];
    tileLoad<4>(x, a.row);
    tileLoad<6>(b, width * 4);
    tileMultiply<0, 4, 6>();
    if (wide) {
      tileLoad<7>(b + tileSide, width * 4);
      tileMultiply<1, 4, 7>();
    }
    if (tall) {
      tileLoad<5>(x + tileSide * a.row, a.row);
      tileMultiply<2, 5, 6>();
      if (wide) tileMultiply<3, 5, 7>();
    }
  }
  tileStore<0>(c, cRow * 4);
  if (wide) tileStore<1>(c + tileSide, cRow * 4);
  if (tall) tileStore<2>(below, cRow * 4);
  if (tall && wide) tileStore<3>(below + tileSide, cRow * 4);
}
inline void multiplyByTiles(int64_t rows, int64_t width, int64_t steps, const Bfloat16Rows& a, const void* b, float* c, int64_t cRow, bool onward) {
  const bool tall = rows > tileSide, wide = width > tileSide;
  (tall ? wide ? &multiplyTiles<true, true> : &multiplyTiles<true, false> : wide ? &multiplyTiles<false, true> : &multiplyTiles<false, false>)(
      steps, a, static_cast<const float*>(b), c, cRow, onward);
}

// Palette 1, all eight tiles of 16 rows of 64 bytes.
inline void enterTiles() {
  struct alignas(64) { uint8_t palette, start, reserved[14]; uint16_t rowBytes[16]; uint8_t rows[16]; } shape = {};
  shape.palette = 1;
  for (int i = 0; i < 8; ++i) { shape.rowBytes[i] = 64; shape.rows[i] = 16; }
  asm volatile("ldtilecfg %0" ::"m"(shape));
}
inline void leaveTiles() { asm volatile("tilerelease"); }

constexpr Bfloat16Product bfloat16TileProduct = {"amx", 2 * tileSide, 2 * tileSide, tileSide, 2, true, 16, true, true, arrangeTiles, packRowsBy<arrangeTiles, 2>, packFmaColumns, multiplyByTiles, enterTiles, leaveTiles};
constexpr const Bfloat16Product* bfloat16Tiles = &bfloat16TileProduct;

#elif defined(NODEGRAD_NEON)

// ---- by BFMLALB and BFMLALT ---------------------------------------------------------------------------------------------------

// They continue a chain by the lower or the upper halves of words: FMAs that take bfloat16 as it lies. BFDOT and BFMMLA round otherwise than the definition.
inline void arrangeLong(void* to, const bfloat16* x, int64_t n) { __builtin_memcpy(to, x, size_t(n) * 2); }

template <int MR>
__attribute__((noinline, target("arch=armv8.2-a+bf16"))) void multiplyLong(int64_t steps, const Bfloat16Rows& a, const float* b, int64_t bRow, float* c,
                                                                           int64_t cRow, bool onward) {
  constexpr int registers = lanes / 4;
  for (int64_t half = 0; half < 2 * steps; onward = true) {
    float32x4_t even[MR][registers], odd[MR][registers];
    UNROLL for (int i = 0; i < MR; ++i) UNROLL for (int j = 0; j < registers; ++j) even[i][j] = odd[i][j] = vdupq_n_f32(0);
    _Pragma("GCC unroll 1") for (int part = 0; part < 2; ++part, ++half) {
      const HalfStep<MR> from(a, half);
      _Pragma("GCC unroll 1") for (int pair = 0; pair < wordsOfStep / 2; ++pair, b += bRow) {
        bfloat16x8_t y[registers];
        UNROLL for (int j = 0; j < registers; ++j) y[j] = vreinterpretq_bf16_f32(vld1q_f32(b + 4 * j));
        UNROLL for (int i = 0; i < MR; ++i) {
          const bfloat16x8_t x = vreinterpretq_bf16_f32(vld1q_dup_f32(reinterpret_cast<const float*>(from.rows[i] + 4 * pair)));
          UNROLL for (int j = 0; j < registers; ++j) {
            even[i][j] = vbfmlalbq_f32(even[i][j], y[j], x);
            odd[i][j] = vbfmlaltq_f32(odd[i][j], y[j], x);
          }
        }
      }
    }
    UNROLL for (int i = 0; i < MR; ++i) UNROLL for (int j = 0; j < registers; ++j) {
      float* to = c + i * cRow + j * 4;
      vst1q_f32(to, vaddq_f32(onward ? vld1q_f32(to) : vdupq_n_f32(0), vaddq_f32(even[i][j], odd[i][j])));
    }
  }
}
template <int MR> inline FmaMicro longMicro(int64_t rows) {
  if (rows == MR) return &multiplyLong<MR>;
  if constexpr (MR > 1) return longMicro<MR - 1>(rows);
  else return nullptr;
}
inline void multiplyLongPanels(int64_t rows, int64_t width, int64_t steps, const Bfloat16Rows& a, const void* b, float* c, int64_t cRow, bool onward) {
  for (int64_t j = 0; j < width; j += lanes) longMicro<bfloat16Rows>(rows)(steps, a, static_cast<const float*>(b) + j, width, c + j, cRow, onward);
}
inline void multiplyByLong(int64_t rows, int64_t width, int64_t steps, const Bfloat16Rows& a, const void* b, float* c, int64_t cRow, bool onward) {
  afterRounding<bfloat16, bfloat16Rows>(multiplyLongPanels, rows, width, steps, a, b, c, cRow, onward);
}

constexpr Bfloat16Product bfloat16LongProduct = {"neon_bf16", bfloat16Rows, bfloat16Rows, 1, 2, false, 8, false, true, arrangeLong, packRowsBy<arrangeLong, 2>, packFmaColumns, multiplyByLong, nullptr, nullptr};
constexpr const Bfloat16Product *bfloat16Dot = &bfloat16LongProduct, *bfloat16Tiles = nullptr;

#else
constexpr const Bfloat16Product *bfloat16Dot = nullptr, *bfloat16Tiles = nullptr;
#endif

#undef UNROLL
