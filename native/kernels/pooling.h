// Pooling of one row of an image: maxima with the place of each in its window as a byte, and sums over windows.

using nodegrad::PoolAxis;
using nodegrad::PoolShape;

// Of equal numbers the first tap counts, of several NaN the last, as PyTorch has it. Places are integers in the lanes.
template <class T> INLINE void better(V<T>& best, V<T>& place, V<T> x, int64_t tap) {
  const M<T> takes = gt(x, best) | isNaN(x);
  best = select(takes, x, best);
  place = select(takes, fromBits<T>(setBits<T>(typename BitsOf<T>::type(tap))), place);
}

// The window of taps [r, rows) × [q, columns), whose first tap is at x, into channels [0, n). KW is the kernel's width where that
// is known and the window whole (then KH is its height), else 0.
template <bool Relu, int KH, int KW, class T>
INLINE void maxWindow(T* y, uint8_t* taps, const T* x, int64_t r, int64_t rows, int64_t q, int64_t columns, int64_t width, int64_t rowStep,
                      int64_t columnStep, int64_t n) {
  const auto block = [&](int64_t j, auto get, auto put) FORMULA {
    V<T> best = get(x + j), place = fromBits<T>(setBits<T>(typename BitsOf<T>::type(KW ? 0 : r * width + q)));
    if constexpr (KW > 0) {
#pragma GCC unroll 3
      for (int a = 0; a < KH; ++a)
#pragma GCC unroll 3
        for (int b = 0; b < KW; ++b)
          if (a + b > 0) better(best, place, get(x + a * rowStep + b * columnStep + j), a * KW + b);
    } else {
      for (int64_t a = r; a < rows; ++a)
        for (int64_t b = q; b < columns; ++b) better(best, place, get(x + (a - r) * rowStep + (b - q) * columnStep + j), a * width + b);
    }
    put(j, best, bits(place));
  };
  const auto value = [](V<T> x) FORMULA { return Relu ? maximum(x, zero<T>()) : x; };
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes)
    block(j, [&](const T* p) FORMULA { return value(load(p)); }, [&](int64_t j, V<T> best, B<T> place) FORMULA {
      store(y + j, best);
      storeBytes(taps + j, place);
    });
  const int m = int(n - j);
  if (m > 0)
    block(j, [&](const T* p) FORMULA { return value(load(p, m)); }, [&](int64_t j, V<T> best, B<T> place) FORMULA {
      store(y + j, best, m);
      storeBytes(taps + j, place, m);
    });
}

template <bool Relu, int KH, int KW, class T>
inline void maxRow2d(T* y, uint8_t* taps, const T* x, const PoolShape& s, int64_t row) {
  const int64_t c = s.channels, pitch = s.columns.in * c, width = s.columns.kernel;
  const int64_t r = s.rows.firstTap(row), rows = s.rows.endTap(row);
  const int64_t rowStep = s.rows.dilation * pitch, columnStep = s.columns.dilation * c;
  const bool allRows = r == 0 && rows == s.rows.kernel;
  const T* from = x + (s.rows.start(row) + r * s.rows.dilation) * pitch;
  for (int64_t o = 0; o < s.columns.out; ++o, y += c, taps += c) {
    const int64_t q = s.columns.firstTap(o), columns = s.columns.endTap(o);
    const T* first = from + (s.columns.start(o) + q * s.columns.dilation) * c;
    if (KW > 0 && allRows && q == 0 && columns == KW) maxWindow<Relu, KH, KW>(y, taps, first, r, rows, q, columns, width, rowStep, columnStep, c);
    else if (r < rows && q < columns) maxWindow<Relu, 0, 0>(y, taps, first, r, rows, q, columns, width, rowStep, columnStep, c);
    else
      for (int64_t j = 0; j < c; ++j) y[j] = T(-__builtin_inf()), taps[j] = 0;  // dilation steps over a whole small image
  }
}

