// Matrix product in registers: micro-tiles of MR rows × NV vectors whose every output has one accumulator and takes k in order.
// Bits depend on nothing but k and the operands: not on the tile, its place, the strides, or where the driver cuts k (it hands
// the accumulators back in `start`).

using nodegrad::Epilogue;
using nodegrad::Prior;

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

// c[MR, 16·(NV−1) + last] = (prior +) start + Σ_k a·b. AT: rows of A are neighbours and a step of k is aStride elements;
// otherwise the rows are aStride apart and the steps of k are neighbours.
template <class T, int MR, int NV, bool AT, bool TAIL>
__attribute__((noinline)) void gemmMicro(int64_t k, const T* a, int64_t aStride, const T* b, int64_t bRow, const T* start, int64_t startRow,
                                         T* c, int64_t cRow, int last, Prior prior) {
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
      V<T> total = sum[i][j];
      if (prior == Prior::old) total = (TAIL && j == NV - 1 ? load(to, last) : load(to)) + total;
      else if (prior == Prior::zero) total = zero<T>() + total;
      if (TAIL && j == NV - 1) store(to, total, last);
      else store(to, total);
    }
}
#undef UNROLL

template <class T>
using GemmMicro = void (*)(int64_t, const T*, int64_t, const T*, int64_t, const T*, int64_t, T*, int64_t, int, Prior);

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

// Rows of c = x (+ other), then the epilogue but for maps that are no ReLU; x may be c.
template <bool RELU, bool MASK, class T>
inline void gemmFinishRows(int64_t m, int64_t n, const T* x, int64_t xRow, const T* other, int64_t otherRow, T* c, int64_t cRow,
                           const Epilogue<T>& e) {
  const T* y = e.y;
  for (int64_t i = 0; i < m; ++i, x += xRow, c += cRow) {
    const auto part = [&](int64_t j, auto read, auto write) FORMULA {
      V<T> v = read(x + j);
      if (other) v = v + read(other + j);
      if (e.prior == Prior::old) v = read(static_cast<const T*>(c + j)) + v;
      else if (e.prior == Prior::zero) v = zero<T>() + v;
      if (e.bias) v = v + read(e.bias + j);
      if (RELU) v = maximum(v, zero<T>());
      if (MASK) v = reluGradient(v, read(y + j));
      write(c + j, v);
    };
    int64_t j = 0;
    for (; j + lanes <= n; j += lanes) part(j, [](const T* p) FORMULA { return load(p); }, [](T* p, V<T> v) FORMULA { store(p, v); });
    if (const int last = int(n - j))
      part(j, [last](const T* p) FORMULA { return load(p, last); }, [last](T* p, V<T> v) FORMULA { store(p, v, last); });
    if (other) other += otherRow;
    if (MASK) y += e.yRow;
  }
}

// c = x (+ other), then the epilogue; x may be c.
template <class T>
void gemmFinish(int64_t m, int64_t n, const T* x, int64_t xRow, const T* other, int64_t otherRow, T* c, int64_t cRow, const Epilogue<T>& e) {
  if (e.relu) gemmFinishRows<true, false>(m, n, x, xRow, other, otherRow, c, cRow, e);
  else if (e.y && !e.mapBackward) gemmFinishRows<false, true>(m, n, x, xRow, other, otherRow, c, cRow, e);
  else if (x != c || other || e.prior != Prior::none || e.bias) gemmFinishRows<false, false>(m, n, x, xRow, other, otherRow, c, cRow, e);
  for (int64_t i = 0; e.map && i < m; ++i) e.map(c + i * cRow, c + i * cRow, n, false);
  for (int64_t i = 0; e.mapBackward && i < m; ++i) e.mapBackward(c + i * cRow, c + i * cRow, e.y + i * e.yRow, n, false);
}

// One panel of at most 16 · gemmVectors columns over all rows of a tile: c = start + a·b, then the epilogue of gemmFinish.
// One of aRow and aCol is 1; the rows of b are contiguous. No start: from zero. start may be c.
template <class T>
void gemmPanel(int64_t m, int64_t n, int64_t k, const T* a, int64_t aRow, int64_t aCol, const T* b, int64_t bRow, const T* start,
               int64_t startRow, T* c, int64_t cRow, const Epilogue<T>& epilogue) {
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
    micro[rows - low](k, a + i * aRow, at ? aCol : aRow, b, bRow, start ? start + i * startRow : nullptr, startRow, to, cRow, last,
                      epilogue.prior);
    if (epilogue.beyondSums()) {
      Epilogue<T> rest = epilogue.at(i, 0);
      rest.prior = Prior::none;
      gemmFinish<T>(rows, n, to, cRow, nullptr, 0, to, cRow, rest);
    }
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
