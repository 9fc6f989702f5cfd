// Copies of a block of a matrix, straight and transposed: what packing needs, and the transpose op.

template <class T> void copyBlock(int64_t rows, int64_t columns, const T* from, int64_t fromRow, T* to, int64_t toRow) {
  for (int64_t i = 0; i < rows; ++i, from += fromRow, to += toRow) {
    int64_t j = 0;
    for (; j + lanes <= columns; j += lanes) store(to + j, load(from + j));
    if (j < columns) store(to + j, load(from + j, int(columns - j)), int(columns - j));
  }
}

// transposeSquare turns one square of `side` × `side` elements in registers.
#if defined(__AVX512F__)
#define UNROLL _Pragma("GCC unroll 16")
template <class T> struct Square;
template <> struct Square<float> { static constexpr int side = 16; };
template <> struct Square<double> { static constexpr int side = 8; };
inline void transposeSquare(const float* from, int64_t fromRow, float* to, int64_t toRow) {
  __m512 r[16], q[16];
  UNROLL for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_ps(from + i * fromRow);
  UNROLL for (int i = 0; i < 8; ++i) {  // pairs of rows
    q[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    q[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  UNROLL for (int i = 0; i < 4; ++i) UNROLL for (int h = 0; h < 2; ++h) {  // four rows: columns h·2, h·2+1 of each 128 bits
    const __m512d low = _mm512_castps_pd(q[4 * i + h]), high = _mm512_castps_pd(q[4 * i + 2 + h]);
    r[4 * i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
    r[4 * i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
  }
  UNROLL for (int i = 0; i < 4; ++i) {  // quarters of 128 bits: even ones and odd ones, rows 0–7 and 8–15
    q[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
    q[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
    q[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
    q[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
  }
  UNROLL for (int i = 0; i < 8; ++i) {
    _mm512_storeu_ps(to + i * toRow, _mm512_shuffle_f32x4(q[i], q[i + 8], 0x88));
    _mm512_storeu_ps(to + (i + 8) * toRow, _mm512_shuffle_f32x4(q[i], q[i + 8], 0xdd));
  }
}
inline void transposeSquare(const double* from, int64_t fromRow, double* to, int64_t toRow) {
  __m512d r[8], q[8];
  UNROLL for (int i = 0; i < 8; ++i) r[i] = _mm512_loadu_pd(from + i * fromRow);
  UNROLL for (int i = 0; i < 4; ++i) {
    q[2 * i] = _mm512_unpacklo_pd(r[2 * i], r[2 * i + 1]);
    q[2 * i + 1] = _mm512_unpackhi_pd(r[2 * i], r[2 * i + 1]);
  }
  UNROLL for (int i = 0; i < 2; ++i) {
    r[i] = _mm512_shuffle_f64x2(q[i], q[i + 2], 0x88);
    r[i + 2] = _mm512_shuffle_f64x2(q[i], q[i + 2], 0xdd);
    r[i + 4] = _mm512_shuffle_f64x2(q[i + 4], q[i + 6], 0x88);
    r[i + 6] = _mm512_shuffle_f64x2(q[i + 4], q[i + 6], 0xdd);
  }
  UNROLL for (int i = 0; i < 4; ++i) {
    _mm512_storeu_pd(to + i * toRow, _mm512_shuffle_f64x2(r[i], r[i + 4], 0x88));
    _mm512_storeu_pd(to + (i + 4) * toRow, _mm512_shuffle_f64x2(r[i], r[i + 4], 0xdd));
  }
}
#undef UNROLL
#elif defined(__AVX2__)
#define UNROLL _Pragma("GCC unroll 8")
template <class T> struct Square;
template <> struct Square<float> { static constexpr int side = 8; };
template <> struct Square<double> { static constexpr int side = 4; };
inline void transposeSquare(const float* from, int64_t fromRow, float* to, int64_t toRow) {
  __m256 r[8], q[8];
  UNROLL for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * fromRow);
  UNROLL for (int i = 0; i < 4; ++i) {
    q[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    q[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  UNROLL for (int i = 0; i < 2; ++i) UNROLL for (int h = 0; h < 2; ++h) {
    const __m256d low = _mm256_castps_pd(q[4 * i + h]), high = _mm256_castps_pd(q[4 * i + 2 + h]);
    r[4 * i + 2 * h] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
    r[4 * i + 2 * h + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
  }
  UNROLL for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * toRow, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * toRow, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}
inline void transposeSquare(const double* from, int64_t fromRow, double* to, int64_t toRow) {
  __m256d r[4], q[4];
  UNROLL for (int i = 0; i < 4; ++i) r[i] = _mm256_loadu_pd(from + i * fromRow);
  UNROLL for (int i = 0; i < 2; ++i) {
    q[2 * i] = _mm256_unpacklo_pd(r[2 * i], r[2 * i + 1]);
    q[2 * i + 1] = _mm256_unpackhi_pd(r[2 * i], r[2 * i + 1]);
  }
  UNROLL for (int i = 0; i < 2; ++i) {
    _mm256_storeu_pd(to + i * toRow, _mm256_permute2f128_pd(q[i], q[i + 2], 0x20));
    _mm256_storeu_pd(to + (i + 2) * toRow, _mm256_permute2f128_pd(q[i], q[i + 2], 0x31));
  }
}
#undef UNROLL
#elif defined(NODEGRAD_NEON)
template <class T> struct Square;
template <> struct Square<float> { static constexpr int side = 4; };
template <> struct Square<double> { static constexpr int side = 2; };
inline void transposeSquare(const float* from, int64_t fromRow, float* to, int64_t toRow) {
  const float32x4_t a = vld1q_f32(from), b = vld1q_f32(from + fromRow), c = vld1q_f32(from + 2 * fromRow), d = vld1q_f32(from + 3 * fromRow);
  const auto pairs = [](float32x4_t x) { return vreinterpretq_f64_f32(x); };
  const float64x2_t evenAB = pairs(vtrn1q_f32(a, b)), oddAB = pairs(vtrn2q_f32(a, b)), evenCD = pairs(vtrn1q_f32(c, d)), oddCD = pairs(vtrn2q_f32(c, d));
  const auto put = [=](int row, float64x2_t x) { vst1q_f32(to + row * toRow, vreinterpretq_f32_f64(x)); };
  put(0, vtrn1q_f64(evenAB, evenCD));
  put(1, vtrn1q_f64(oddAB, oddCD));
  put(2, vtrn2q_f64(evenAB, evenCD));
  put(3, vtrn2q_f64(oddAB, oddCD));
}
inline void transposeSquare(const double* from, int64_t fromRow, double* to, int64_t toRow) {
  const float64x2_t a = vld1q_f64(from), b = vld1q_f64(from + fromRow);
  vst1q_f64(to, vtrn1q_f64(a, b));
  vst1q_f64(to + toRow, vtrn2q_f64(a, b));
}
#else
template <class T> struct Square { static constexpr int side = 1; };
template <class T> inline void transposeSquare(const T* from, int64_t, T* to, int64_t) { *to = *from; }
#endif

// to[j][i] = from[i][j] for i < rows, j < columns.
template <class T> void transposeBlock(int64_t rows, int64_t columns, const T* from, int64_t fromRow, T* to, int64_t toRow) {
  constexpr int side = Square<T>::side;
  const int64_t wholeRows = rows - rows % side, wholeColumns = columns - columns % side;
  for (int64_t i = 0; i < wholeRows; i += side)
    for (int64_t j = 0; j < wholeColumns; j += side) transposeSquare(from + i * fromRow + j, fromRow, to + j * toRow + i, toRow);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = i < wholeRows ? wholeColumns : 0; j < columns; ++j) to[j * toRow + i] = from[i * fromRow + j];
}
