// What products of bfloat16 numbers pack: numbers that are rounded, and words of two neighbours of k, the even one below. Words travel as float, whose
// bits nobody computes with.

using nodegrad::Bfloat16Block;
using nodegrad::bfloat16Panel;
using nodegrad::Bfloat16Rows;
using nodegrad::bfloat16Step;
using nodegrad::mostBfloat16Rows;

constexpr int64_t wordsOfStep = bfloat16Step / 2;
alignas(64) constexpr char noNumbers[64] = {};  // what a row has in a half of a step that is zeros

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

inline void narrowRows(bfloat16* y, int64_t yRow, const float* x, int64_t xRow, int64_t rows, int64_t columns) {
  if (columns == 2 * lanes) {
    for (int64_t i = 0; i < rows; ++i, y += yRow, x += xRow) {
      store(y, load(x));
      store(y + lanes, load(x + lanes));
    }
    return;
  }
  for (int64_t i = 0; i < rows; ++i) narrow(y + i * yRow, x + i * xRow, columns);
}

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
// words[16][width] of one step, where the lanes of a k are neighbours; place(i) is where those of the i-th one are.
template <class S, class P> inline void wordColumns(const S* x, P place, int64_t count, int64_t used, int64_t width, float* to) {
  for (int64_t pair = 0; pair < wordsOfStep; ++pair, to += width) {
    const bool even = 2 * pair < count, odd = 2 * pair + 1 < count;
    const S *const first = x + (even ? place(2 * pair) : 0), *const second = x + (odd ? place(2 * pair + 1) : 0);
    const auto words = [&](int64_t j, auto read) FORMULA {
      V<float> low = zero<float>(), high = zero<float>();
      if (even) low = fromBits<float>(shr<16>(upper(read(first + j), x)));
      if (odd) high = fromBits<float>(upper(read(second + j), x) & upperHalf());
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

// f(data, place) for a block whose lanes are neighbours, from `at` on.
template <class F> inline void placesOf(const Bfloat16Block& x, int64_t at, F f) {
  const auto typed = [&](const auto* data) {
    if (x.places) f(data, [places = x.places + at](int64_t i) FORMULA { return places[i]; });
    else f(data + at * x.k, [k = x.k](int64_t i) FORMULA { return i * k; });
  };
  if (x.wide) typed(static_cast<const float*>(x.data));
  else typed(static_cast<const bfloat16*>(x.data));
}

// Words of one step, `width` lanes (a multiple of 16) of which `used` are there: as [16][width], or as [width][16].
template <bool byLane> inline void wordsOf(const Bfloat16Block& x, int64_t at, int64_t count, int64_t used, int64_t width, float* to) {
  alignas(64) float turned[mostBfloat16Rows * wordsOfStep];
  if (x.lane == 1) {
    placesOf(x, at, [&](const auto* data, auto place) { wordColumns(data, place, count, used, width, byLane ? turned : to); });
    if (byLane) transposeBlock<float>(wordsOfStep, width, turned, width, to, wordsOfStep);
    return;
  }
  if (x.wide) wordRows(static_cast<const float*>(x.data) + at, x.lane, count, used, width, byLane ? to : turned);
  else wordRows(static_cast<const bfloat16*>(x.data) + at, x.lane, count, used, width, byLane ? to : turned);
  if (!byLane) transposeBlock<float>(width, wordsOfStep, turned, wordsOfStep, to, width);
}

// Whole vectors: what one writes behind its piece, the next one overwrites.
inline void gatherPieces(bfloat16* to, int64_t toRow, const bfloat16* x, int64_t step, int64_t positions, const int64_t* pieces, int64_t count, int64_t length) {
  for (int64_t p = 0; p < positions; ++p, to += toRow, x += step) {
    bfloat16* out = to;
    for (int64_t i = 0; i < count; ++i, out += length)
      for (int64_t j = 0; j < length; j += bfloat16Step) __builtin_memcpy(out + j, x + pieces[i] + j, 64);
    __builtin_memset(out, 0, 64);
  }
}

// One step of a row.
template <auto arrange> inline void arrangeWords(const float* words, void* to) {
  bfloat16 row[bfloat16Step];
  __builtin_memcpy(row, words, sizeof row);
  arrange(to, row, bfloat16Step);
}

inline int64_t wholeVectors(int64_t n) { return (n + lanes - 1) / lanes * lanes; }
inline int64_t stepNumbers(int64_t count, int64_t at) { return count - at < bfloat16Step ? count - at : bfloat16Step; }

// Rows of whole steps; `arrange` is the way's.
template <auto arrange, int64_t numberBytes> inline void packRowsBy(const Bfloat16Block& x, int64_t rows, int64_t count, void* to) {
  const int64_t steps = (count + bfloat16Step - 1) / bfloat16Step, whole = count / bfloat16Step * bfloat16Step;
  const auto place = [&](int64_t i, int64_t step) { return static_cast<char*>(to) + (i * steps + step) * bfloat16Step * numberBytes; };
  if (x.lane == 1) {
    alignas(64) float words[wordsOfStep * mostBfloat16Rows];
    for (int64_t step = 0; step < steps; ++step) {
      wordsOf<true>(x, step * bfloat16Step, stepNumbers(count, step * bfloat16Step), rows, wholeVectors(rows), words);
      for (int64_t i = 0; i < rows; ++i) arrangeWords<arrange>(words + i * wordsOfStep, place(i, step));
    }
    return;
  }
  for (int64_t i = 0; i < rows; ++i) {
    alignas(64) float words[wordsOfStep];
    const auto from = [&](const auto* data, int64_t first) {
      for (int64_t k = first; k < count; k += bfloat16Step) {
        copyNarrow(data + i * x.lane + k, stepNumbers(count, k), words);
        arrangeWords<arrange>(words, place(i, k / bfloat16Step));
      }
    };
    if (x.wide) from(static_cast<const float*>(x.data), 0);
    else {
      const bfloat16* const data = static_cast<const bfloat16*>(x.data);
      arrange(place(i, 0), data + i * x.lane, whole);
      from(data, whole);
    }
  }
}
