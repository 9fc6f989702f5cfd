// Matrix product in registers: micro-tiles of MR rows × NV vectors whose every output has one accumulator and takes k in order.
// Bits depend on nothing but k and the operands: not on the tile, its place, the strides, or where the driver cuts k (it hands
// the accumulators back in `start`).

// Rows of the micro-tile for panels of 1 … 4 vectors of 16 lanes: as many accumulators as the registers hold beside one row of B
// and one element of A. 0: no such panel.
template <class T> struct GemmRows;
#if defined(__AVX512F__)
constexpr int64_t gemmRegister = 64;  // bytes
template <> struct GemmRows<float> { static constexpr int of[5] = {0, 14, 14, 8, 6}; };
template <> struct GemmRows<double> { static constexpr int of[5] = {0, 14, 6, 0, 0}; };
#elif defined(__AVX2__)
constexpr int64_t gemmRegister = 32;
template <> struct GemmRows<float> { static constexpr int of[5] = {0, 6, 2, 0, 0}; };
template <> struct GemmRows<double> { static constexpr int of[5] = {0, 3, 1, 0, 0}; };
#else
constexpr int64_t gemmRegister = 16;
template <> struct GemmRows<float> { static constexpr int of[5] = {0, 1, 0, 0, 0}; };
template <> struct GemmRows<double> { static constexpr int of[5] = {0, 1, 0, 0, 0}; };
#endif

#define UNROLL _Pragma("GCC unroll 16")

// c[MR, 16·(NV−1) + last] = start + Σ_k a·b (+ c where `add`). AT: rows of A are neighbours and a step of k is aStride elements;
// otherwise the rows are aStride apart and the steps of k are neighbours.
template <class T, int MR, int NV, bool AT, bool TAIL>
__attribute__((noinline)) void gemmMicro(int64_t k, const T* a, int64_t aStride, const T* b, int64_t bRow, const T* start, int64_t startRow,
                                         T* c, int64_t cRow, int last, bool add) {
  V<T> sum[MR][NV];
  if (start) {
    UNROLL for (int i = 0; i < MR; ++i)
      UNROLL for (int j = 0; j < NV; ++j)
        sum[i][j] = TAIL && j == NV - 1 ? load(start + i * startRow + j * lanes, last) : load(start + i * startRow + j * lanes);
  } else {
    UNROLL for (int i = 0; i < MR; ++i)
      UNROLL for (int j = 0; j < NV; ++j) sum[i][j] = zero<T>();
  }
  // Three rows share a pointer: base, base + stride, base + 2·stride are all addressing modes.
  const T* row[(MR + 2) / 3];
  UNROLL for (int i = 0; i < (MR + 2) / 3; ++i) row[i] = a + i * 3 * aStride;
  _Pragma("GCC unroll 1") for (int64_t step = 0; step < k; ++step) {
    V<T> line[NV];
    UNROLL for (int j = 0; j < NV; ++j) line[j] = TAIL && j == NV - 1 ? load(b + j * lanes, last) : load(b + j * lanes);
    b += bRow;
    UNROLL for (int i = 0; i < MR; ++i) {
      const V<T> x = set1(AT ? a[i] : row[i / 3][(i % 3) * aStride]);
      UNROLL for (int j = 0; j < NV; ++j) sum[i][j] = fma(x, line[j], sum[i][j]);
    }
    if (AT) a += aStride;
    else UNROLL for (int i = 0; i < (MR + 2) / 3; ++i) ++row[i];
  }
  UNROLL for (int i = 0; i < MR; ++i)
    UNROLL for (int j = 0; j < NV; ++j) {
      T* to = c + i * cRow + j * lanes;
      if (TAIL && j == NV - 1) store(to, add ? load(to, last) + sum[i][j] : sum[i][j], last);
      else store(to, add ? load(to) + sum[i][j] : sum[i][j]);
    }
}
#undef UNROLL

template <class T>
using GemmMicro = void (*)(int64_t, const T*, int64_t, const T*, int64_t, const T*, int64_t, T*, int64_t, int, bool);

template <class T, int MR, int NV> inline GemmMicro<T> gemmPick(int64_t rows, bool at, bool tail) {
  if (rows == MR) {
    if (at) return tail ? &gemmMicro<T, MR, NV, true, true> : &gemmMicro<T, MR, NV, true, false>;
    return tail ? &gemmMicro<T, MR, NV, false, true> : &gemmMicro<T, MR, NV, false, false>;
  }
  if constexpr (MR > 1) return gemmPick<T, MR - 1, NV>(rows, at, tail);
  else return nullptr;
}
template <class T, int NV> inline GemmMicro<T> gemmPickIn(int64_t rows, bool at, bool tail) {
  if constexpr (GemmRows<T>::of[NV] > 0) return gemmPick<T, GemmRows<T>::of[NV], NV>(rows, at, tail);
  else return nullptr;
}

