// Matrix product in registers: micro-tiles of MR rows × NV vectors whose every output has one accumulator and takes k in order.
// Bits depend on nothing but k and the operands: not on the tile, its place, the strides, or where the driver cuts k (it hands
// the accumulators back in `start`).

using nodegrad::Epilogue;
using nodegrad::GemmRun;
using nodegrad::Prior;

// Rows of the micro-tile for panels of half a vector and of 1 … 4 vectors of 16 lanes: as many accumulators as the registers hold
// beside one row of B and one element of A. 0: no such panel.
template <class T> struct GemmRows;
#if defined(__AVX512F__)
constexpr int64_t gemmRegister = 64;  // bytes
template <> struct GemmRows<float> { static constexpr int of[5] = {14, 14, 14, 8, 6}; };
template <> struct GemmRows<double> { static constexpr int of[5] = {14, 14, 6, 0, 0}; };
#elif defined(__AVX2__)
constexpr int64_t gemmRegister = 32;
template <> struct GemmRows<float> { static constexpr int of[5] = {12, 6, 2, 0, 0}; };
template <> struct GemmRows<double> { static constexpr int of[5] = {6, 3, 1, 0, 0}; };
#else
constexpr int64_t gemmRegister = 16;
template <> struct GemmRows<float> { static constexpr int of[5] = {2, 1, 0, 0, 0}; };
template <> struct GemmRows<double> { static constexpr int of[5] = {2, 1, 0, 0, 0}; };
#endif

#define UNROLL _Pragma("GCC unroll 16")

// c[MR, 16·(NV−1) + last] = start + Σ_k a·b over `count` runs of k, then the epilogue but for maps that are no ReLU. AT: rows of A are neighbours and a step of k is aStride
// elements; otherwise the rows are aStride apart and the steps of k are neighbours. NV = 0: half a vector, c[MR, last].
template <class T, int MR, int NV, bool AT, bool TAIL>
__attribute__((noinline)) void gemmMicro(const GemmRun* runs, int64_t count, int64_t k, const T* a, int64_t aStride, const T* b, int64_t bRow,
                                         const T* start, int64_t startRow, T* c, int64_t cRow, int last, const Epilogue<T>& e) {
  constexpr int vectors = NV > 0 ? NV : 1;
  const auto fill = [](T x) FORMULA { if constexpr (NV > 0) return set1(x); else return half(x); };
  const auto read = [last](const T* row, int j) FORMULA {
    if constexpr (NV > 0) return TAIL && j == NV - 1 ? load(row + j * lanes, last) : load(row + j * lanes);
    else return TAIL ? loadHalf(row, last) : loadHalf(row);
  };
  decltype(fill(T(0))) sum[MR][vectors];
  if (start) {
    UNROLL for (int i = 0; i < MR; ++i)
      UNROLL for (int j = 0; j < vectors; ++j) sum[i][j] = read(start + i * startRow, j);
  } else {
    UNROLL for (int i = 0; i < MR; ++i)
      UNROLL for (int j = 0; j < vectors; ++j) sum[i][j] = fill(0);
  }
  for (; count > 0; --count, ++runs) {
    // Three rows share a pointer: base, base + stride, base + 2·stride are all addressing modes.
    const T* row[AT ? 1 : (MR + 2) / 3];
    UNROLL for (int i = 0; i < (AT ? 1 : (MR + 2) / 3); ++i) row[i] = a + runs->a + i * 3 * aStride;
    const T* line = b + runs->b;
    _Pragma("GCC unroll 1") for (int64_t step = 0; step < k; ++step) {
      decltype(fill(T(0))) y[vectors];
      UNROLL for (int j = 0; j < vectors; ++j) y[j] = read(line, j);
      line += bRow;
      UNROLL for (int i = 0; i < MR; ++i) {
        const auto x = fill(AT ? row[0][i] : row[AT ? 0 : i / 3][(i % 3) * aStride]);
        UNROLL for (int j = 0; j < vectors; ++j) sum[i][j] = fma(x, y[j], sum[i][j]);
      }
      UNROLL for (int i = 0; i < (AT ? 1 : (MR + 2) / 3); ++i) row[i] += AT ? aStride : 1;
    }
  }
  const auto each = [&](auto f) FORMULA {
    UNROLL for (int i = 0; i < MR; ++i)
      UNROLL for (int j = 0; j < vectors; ++j) sum[i][j] = f(sum[i][j], i, j);
  };
  if (e.prior == Prior::old) each([&](auto v, int i, int j) FORMULA { return read(c + i * cRow, j) + v; });
  else if (e.prior == Prior::zero) each([&](auto v, int, int) FORMULA { return fill(0) + v; });
  if (e.bias) each([&](auto v, int, int j) FORMULA { return v + read(e.bias, j); });
  if (e.relu) each([&](auto v, int, int) FORMULA {
    if constexpr (NV > 0) return maximum(v, zero<T>());
    else return half(maximum(whole(v), zero<T>()));
  });
  if (e.y && !e.mapBackward) each([&](auto v, int i, int j) FORMULA {
    if constexpr (NV > 0) return reluGradient(v, read(e.y + i * e.yRow, j));
    else return half(reluGradient(whole(v), whole(read(e.y + i * e.yRow, j))));
  });
  UNROLL for (int i = 0; i < MR; ++i)
    UNROLL for (int j = 0; j < vectors; ++j) {
      if (TAIL && j == vectors - 1) store(c + i * cRow + j * lanes, sum[i][j], last);
      else store(c + i * cRow + j * lanes, sum[i][j]);
    }
}
#undef UNROLL

template <class T>
using GemmMicro = void (*)(const GemmRun*, int64_t, int64_t, const T*, int64_t, const T*, int64_t, const T*, int64_t, T*, int64_t, int, const Epilogue<T>&);

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

