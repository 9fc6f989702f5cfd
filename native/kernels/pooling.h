// Pooling of one row of an image: maxima with the place of each in its window as a byte, and sums over windows.

using nodegrad::PoolAxis;
using nodegrad::PoolShape;

// Calls body(j, m) for each vector of [0, n) with its m = lanes as a constant, and once for the rest.
struct Whole { INLINE operator int() const { return lanes; } };
template <class S> INLINE V<Arithmetic<S>> load(const S* p, Whole) { return load(p); }
template <class S> INLINE void store(S* p, V<Arithmetic<S>> a, Whole) { store(p, a); }
template <class T> INLINE B<T> loadBytes(const uint8_t* p, Whole) { return loadBytes<T>(p); }
template <class T> INLINE void storeBytes(uint8_t* p, B<T> a, Whole) { storeBytes<T>(p, a); }
template <class F> INLINE void eachVector(int64_t n, F body) {
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) body(j, Whole{});
  if (j < n) body(j, int(n - j));
}

template <class T> INLINE B<T> tapBits(int64_t tap) { return setBits<T>(typename BitsOf<T>::type(tap)); }

// Calls body(x, tap) for the taps [r, rows) × [q, columns) of a window whose first of these is at `from`. KW is the kernel's width
// where that is known and the window whole (then KH is its height), else 0.
struct Taps { int64_t r, rows, q, columns, width, rowStep, columnStep; };
template <int KH, int KW, class F> INLINE void eachTap(const Taps& t, F body) {
  if constexpr (KW > 0) {
#pragma GCC unroll 3
    for (int a = 0; a < KH; ++a)
#pragma GCC unroll 3
      for (int b = 0; b < KW; ++b) body(a * t.rowStep + b * t.columnStep, a * KW + b);
  } else {
    for (int64_t a = t.r; a < t.rows; ++a)
      for (int64_t b = t.q; b < t.columns; ++b) body((a - t.r) * t.rowStep + (b - t.q) * t.columnStep, a * t.width + b);
  }
}

// Of equal numbers the first tap counts, of several NaN the last, as PyTorch has it. Taps are integers in the lanes.
template <int KH, int KW, class S> INLINE void maxWindow(S* y, uint8_t* taps, const S* x, const Taps& t, int64_t n) {
  using T = Arithmetic<S>;
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    const auto at = [&](int64_t step) FORMULA { return load(x + step + j, m); };
    const V<T> first = at(0), start = fromBits<T>(tapBits<T>(KW ? 0 : t.r * t.width + t.q));
    V<T> best = first, place = start, sum = zero<T>();
    eachTap<KH, KW>(t, [&](int64_t step, int64_t tap) FORMULA {
      const V<T> v = at(step);
      const M<T> takes = gt(v, best);
      best = select(takes, v, best);
      place = select(takes, fromBits<T>(tapBits<T>(tap)), place);
      sum = sum + v;
    });
    if (any(isNaN(sum))) {  // a NaN, or infinities of both signs
      best = first, place = start;
      eachTap<KH, KW>(t, [&](int64_t step, int64_t tap) FORMULA {
        const V<T> v = at(step);
        const M<T> takes = gt(v, best) | isNaN(v);
        best = select(takes, v, best);
        place = select(takes, fromBits<T>(tapBits<T>(tap)), place);
      });
    }
    store(y + j, best, m);
    storeBytes<T>(taps + j, bits(place), m);
  });
}

template <int KH, int KW, class S>
inline void maxRow2d(S* y, uint8_t* taps, const S* x, const PoolShape& s, int64_t row) {
  const PoolAxis &down = s.rows, &across = s.columns;
  const int64_t c = s.channels, pitch = across.in * c, reach = (across.kernel - 1) * across.dilation;
  Taps t = {down.firstTap(row), down.endTap(row), 0, 0, across.kernel, down.dilation * pitch, across.dilation * c};
  const bool allRows = t.r == 0 && t.rows == down.kernel;
  const S* from = x + (down.start(row) + t.r * down.dilation) * pitch;
  for (int64_t o = 0; o < across.out; ++o, y += c, taps += c) {
    const int64_t start = across.start(o);
    const bool whole = start >= 0 && start + reach < across.in;
    t.q = whole ? 0 : across.firstTap(o);
    t.columns = whole ? across.kernel : across.endTap(o);
    const S* first = from + (start + t.q * across.dilation) * c;
    if (KW > 0 && allRows && whole) maxWindow<KH, KW>(y, taps, first, t, c);
    else if (t.r < t.rows && t.q < t.columns) maxWindow<0, 0>(y, taps, first, t, c);
    else
      for (int64_t j = 0; j < c; ++j) y[j] = S(-__builtin_inf()), taps[j] = 0;  // dilation steps over a whole small image
  }
}