template <class T> inline V<T> gemmEpilogue(V<T> x, V<T> old, V<T> bias, bool add, bool hasBias, bool relu) {
  if (add) x = old + x;
  if (hasBias) x = x + bias;
  return relu ? maximum(x, zero<T>()) : x;
}

// c = x (+ y), (c +), (+ bias), (relu), each a rounding of its own and in this order; x may be c.
template <class T>
void gemmFinish(int64_t m, int64_t n, const T* x, int64_t xRow, const T* y, int64_t yRow, T* c, int64_t cRow, bool add, const T* bias,
                bool relu) {
  for (int64_t i = 0; i < m; ++i, x += xRow, c += cRow) {
    int64_t j = 0;
    for (; j + lanes <= n; j += lanes) {
      V<T> v = load(x + j);
      if (y) v = v + load(y + j);
      store(c + j, gemmEpilogue(v, add ? load(c + j) : v, bias ? load(bias + j) : v, add, bias != nullptr, relu));
    }
    if (const int last = int(n - j)) {
      V<T> v = load(x + j, last);
      if (y) v = v + load(y + j, last);
      store(c + j, gemmEpilogue(v, add ? load(c + j, last) : v, bias ? load(bias + j, last) : v, add, bias != nullptr, relu), last);
    }
    if (y) y += yRow;
  }
}

// One panel of at most 16 · gemmVectors columns over all rows of a tile: c = start + a·b, then the epilogue of gemmFinish.
// One of aRow and aCol is 1; the rows of b are contiguous. No start: from zero. start may be c.
template <class T>
void gemmPanel(int64_t m, int64_t n, int64_t k, const T* a, int64_t aRow, int64_t aCol, const T* b, int64_t bRow, const T* start,
               int64_t startRow, T* c, int64_t cRow, bool add, const T* bias, bool relu) {
  const int vectors = int((n + lanes - 1) / lanes), last = int(n - (vectors - 1) * lanes);
  const bool at = aCol != 1, tail = last != lanes;
  const int64_t strips = (m + GemmRows<T>::of[vectors] - 1) / GemmRows<T>::of[vectors], low = m / strips;
  GemmMicro<T> micro[2];
  for (int i = 0; i < 2; ++i) {
    const int64_t rows = low + i;
    micro[i] = vectors == 1   ? gemmPickIn<T, 1>(rows, at, tail)
               : vectors == 2 ? gemmPickIn<T, 2>(rows, at, tail)
               : vectors == 3 ? gemmPickIn<T, 3>(rows, at, tail)
                              : gemmPickIn<T, 4>(rows, at, tail);
  }
  for (int64_t s = 0, i = 0; s < strips; ++s) {
    const int64_t rows = m * (s + 1) / strips - i;
    T* to = c + i * cRow;
    micro[rows - low](k, a + i * aRow, at ? aCol : aRow, b, bRow, start ? start + i * startRow : nullptr, startRow, to, cRow, last, add);
    if (bias || relu) gemmFinish<T>(rows, n, to, cRow, nullptr, 0, to, cRow, false, bias, relu);
    i += rows;
  }
}

// Rows of the micro-tile in panels of that many vectors, 0 where there is none.
template <class T> int gemmRows(int vectors) { return vectors >= 1 && vectors <= 4 ? GemmRows<T>::of[vectors] : 0; }

// Vectors per panel that suit m rows and n columns: least time in half cycles of a core that does two FMAs and two loads a cycle,
// an FMA taking four cycles.
template <class T> int gemmVectors(int64_t m, int64_t n) {
  constexpr int64_t registers = sizeof(V<T>) / gemmRegister;
  const int64_t all = (n + lanes - 1) / lanes;
  int best = 1;
  int64_t least = 0;
  for (int vectors = 4; vectors >= 1; --vectors) {
    if (!GemmRows<T>::of[vectors]) continue;
    int64_t time = 0;
    for (int part = 0; part < 2; ++part) {
      const int64_t width = part == 0 ? vectors : all % vectors, panels = part == 0 ? all / vectors : 1;
      if (width == 0 || panels == 0 || !GemmRows<T>::of[width]) continue;
      const int64_t strips = (m + GemmRows<T>::of[width] - 1) / GemmRows<T>::of[width];
      const int64_t multiply = m * width * registers, read = m + strips * width * registers, wait = strips * 8;
      time += panels * (multiply > read ? (multiply > wait ? multiply : wait) : (read > wait ? read : wait));
    }
    if (least == 0 || time < least) { least = time; best = vectors; }
  }
  return best;
}
