// Matrix product in registers: micro-tiles of MR rows × NV vectors whose every output has one accumulator and takes k in order.
// Bits depend on nothing but k and the operands: not on the tile, its place, the strides, or where the driver cuts k (it hands
// the accumulators back in `start`).

using nodegrad::Epilogue;
using nodegrad::GemmRun;
using nodegrad::GemmStream;
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
#elif defined(NODEGRAD_NEON)
// Chosen by counting registers and loads, not measured: 24 accumulators hide an FMA's latency of four cycles on cores with four units, and
// six rows of 16 columns take ten loads for 24 FMAs.
constexpr int64_t gemmRegister = 16;
template <> struct GemmRows<float> { static constexpr int of[5] = {12, 6, 2, 0, 0}; };
template <> struct GemmRows<double> { static constexpr int of[5] = {6, 2, 0, 0, 0}; };
#else
constexpr int64_t gemmRegister = 16;
template <> struct GemmRows<float> { static constexpr int of[5] = {2, 1, 0, 0, 0}; };
template <> struct GemmRows<double> { static constexpr int of[5] = {2, 1, 0, 0, 0}; };
#endif

#define UNROLL _Pragma("GCC unroll 16")

// How many steps of k ahead operands are asked for that lie a row apart: no prefetcher follows those.
constexpr int64_t gemmAheadA = 8, gemmAheadB = 10;
// One line of the next panel is asked for in so many steps; more would take the buffers that the lines of this panel need.
constexpr int gemmEvery(bool at) { return at ? 2 : 4; }
// What a micro-tile does beside its products. ahead: it asks for what comes. pack: it reads B where it lies and leaves its rows at
// stream.packed, 16·NV elements each, for the others; beside products the stores are free.
enum class Beside { nothing, ahead, pack };
// Below so many steps nothing is asked for: it would come too late.
constexpr int64_t gemmLeastAhead = 64;