template <class T> void maxPoolRow(T* y, uint8_t* taps, const T* x, const PoolShape& s, int64_t row, bool relu) {
  const auto run = [&]<bool Relu>() {
    if (s.rows.kernel == 2 && s.columns.kernel == 2) maxRow2d<Relu, 2, 2>(y, taps, x, s, row);
    else if (s.rows.kernel == 3 && s.columns.kernel == 3) maxRow2d<Relu, 3, 3>(y, taps, x, s, row);
    else maxRow2d<Relu, 0, 0>(y, taps, x, s, row);
  };
  if (relu) run.template operator()<true>();
  else run.template operator()<false>();
}

// What windows with `tap` at this place give it: dy where the tap was taken, else 0.
template <class T> INLINE V<T> taken(V<T> dy, B<T> place, int64_t tap) {
  return select(equal(place, setBits<T>(typename BitsOf<T>::type(tap))), dy, zero<T>());
}

// Calls body(j, m) for each vector of [0, n) with its m = lanes as a constant, and once for the rest.
struct Whole { INLINE operator int() const { return lanes; } };
template <class T> INLINE V<T> load(const T* p, Whole) { return load(p); }
template <class T> INLINE void store(T* p, V<T> a, Whole) { store(p, a); }
template <class T> INLINE B<T> loadBytes(const uint8_t* p, Whole) { return loadBytes<T>(p); }
template <class F> INLINE void eachVector(int64_t n, F body) {
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) body(j, Whole{});
  if (j < n) body(j, int(n - j));
}

// dx[i] = Σ dy[o] over the windows o that took their maximum at i, in the order of o. In this form no two rows write one place.
template <bool Gate, bool Streaming, class T>
inline void maxBackwardRow(T* dx, const T* dy, const uint8_t* taps, const T* gate, const PoolShape& s, int64_t row) {
  const PoolAxis &down = s.rows, &across = s.columns;
  const int64_t c = s.channels, width = across.kernel;
  const auto put = [&](int64_t at, V<T> value, auto m) FORMULA {
    if constexpr (Gate) value = reluGradient(value, load(gate + at, m));
    if constexpr (Streaming) stream(dx + at, value);
    else store(dx + at, value, m);
  };
  int64_t rowAt[256], rowTap[256], rows = 0;
  for (int64_t o = down.firstWindow(row); o < down.endWindow(row); ++o) {
    const int64_t distance = row - down.start(o);
    if (distance % down.dilation) continue;
    rowAt[rows] = o * across.out * c;
    rowTap[rows++] = distance / down.dilation * width;
  }
  const bool apart = across.stride >= width && across.dilation == 1;
  if (rows == 1 && apart) {  // at most one window for each place: by windows, each read once
    const T* from = dy + rowAt[0];
    const uint8_t* places = taps + rowAt[0];
    int64_t i = 0;
    const auto blank = [&](int64_t end) FORMULA {
      for (; i < end; ++i) eachVector(c, [&](int64_t j, auto m) FORMULA { put(i * c + j, zero<T>(), m); });
    };
    for (int64_t o = 0; o < across.out; ++o, from += c, places += c) {
      const int64_t q = across.firstTap(o), columns = across.endTap(o);
      if (q >= columns) continue;
      blank(across.start(o) + q);
      eachVector(c, [&](int64_t j, auto m) FORMULA {
        const V<T> d = load(from + j, m);
        const B<T> place = loadBytes<T>(places + j, m);
        for (int64_t b = q; b < columns; ++b) put((i + b - q) * c + j, taken(d, place, rowTap[0] + b), m);
      });
      i += columns - q;
    }
    blank(across.in);
    return;
  }
  for (int64_t i = 0; i < across.in; ++i) {
    int64_t at[256], tap[256], columns = 0;
    for (int64_t o = across.firstWindow(i); o < across.endWindow(i); ++o) {
      const int64_t distance = i - across.start(o);
      if (distance % across.dilation) continue;
      at[columns] = o * c;
      tap[columns++] = distance / across.dilation;
    }
    eachVector(c, [&](int64_t j, auto m) FORMULA {
      V<T> sum = zero<T>();
      for (int64_t a = 0; a < rows; ++a)
        for (int64_t b = 0; b < columns; ++b) {
          const int64_t from = rowAt[a] + at[b] + j;
          const V<T> part = taken(load(dy + from, m), loadBytes<T>(taps + from, m), rowTap[a] + tap[b]);
          sum = a + b == 0 ? part : sum + part;
        }
      put(i * c + j, sum, m);
    });
  }
}