template <class S> void maxPoolRow(S* y, uint8_t* taps, const S* x, const PoolShape& s, int64_t row) {
  if (s.rows.kernel == 2 && s.columns.kernel == 2) maxRow2d<2, 2>(y, taps, x, s, row);
  else if (s.rows.kernel == 3 && s.columns.kernel == 3) maxRow2d<3, 3>(y, taps, x, s, row);
  else maxRow2d<0, 0>(y, taps, x, s, row);
}

// The windows [first, end) that reach over place i of an axis, for i = 0, 1, … in order.
struct Reaching {
  int64_t first = 0, end = 0;
  INLINE void to(const PoolAxis& a, int64_t i) {
    while (end < a.out && a.start(end) <= i) ++end;
    while (first < end && a.start(first) + (a.kernel - 1) * a.dilation < i) ++first;
  }
};

// What a window with `tap` at this place gives it: dy where the tap was taken, else 0.
template <class T> INLINE V<T> taken(V<T> dy, B<T> place, int64_t tap) { return select(equal(place, tapBits<T>(tap)), dy, zero<T>()); }

// Windows with taps at one place: elements from the start of their rows or columns to them, and the taps' share in row or column.
struct Givers { int64_t at[256], tap[256], count; };

// dx[i] = Σ dy[o] over the windows o that took their maximum at i, in the order of o. In this form no two rows write one place.
template <bool Gate, bool Streaming, class S>
inline void maxBackwardRow(S* dx, const S* dy, const uint8_t* taps, const S* gate, const PoolShape& s, int64_t row) {
  using T = Arithmetic<S>;
  const PoolAxis &down = s.rows, &across = s.columns;
  const int64_t c = s.channels, width = across.kernel;
  const auto put = [&](int64_t at, V<T> value, auto m) FORMULA {
    if constexpr (Gate) value = reluGradient(value, load(gate + at, m));
    if constexpr (Streaming) stream(dx + at, value);
    else store(dx + at, value, m);
  };
  const auto collect = [](Givers& g, const PoolAxis& a, int64_t first, int64_t end, int64_t i, int64_t step, int64_t tapStep) FORMULA {
    g.count = 0;
    for (int64_t o = first; o < end; ++o) {
      const int64_t distance = i - a.start(o);
      if (a.dilation > 1 && distance % a.dilation) continue;
      g.at[g.count] = o * step;
      g.tap[g.count++] = (a.dilation > 1 ? distance / a.dilation : distance) * tapStep;
    }
  };
  Givers rows, columns;
  collect(rows, down, down.firstWindow(row), down.endWindow(row), row, across.out * c, width);
  if (rows.count == 1 && across.stride >= width && across.dilation == 1) {  // at most one window for each place: by windows, each read once
    const S* from = dy + rows.at[0];
    const uint8_t* places = taps + rows.at[0];
    int64_t i = 0;
    const auto blank = [&](int64_t end) FORMULA {
      for (; i < end; ++i) eachVector(c, [&](int64_t j, auto m) FORMULA { put(i * c + j, zero<T>(), m); });
    };
    for (int64_t o = 0; o < across.out; ++o, from += c, places += c) {
      const int64_t q = across.firstTap(o), end = across.endTap(o);
      if (q >= end) continue;
      blank(across.start(o) + q);
      eachVector(c, [&](int64_t j, auto m) FORMULA {
        const V<T> d = load(from + j, m);
        const B<T> place = loadBytes<T>(places + j, m);
        for (int64_t b = q; b < end; ++b) put((i + b - q) * c + j, taken(d, place, rows.tap[0] + b), m);
      });
      i += end - q;
    }
    blank(across.in);
    return;
  }
  Reaching reaching;
  const auto pixel = [&]<int R, int Q>(int64_t i) FORMULA {
    const int64_t down = R ? R : rows.count, across = Q ? Q : columns.count;
    eachVector(c, [&](int64_t j, auto m) FORMULA {
      V<T> sum = zero<T>();
      for (int64_t a = 0; a < down; ++a)
        for (int64_t b = 0; b < across; ++b) {
          const int64_t from = rows.at[a] + columns.at[b] + j;
          const V<T> part = taken(load(dy + from, m), loadBytes<T>(taps + from, m), rows.tap[a] + columns.tap[b]);
          sum = a + b == 0 ? part : sum + part;
        }
      put(i * c + j, sum, m);
    });
  };
  for (int64_t i = 0; i < across.in; ++i) {
    reaching.to(across, i);
    collect(columns, across, reaching.first, reaching.end, i, c, 1);
    const int64_t both = rows.count <= 2 && columns.count <= 2 ? rows.count * 3 + columns.count : 0;
    if (both == 4) pixel.template operator()<1, 1>(i);
    else if (both == 5) pixel.template operator()<1, 2>(i);
    else if (both == 7) pixel.template operator()<2, 1>(i);
    else if (both == 8) pixel.template operator()<2, 2>(i);
    else pixel.template operator()<0, 0>(i);
  }
}