// c[MR, 16·(NV−1) + last] = start + Σ_k a·b over `count` runs of k, then the epilogue but for maps that are no ReLU. AT: rows of A are neighbours and a step of k is aStride
// elements; otherwise the rows are aStride apart and the steps of k are neighbours. NV = 0: half a vector, c[MR, last].
template <class T, int MR, int NV, bool AT, bool TAIL, Beside BESIDE>
__attribute__((noinline)) void gemmMicro(const GemmRun* runs, int64_t count, int64_t k, const T* a, int64_t aStride, const T* b, int64_t bRow,
                                         const T* start, int64_t startRow, T* c, int64_t cRow, int last, const Epilogue<T>& e,
                                         const GemmStream<T>& stream) {
  constexpr int vectors = NV > 0 ? NV : 1, perLine = 64 / sizeof(T);
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
  if (BESIDE != Beside::nothing && stream.cold) {
    UNROLL for (int i = 0; i < MR; ++i) {
      UNROLL for (int j = 0; j < vectors * lanes; j += perLine) prefetchForWriting(c + i * cRow + j);
      prefetchForWriting(c + i * cRow + vectors * lanes - 1);
    }
  }
  T* packed = stream.packed;
  const T* next = stream.next;
  for (; count > 0; --count, ++runs) {
    // Three rows share a pointer: base, base + stride, base + 2·stride are all addressing modes.
    const T* row[AT ? 1 : (MR + 2) / 3];
    UNROLL for (int i = 0; i < (AT ? 1 : (MR + 2) / 3); ++i) row[i] = a + runs->a + i * 3 * aStride;
    const T* line = b + runs->b;
    const auto advance = [&]() FORMULA {
      decltype(fill(T(0))) y[vectors];
      UNROLL for (int j = 0; j < vectors; ++j) y[j] = read(line, j);
      if constexpr (BESIDE == Beside::pack) {
        UNROLL for (int j = 0; j < vectors; ++j) store(packed + j * lanes, y[j]);
        packed += vectors * lanes;
        // A row that begins inside of a line ends in one more.
        UNROLL for (int j = 0; j < vectors * lanes; j += perLine) prefetch(line + gemmAheadB * bRow + j);
        prefetch(line + gemmAheadB * bRow + vectors * lanes - 1);
      }
      if constexpr (AT && BESIDE != Beside::nothing) prefetch(row[0] + gemmAheadA * aStride + MR - 1);
      line += bRow;
      UNROLL for (int i = 0; i < MR; ++i) {
        const auto x = fill(AT ? row[0][i] : row[AT ? 0 : i / 3][(i % 3) * aStride]);
        UNROLL for (int j = 0; j < vectors; ++j) sum[i][j] = fma(x, y[j], sum[i][j]);
        readInOrder();
      }
      UNROLL for (int i = 0; i < (AT ? 1 : (MR + 2) / 3); ++i) row[i] += AT ? aStride : 1;
      if constexpr (BESIDE != Beside::nothing) asm volatile("" ::: "memory");  // GCC would gather the prefetches of several steps
    };
    int64_t step = 0;
    if constexpr (BESIDE == Beside::ahead) {
      constexpr int every = gemmEvery(AT);
      _Pragma("GCC unroll 1") for (; step + every <= k; step += every) {
        prefetchFar(next);
        next += stream.nextRow;
        UNROLL for (int i = 0; i < every; ++i) advance();
      }
    }
    _Pragma("GCC unroll 1") for (; step < k; ++step) advance();
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
using GemmMicro = void (*)(const GemmRun*, int64_t, int64_t, const T*, int64_t, const T*, int64_t, const T*, int64_t, T*, int64_t, int, const Epilogue<T>&,
                           const GemmStream<T>&);

template <class T, int MR, int NV, Beside BESIDE> inline GemmMicro<T> gemmForm(bool at, bool tail) {
  if (at) return tail ? &gemmMicro<T, MR, NV, true, true, BESIDE> : &gemmMicro<T, MR, NV, true, false, BESIDE>;
  return tail ? &gemmMicro<T, MR, NV, false, true, BESIDE> : &gemmMicro<T, MR, NV, false, false, BESIDE>;
}
template <class T, int MR, int NV, Beside BESIDE> inline GemmMicro<T> gemmPick(int64_t rows, bool at, bool tail) {
  if (rows == MR) return gemmForm<T, MR, NV, BESIDE>(at, tail);
  if constexpr (MR > 1) return gemmPick<T, MR - 1, NV, BESIDE>(rows, at, tail);
  else return nullptr;
}
template <class T, int NV> inline GemmMicro<T> gemmPickIn(int64_t rows, bool at, bool tail, bool ahead) {
  if constexpr (GemmRows<T>::of[NV] > 0) {
    // Half a vector is for few channels, and float64 for checks: they have no form of their own.
    if constexpr (NV > 0 && sizeof(T) == 4)
      if (ahead) return gemmPick<T, GemmRows<T>::of[NV], NV, Beside::ahead>(rows, at, tail);
    return gemmPick<T, GemmRows<T>::of[NV], NV, Beside::nothing>(rows, at, tail);
  } else return nullptr;
}

// The one that packs: always with all rows.
template <class T, int NV> inline GemmMicro<T> gemmPickPacking(bool at, bool tail) {
  if constexpr (GemmRows<T>::of[NV] > 0) return gemmForm<T, GemmRows<T>::of[NV], NV, Beside::pack>(at, tail);
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
// With stream.packed, room for k rows of whole vectors of each run, the first strip leaves b there for the others.
template <class T>
void gemmRuns(int64_t m, int64_t n, const GemmRun* runs, int64_t count, int64_t k, const T* a, int64_t aRow, int64_t aCol, const T* b,
              int64_t bRow, const T* start, int64_t startRow, T* c, int64_t cRow, const Epilogue<T>& epilogue, const GemmStream<T>& stream) {
  const int vectors = n <= lanes / 2 ? 0 : int((n + lanes - 1) / lanes), width = vectors == 0 ? lanes / 2 : lanes;
  const int last = int(n - (vectors > 1 ? (vectors - 1) * lanes : 0));
  const bool at = aCol != 1, tail = last != width, ahead = k >= gemmLeastAhead && (at || stream.next || stream.cold);
  const int64_t most = GemmRows<T>::of[vectors], strips = (m + most - 1) / most;
  const bool packs = stream.packed && strips > 1 && vectors > 0;
  // The strips share the rows evenly; one that packs takes all that it can.
  const int64_t first = packs ? most : 0, others = strips - (packs ? 1 : 0), low = (m - first) / others;
  GemmMicro<T> micro[2];
  for (int i = 0; i < 2; ++i) {
    const int64_t rows = low + i;
    micro[i] = vectors == 0   ? gemmPickIn<T, 0>(rows, at, tail, ahead)
               : vectors == 1 ? gemmPickIn<T, 1>(rows, at, tail, ahead)
               : vectors == 2 ? gemmPickIn<T, 2>(rows, at, tail, ahead)
               : vectors == 3 ? gemmPickIn<T, 3>(rows, at, tail, ahead)
                              : gemmPickIn<T, 4>(rows, at, tail, ahead);
  }
  constexpr GemmRun whole = {0, 0};
  GemmStream<T> beside = {stream.packed, nullptr, b, 0, stream.cold};
  const auto strip = [&](GemmMicro<T> kernel, int64_t i) {
    kernel(runs, count, k, a + i * aRow, at ? aCol : aRow, b, bRow, start ? start + i * startRow : nullptr, startRow, c + i * cRow, cRow, last,
           epilogue.at(i, 0), beside);
  };
  if (packs) {
    strip(vectors == 1   ? gemmPickPacking<T, 1>(at, tail)
          : vectors == 2 ? gemmPickPacking<T, 2>(at, tail)
          : vectors == 3 ? gemmPickPacking<T, 3>(at, tail)
                         : gemmPickPacking<T, 4>(at, tail), 0);
    b = stream.packed;
    bRow = vectors * lanes;
    runs = stream.dense ? stream.dense : &whole;
  }
  for (int64_t s = 0, i = first; s < others; ++s) {
    // A strip asks for one line of a part of the next panel's rows.
    constexpr int64_t perLine = 64 / sizeof(T);
    const int64_t parts = gemmEvery(at);
    if (ahead) {
      const bool asks = stream.next && s < parts * vectors * lanes / perLine;
      const T* const next = asks ? stream.next + s / parts * perLine + s % parts * (k / parts) * stream.nextRow : b;
      beside = {nullptr, nullptr, next, asks ? stream.nextRow : 0, stream.cold};
    }
    const int64_t rows = first + (m - first) * (s + 1) / others - i;
    strip(micro[rows - low], i);
    i += rows;
  }
  gemmMaps(m, n, c, cRow, epilogue);
}
template <class T>
void gemmPanel(int64_t m, int64_t n, int64_t k, const T* a, int64_t aRow, int64_t aCol, const T* b, int64_t bRow, const T* start,
               int64_t startRow, T* c, int64_t cRow, const Epilogue<T>& epilogue, const GemmStream<T>& stream) {
  constexpr GemmRun all = {0, 0};
  gemmRuns(m, n, &all, 1, k, a, aRow, aCol, b, bRow, start, startRow, c, cRow, epilogue, stream);
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
      // Floats per step of k from beyond the nearest cache, where a panel does not stay: a strip reads it anew.
      reads += panels * (m + (k * halves * lanes / 2 * int64_t(sizeof(T)) > (24 << 10) ? strips * halves * lanes / 2 : 0));
      time += panels * (multiply > read ? (multiply > wait ? multiply : wait) : (read > wait ? read : wait));
    }
    if (least == 0 || time < least || (time == least && reads < fewest)) {
      least = time;
      fewest = reads;
      best = vectors;
    }
  }
  return best;
}