template <class T>
void maxPoolBackwardRow(T* dx, const T* dy, const uint8_t* taps, const T* gate, const PoolShape& s, int64_t row, bool streaming) {
  const bool aligned = (uintptr_t(dx) & 63) == 0 && s.channels % lanes == 0;
  if (gate && streaming && aligned) maxBackwardRow<true, true>(dx, dy, taps, gate, s, row);
  else if (gate) maxBackwardRow<true, false>(dx, dy, taps, gate, s, row);
  else if (streaming && aligned) maxBackwardRow<false, true>(dx, dy, taps, gate, s, row);
  else maxBackwardRow<false, false>(dx, dy, taps, gate, s, row);
}

// y = (Σ rows of Σ pixels of a row) / divisor, over n channels; x steps by `step` elements to the next pixel and `pitch` to the next row.
template <class T> INLINE void sumWindow(T* y, const T* x, int64_t pitch, int64_t step, int64_t rows, int64_t columns, T divisor, int64_t n) {
  const V<T> by = set1(divisor);
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    V<T> total = zero<T>();
    for (int64_t a = 0; a < rows; ++a) {
      const T* from = x + a * pitch + j;
      V<T> sum = columns > 0 ? load(from, m) : zero<T>();
      for (int64_t b = 1; b < columns; ++b) sum = sum + load(from + b * step, m);
      total = a == 0 ? sum : total + sum;
    }
    store(y + j, divisor == 1 ? total : total / by, m);
  });
}
template <class T> void windowMean(T* y, const T* x, int64_t pitch, int64_t step, int64_t rows, int64_t columns, T divisor, int64_t n) {
  sumWindow(y, x, pitch, step, rows, columns, divisor, n);
}

// What the sum of window (row, column) is divided by: `own`, or where that is 0 how many places it covers, with padding or inside.
template <class T> INLINE T divisorOf(const PoolShape& s, int64_t row, int64_t column, bool padded, T own) {
  if (own != 0) return own;
  const auto covered = [&](const PoolAxis& axis, int64_t o) FORMULA {
    if (!padded) return axis.endTap(o) - axis.firstTap(o);
    const int64_t start = axis.start(o), end = axis.in + axis.padding;
    return start + axis.kernel < end ? axis.kernel : end - start;
  };
  return T(covered(s.rows, row) * covered(s.columns, column));
}

template <class T> void avgPoolRow(T* y, const T* x, const PoolShape& s, int64_t row, bool padded, T own) {
  const int64_t c = s.channels, pitch = s.columns.in * c, r = s.rows.firstTap(row), rows = s.rows.endTap(row) - r;
  for (int64_t o = 0; o < s.columns.out; ++o, y += c) {
    const int64_t q = s.columns.firstTap(o), columns = s.columns.endTap(o) - q;
    const T* from = x + (s.rows.start(row) + r) * pitch + (s.columns.start(o) + q) * c;
    sumWindow(y, from, pitch, c, rows, columns, divisorOf(s, row, o, padded, own), c);
  }
}
// The first step of the backward: dy / divisor for one row of windows.
template <class T> void avgPoolDivideRow(T* y, const T* dy, const PoolShape& s, int64_t row, bool padded, T own) {
  for (int64_t o = 0; o < s.columns.out; ++o) {
    const V<T> by = set1(divisorOf(s, row, o, padded, own));
    eachVector(s.channels, [&](int64_t j, auto m) FORMULA { store(y + o * s.channels + j, load(dy + o * s.channels + j, m) / by, m); });
  }
}
// The second: dx[i] = Σ over the windows that cover i; `parts` is an image of what the first step left.
template <class T> void avgPoolBackwardRow(T* dx, const T* parts, const PoolShape& s, int64_t row) {
  const int64_t c = s.channels, pitch = s.columns.out * c, r = s.rows.firstWindow(row), rows = s.rows.endWindow(row) - r;
  for (int64_t i = 0; i < s.columns.in; ++i) {
    const int64_t q = s.columns.firstWindow(i), columns = s.columns.endWindow(i) - q;
    sumWindow(dx + i * c, parts + r * pitch + q * c, pitch, c, rows, columns, T(1), c);
  }
}