template <class S>
void maxPoolBackwardRow(S* dx, const S* dy, const uint8_t* taps, const S* gate, const PoolShape& s, int64_t row, bool streaming) {
  const bool aligned = (uintptr_t(dx) & 63) == 0 && s.channels % lanes == 0;
  if (gate && streaming && aligned) maxBackwardRow<true, true>(dx, dy, taps, gate, s, row);
  else if (gate) maxBackwardRow<true, false>(dx, dy, taps, gate, s, row);
  else if (streaming && aligned) maxBackwardRow<false, true>(dx, dy, taps, gate, s, row);
  else maxBackwardRow<false, false>(dx, dy, taps, gate, s, row);
}

// y = (Σ rows of Σ pixels of a row) / divisor, over n channels; x steps by `step` elements to the next pixel and `pitch` to the next row.
template <class Y, class X>
INLINE void sumWindow(Y* y, const X* x, int64_t pitch, int64_t step, int64_t rows, int64_t columns, Arithmetic<X> divisor, int64_t n) {
  using T = Arithmetic<X>;
  const V<T> by = set1(divisor);
  eachVector(n, [&](int64_t j, auto m) FORMULA {
    V<T> total = zero<T>();
    for (int64_t a = 0; a < rows; ++a) {
      const X* from = x + a * pitch + j;
      V<T> sum = columns > 0 ? load(from, m) : zero<T>();
      for (int64_t b = 1; b < columns; ++b) sum = sum + load(from + b * step, m);
      total = a == 0 ? sum : total + sum;
    }
    store(y + j, divisor == 1 ? total : total / by, m);
  });
}
template <class S>
void windowMean(S* y, const S* x, int64_t pitch, int64_t step, int64_t rows, int64_t columns, Arithmetic<S> divisor, int64_t n) {
  sumWindow(y, x, pitch, step, rows, columns, divisor, n);
}
// The two steps of its backward: dy / divisor, and the sum of those of the windows that cover a place.
template <class S> void windowShare(Arithmetic<S>* y, const S* dy, Arithmetic<S> divisor, int64_t n) { sumWindow(y, dy, 0, 0, 1, 1, divisor, n); }
template <class S> void windowSum(S* dx, const Arithmetic<S>* shares, int64_t pitch, int64_t step, int64_t rows, int64_t columns, int64_t n) {
  sumWindow(dx, shares, pitch, step, rows, columns, Arithmetic<S>(1), n);
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

template <class S> void avgPoolRow(S* y, const S* x, const PoolShape& s, int64_t row, bool padded, Arithmetic<S> own) {
  const int64_t c = s.channels, pitch = s.columns.in * c, r = s.rows.firstTap(row), rows = s.rows.endTap(row) - r;
  for (int64_t o = 0; o < s.columns.out; ++o, y += c) {
    const int64_t q = s.columns.firstTap(o), columns = s.columns.endTap(o) - q;
    const S* from = x + (s.rows.start(row) + r) * pitch + (s.columns.start(o) + q) * c;
    sumWindow(y, from, pitch, c, rows, columns, divisorOf(s, row, o, padded, own), c);
  }
}
// The first step of the backward: dy / divisor for one row of windows.
template <class S> void avgPoolDivideRow(Arithmetic<S>* y, const S* dy, const PoolShape& s, int64_t row, bool padded, Arithmetic<S> own) {
  for (int64_t o = 0; o < s.columns.out; ++o) {
    const auto by = set1(divisorOf(s, row, o, padded, own));
    eachVector(s.channels, [&](int64_t j, auto m) FORMULA { store(y + o * s.channels + j, load(dy + o * s.channels + j, m) / by, m); });
  }
}
// The second: dx[i] = Σ over the windows that cover i; `parts` is an image of what the first step left.
template <class S> void avgPoolBackwardRow(S* dx, const Arithmetic<S>* parts, const PoolShape& s, int64_t row) {
  const int64_t c = s.channels, pitch = s.columns.out * c, r = s.rows.firstWindow(row), rows = s.rows.endWindow(row) - r;
  Reaching across;
  for (int64_t i = 0; i < s.columns.in; ++i) {
    across.to(s.columns, i);
    sumWindow(dx + i * c, parts + r * pitch + across.first * c, pitch, c, rows, across.end - across.first, Arithmetic<S>(1), c);
  }
}