// The maps of an epilogue that are no ReLU, over rows that may follow each other without gaps.
template <class T> inline void gemmMaps(int64_t m, int64_t n, T* c, int64_t cRow, const Epilogue<T>& e) {
  if (cRow == n && (!e.y || e.yRow == n)) { n *= m; m = 1; }
  for (int64_t i = 0; e.map && i < m; ++i) e.map(c + i * cRow, c + i * cRow, n, false, e.alpha, e.beta);
  for (int64_t i = 0; e.mapBackward && i < m; ++i) e.mapBackward(c + i * cRow, c + i * cRow, e.y + i * e.yRow, n, false, e.alpha, e.beta);
}

// c = x (+ other), then the epilogue; x may be c.
template <class T>
void gemmFinish(int64_t m, int64_t n, const T* x, int64_t xRow, const T* other, int64_t otherRow, T* c, int64_t cRow, const Epilogue<T>& e) {
  if (e.relu) gemmFinishRows<true, false>(m, n, x, xRow, other, otherRow, c, cRow, e);
  else if (e.y && !e.mapBackward) gemmFinishRows<false, true>(m, n, x, xRow, other, otherRow, c, cRow, e);
  else if (x != c || other || e.prior != Prior::none || e.bias) gemmFinishRows<false, false>(m, n, x, xRow, other, otherRow, c, cRow, e);
  gemmMaps(m, n, c, cRow, e);
}

// One panel of at most 16 · gemmVectors columns over all rows of a tile: c = start + a·b, then the epilogue of gemmFinish. The product's k
// is `count` runs of k steps each. One of aRow and aCol is 1; the rows of b are contiguous. No start: from zero. start may be c.
template <class T>
void gemmRuns(int64_t m, int64_t n, const GemmRun* runs, int64_t count, int64_t k, const T* a, int64_t aRow, int64_t aCol, const T* b,
              int64_t bRow, const T* start, int64_t startRow, T* c, int64_t cRow, const Epilogue<T>& epilogue) {
  const int vectors = n <= lanes / 2 ? 0 : int((n + lanes - 1) / lanes), width = vectors == 0 ? lanes / 2 : lanes;
  const int last = int(n - (vectors > 1 ? (vectors - 1) * lanes : 0));
  const bool at = aCol != 1, tail = last != width;
  const int64_t strips = (m + GemmRows<T>::of[vectors] - 1) / GemmRows<T>::of[vectors], low = m / strips;
  GemmMicro<T> micro[2];
  for (int i = 0; i < 2; ++i) {
    const int64_t rows = low + i;
    micro[i] = vectors == 0   ? gemmPickIn<T, 0>(rows, at, tail)
               : vectors == 1 ? gemmPickIn<T, 1>(rows, at, tail)
               : vectors == 2 ? gemmPickIn<T, 2>(rows, at, tail)
               : vectors == 3 ? gemmPickIn<T, 3>(rows, at, tail)
                              : gemmPickIn<T, 4>(rows, at, tail);
  }
  for (int64_t s = 0, i = 0; s < strips; ++s) {
    const int64_t rows = m * (s + 1) / strips - i;
    T* to = c + i * cRow;
    micro[rows - low](runs, count, k, a + i * aRow, at ? aCol : aRow, b, bRow, start ? start + i * startRow : nullptr, startRow, to, cRow, last,
                      epilogue.at(i, 0));
    i += rows;
  }
  gemmMaps(m, n, c, cRow, epilogue);
}
template <class T>
void gemmPanel(int64_t m, int64_t n, int64_t k, const T* a, int64_t aRow, int64_t aCol, const T* b, int64_t bRow, const T* start,
               int64_t startRow, T* c, int64_t cRow, const Epilogue<T>& epilogue) {
  constexpr GemmRun all = {0, 0};
  gemmRuns(m, n, &all, 1, k, a, aRow, aCol, b, bRow, start, startRow, c, cRow, epilogue);
}

// Rows of the micro-tile in panels of that many vectors, 0 where there is none.
template <class T> int gemmRows(int vectors) { return vectors >= 1 && vectors <= 4 ? GemmRows<T>::of[vectors] : 0; }

// Vectors per panel that suit m rows, n columns and k steps: least time in quarter cycles of a core that does two FMAs and two loads a
// cycle, an FMA taking four cycles. Where it is the same, fewest reads if k is long, for they may not come from the nearest cache, and
// else the widest panel, whose writes follow each other.
template <class T> int gemmVectors(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t registers = sizeof(H<T>) / (gemmRegister / 2);  // halves of a register that half a vector takes
  int best = 1;
  int64_t least = 0, fewest = 0;
  for (int vectors = 4; vectors >= 1; --vectors) {
    if (!GemmRows<T>::of[vectors]) continue;
    int64_t time = 0, reads = 0;
    for (int part = 0; part < 2; ++part) {
      const int64_t rest = n % (vectors * lanes), panels = part == 0 ? n / (vectors * lanes) : 1;
      const int64_t halves = part == 0 ? 2 * vectors : rest <= lanes / 2 ? rest > 0 : 2 * ((rest + lanes - 1) / lanes);
      if (halves == 0 || panels == 0) continue;
      const int64_t rows = GemmRows<T>::of[halves / 2], strips = (m + rows - 1) / rows;
      const int64_t multiply = m * halves * registers, read = 2 * m + strips * halves * registers, wait = strips * 16;
      reads += panels * read;
      time += panels * (multiply > read ? (multiply > wait ? multiply : wait) : (read > wait ? read : wait));
    }
    if (least == 0 || time < least || (k > 256 && time == least && reads < fewest)) {
      least = time;
      fewest = reads;
      best = vectors;
    }
  }
  return best;
}
