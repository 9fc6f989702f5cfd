// Winograd's minimal filtering of 3×3 kernels, F(4×4, 3×3) and F(2×2, 3×3): transforms of tiles and the products between them.
//
// With d a tile of the input, w the kernel of a pair of channels and y the outputs of the tile: y = Aᵀ[(G·w·Gᵀ) ∘ (Bᵀ·d·B)]A, where the
// elementwise product ∘, summed over input channels, is a matrix product per position of the tile. Its transpose gives the gradient of
// the kernel, dw = Gᵀ[Σ_tiles (A·dy·Aᵀ) ∘ (Bᵀ·d·B)]G. A transform goes along the columns of a tile first, then along its rows.

#if defined(__AVX2__) || defined(NODEGRAD_NEON)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

// F(4×4, 3×3) by the points 0, ±5/8, ±3/2 and ∞: a third of the error that 0, ±1, ±2 and ∞ have.
struct Winograd4 {
  static constexpr int tile = 4, size = 6;
  static constexpr double a = 0.625, b = 1.5, aa = a * a, bb = b * b, sum = aa + bb, product = aa * bb;
  static constexpr double g0 = 1 / product, ga = 1 / (2 * aa * (aa - bb)), gb = 1 / (2 * bb * (bb - aa));

  template <class T> static INLINE V<T> of(double x) { return set1<T>(T(x)); }
  template <class T> static INLINE void input(const V<T>* d, V<T>* v) {  // Bᵀ
    const V<T> evenA = fnma(of<T>(bb), d[2], d[4]), oddA = fnma(of<T>(bb), d[1], d[3]);
    const V<T> evenB = fnma(of<T>(aa), d[2], d[4]), oddB = fnma(of<T>(aa), d[1], d[3]);
    v[0] = fma(of<T>(product), d[0], fnma(of<T>(sum), d[2], d[4]));
    v[1] = fma(of<T>(a), oddA, evenA);
    v[2] = fnma(of<T>(a), oddA, evenA);
    v[3] = fma(of<T>(b), oddB, evenB);
    v[4] = fnma(of<T>(b), oddB, evenB);
    v[5] = fma(of<T>(product), d[1], fnma(of<T>(sum), d[3], d[5]));
  }
  template <class T> static INLINE void output(const V<T>* m, V<T>* y) {  // Aᵀ
    const V<T> evenA = m[1] + m[2], oddA = m[1] - m[2], evenB = m[3] + m[4], oddB = m[3] - m[4];
    y[0] = m[0] + (evenA + evenB);
    y[1] = fma(of<T>(b), oddB, of<T>(a) * oddA);
    y[2] = fma(of<T>(bb), evenB, of<T>(aa) * evenA);
    y[3] = fma(of<T>(b * bb), oddB, fma(of<T>(a * aa), oddA, m[5]));
  }
  template <class T> static INLINE void weights(const V<T>* w, V<T>* u) {  // G
    const V<T> evenA = fma(of<T>(aa), w[2], w[0]) * of<T>(ga), oddA = w[1] * of<T>(a * ga);
    const V<T> evenB = fma(of<T>(bb), w[2], w[0]) * of<T>(gb), oddB = w[1] * of<T>(b * gb);
    u[0] = w[0] * of<T>(g0);
    u[1] = evenA + oddA;
    u[2] = evenA - oddA;
    u[3] = evenB + oddB;
    u[4] = evenB - oddB;
    u[5] = w[2];
  }
  template <class T> static INLINE void gradient(const V<T>* dy, V<T>* v) {  // A
    const V<T> evenA = fma(of<T>(aa), dy[2], dy[0]), oddA = of<T>(a) * fma(of<T>(aa), dy[3], dy[1]);
    const V<T> evenB = fma(of<T>(bb), dy[2], dy[0]), oddB = of<T>(b) * fma(of<T>(bb), dy[3], dy[1]);
    v[0] = dy[0];
    v[1] = evenA + oddA;
    v[2] = evenA - oddA;
    v[3] = evenB + oddB;
    v[4] = evenB - oddB;
    v[5] = dy[3];
  }
  template <class T> static INLINE void inverse(const V<T>* u, V<T>* dw) {  // Gᵀ
    const V<T> evenA = of<T>(ga) * (u[1] + u[2]), evenB = of<T>(gb) * (u[3] + u[4]);
    dw[0] = fma(of<T>(g0), u[0], evenA + evenB);
    dw[1] = fma(of<T>(b * gb), u[3] - u[4], of<T>(a * ga) * (u[1] - u[2]));
    dw[2] = fma(of<T>(bb), evenB, fma(of<T>(aa), evenA, u[5]));
  }
};

// F(2×2, 3×3) by the points 0, ±1 and ∞.
struct Winograd2 {
  static constexpr int tile = 2, size = 4;
  template <class T> static INLINE void input(const V<T>* d, V<T>* v) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
  }
  template <class T> static INLINE void output(const V<T>* m, V<T>* y) {
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + m[3];
  }
  template <class T> static INLINE void weights(const V<T>* w, V<T>* u) {
    const V<T> half = set1<T>(T(0.5)), even = (w[0] + w[2]) * half, odd = w[1] * half;
    u[0] = w[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = w[2];
  }
  template <class T> static INLINE void gradient(const V<T>* dy, V<T>* v) {
    v[0] = dy[0];
    v[1] = dy[0] + dy[1];
    v[2] = dy[0] - dy[1];
    v[3] = dy[1];
  }
  template <class T> static INLINE void inverse(const V<T>* u, V<T>* dw) {
    const V<T> half = set1<T>(T(0.5)), even = (u[1] + u[2]) * half;
    dw[0] = u[0] + even;
    dw[1] = (u[1] - u[2]) * half;
    dw[2] = even + u[3];
  }
};

// A pointer whose origin GCC does not see: it would keep one of its own for each position of a tile, in memory.
template <class P> INLINE P* hidden(P* p) { asm("" : "+r"(p)); return p; }

// A transform of lines of IN to lines of OUT on both axes: readColumn(j, x) of IN × IN, writeRow(i, y) of OUT × OUT.
template <class T, int IN, int OUT, class Line, class Read, class Write>
INLINE void winogradBothWays(Line line, Read readColumn, Write writeRow) {
  V<T> half[OUT * IN];
  UNROLL for (int j = 0; j < IN; ++j) {
    V<T> x[IN], y[OUT];
    readColumn(j, x);
    line(x, y);
    UNROLL for (int i = 0; i < OUT; ++i) half[i * IN + j] = y[i];
  }
  UNROLL for (int i = 0; i < OUT; ++i) {
    V<T> y[OUT];
    line(half + i * IN, y);
    writeRow(i, y);
  }
}
// Column j of positions or pixels that lie `column` and `row` apart, and row i of them.
template <int N, class T, class Load> INLINE void readColumn(V<T>* x, const T* from, int j, int64_t column, int64_t row, Load loadAt) {
  const T* top = hidden(from + j * column);
  UNROLL for (int i = 0; i < N; ++i) x[i] = held(loadAt(top + i * row));
}
template <int N, class T, class Store> INLINE void writeRow(const V<T>* y, T* to, int i, int64_t column, int64_t row, Store storeAt) {
  T* left = hidden(to + i * row);
  UNROLL for (int j = 0; j < N; ++j) storeAt(left + j * column, y[j]);
}

// `count` tiles of IN × IN pixels of an image, neighbours in a row, whose corners are (row, column), (row, column + F::tile) …: what lies
// outside of the image is zero. Channels beyond the last are written as zeros up to a whole vector.
template <class T, class F, int IN, class Line>
INLINE void winogradTiles(Line line, int64_t count, const T* image, int64_t rows, int64_t columns, int64_t channels, int64_t row,
                          int64_t column, const T* zeros, T* to, int64_t toTile, int64_t toPosition) {
  constexpr int OUT = F::size;
  const int64_t below = columns * channels;
  for (; count > 0; --count, column += F::tile, to += toTile) {
    // What the tile below needs beside this one's pixels; below the last one lies the next image.
    const T* soon = image + (row + IN) * below + column * channels;
    const auto transform = [&](auto read) FORMULA {
      const auto vectorAt = [&](int64_t c, auto loadAt) FORMULA {
        winogradBothWays<T, IN, OUT>(
            line, [&](int j, V<T>* x) FORMULA { read(j, x, c, loadAt); },
            [&](int i, const V<T>* y) FORMULA {
              writeRow<OUT>(y, to + c, i, toPosition, OUT * toPosition, [](T* p, V<T> v) FORMULA { store(p, v); });
            });
      };
      int64_t c = 0;
      for (; c + lanes <= channels; c += lanes) {
        for (int i = 0; i < F::tile; ++i)
          UNROLL for (int j = 0; j < F::tile; ++j) prefetch(soon + i * below + j * channels + c);
        vectorAt(c, [](const T* p) FORMULA { return load(p); });
      }
      if (const int last = int(channels - c)) vectorAt(c, [last](const T* p) FORMULA { return load(p, last); });
    };
    if (row >= 0 && column >= 0 && row + IN <= rows && column + IN <= columns) {
      const T* corner = image + row * below + column * channels;
      transform([=](int j, V<T>* x, int64_t c, auto loadAt) FORMULA { readColumn<IN>(x, corner + c, j, channels, below, loadAt); });
    } else {
      const T* pixel[IN * IN];
      for (int i = 0; i < IN; ++i) {
        const bool inside = row + i >= 0 && row + i < rows;
        for (int j = 0; j < IN; ++j)
          pixel[i * IN + j] = inside && column + j >= 0 && column + j < columns ? image + (row + i) * below + (column + j) * channels : zeros;
      }
      transform([&](int j, V<T>* x, int64_t c, auto loadAt) FORMULA {
        UNROLL for (int i = 0; i < IN; ++i) x[i] = held(loadAt(pixel[i * IN + j] + c));
      });
    }
  }
}

// Tiles of the input: Bᵀ·d·B, to[position][tile][channel].
template <class T>
void winogradInput(int m, int64_t count, const T* image, int64_t rows, int64_t columns, int64_t channels, int64_t row, int64_t column,
                   const T* zeros, T* to, int64_t toTile, int64_t toPosition) {
  const auto tiles = [&]<class F>(F) FORMULA {
    winogradTiles<T, F, F::size>([](const V<T>* x, V<T>* y) FORMULA { F::template input<T>(x, y); }, count, image, rows, columns, channels, row,
                                 column, zeros, to, toTile, toPosition);
  };
  if (m == 4) tiles(Winograd4());
  else tiles(Winograd2());
}
// Tiles of the output's gradient: A·dy·Aᵀ.
template <class T>
void winogradGradient(int m, int64_t count, const T* image, int64_t rows, int64_t columns, int64_t channels, int64_t row, int64_t column,
                      const T* zeros, T* to, int64_t toTile, int64_t toPosition) {
  const auto tiles = [&]<class F>(F) FORMULA {
    winogradTiles<T, F, F::tile>([](const V<T>* x, V<T>* y) FORMULA { F::template gradient<T>(x, y); }, count, image, rows, columns, channels,
                                 row, column, zeros, to, toTile, toPosition);
  };
  if (m == 4) tiles(Winograd4());
  else tiles(Winograd2());
}

// Tiles of the output, Aᵀ·m·A and the epilogue, written to pixels `pixel` elements apart as far as the image goes.
template <class T, class F>
INLINE void winogradOutputTiles(int64_t count, const T* from, int64_t fromTile, int64_t fromPosition, T* image, int64_t rows, int64_t columns,
                                int64_t pixel, int64_t channels, int64_t row, int64_t column, bool streaming, const Epilogue<T>& e) {
  constexpr int IN = F::size, OUT = F::tile;
  const auto line = [](const V<T>* x, V<T>* y) FORMULA { F::template output<T>(x, y); };
  const bool plain = e.prior == Prior::none && !e.beyondSums(), mask = e.y && !e.mapBackward;
  const int64_t high = rows - row < OUT ? rows - row : OUT;
  for (; count > 0; --count, column += OUT, from += fromTile) {
    const int64_t wide = columns - column < OUT ? columns - column : OUT, first = row * columns + column;
    const auto part = [&](int64_t c, auto read, auto write) FORMULA {
      V<T> y[OUT * OUT];
      winogradBothWays<T, IN, OUT>(
          line,
          [&](int j, V<T>* x) FORMULA { readColumn<IN>(x, from + c, j, fromPosition, IN * fromPosition, [](const T* p) FORMULA { return load(p); }); },
          [&](int i, const V<T>* v) FORMULA {
            UNROLL for (int j = 0; j < OUT; ++j) y[i * OUT + j] = v[j];
          });
      T* const corner = image + first * pixel + c;
      if (!streaming)
        for (int i = OUT; i < 2 * OUT; ++i)
          UNROLL for (int j = 0; j < OUT; ++j) prefetchForWriting(corner + (i * columns + j) * pixel);
      if (plain && high == OUT && wide == OUT) {
        UNROLL for (int i = 0; i < OUT; ++i) writeRow<OUT>(y + i * OUT, corner, i, pixel, columns * pixel, write);
        return;
      }
      for (int i = 0; i < high; ++i)
        for (int j = 0; j < wide; ++j) {
          T* const to = corner + (i * columns + j) * pixel;
          V<T> v = y[i * OUT + j];
          if (!plain) {
            if (e.prior == Prior::old) v = read(static_cast<const T*>(to)) + v;
            else if (e.prior == Prior::zero) v = zero<T>() + v;
            if (e.bias) v = v + read(e.bias + c);
            if (e.relu) v = maximum(v, zero<T>());
            if (mask) v = reluGradient(v, read(e.y + (first + i * columns + j) * e.yRow + c));
          }
          write(to, v);
        }
    };
    const auto read = [](const T* p) FORMULA { return load(p); };
    int64_t c = 0;
    if (streaming)
      for (; c + lanes <= channels; c += lanes) part(c, read, [](T* p, V<T> v) FORMULA { stream(p, v); });
    else
      for (; c + lanes <= channels; c += lanes) part(c, read, [](T* p, V<T> v) FORMULA { store(p, v); });
    if (const int last = int(channels - c))
      part(c, [last](const T* p) FORMULA { return load(p, last); }, [last](T* p, V<T> v) FORMULA { store(p, v, last); });
    if (e.map || e.mapBackward)
      for (int i = 0; i < high; ++i)
        for (int j = 0; j < wide; ++j) {
          const int64_t at = first + i * columns + j;
          T* const to = image + at * pixel;
          if (e.map) e.map(to, to, channels, false, e.alpha, e.beta);
          if (e.mapBackward) e.mapBackward(to, to, e.y + at * e.yRow, channels, false, e.alpha, e.beta);
        }
  }
}
// from[position][tile][channel]. streaming: every pixel lies at a multiple of 64 bytes, and there is no map.
template <class T>
void winogradOutput(int m, int64_t count, const T* from, int64_t fromTile, int64_t fromPosition, T* image, int64_t rows, int64_t columns,
                    int64_t pixel, int64_t channels, int64_t row, int64_t column, bool streaming, const Epilogue<T>& epilogue) {
  if (m == 4)
    winogradOutputTiles<T, Winograd4>(count, from, fromTile, fromPosition, image, rows, columns, pixel, channels, row, column, streaming, epilogue);
  else
    winogradOutputTiles<T, Winograd2>(count, from, fromTile, fromPosition, image, rows, columns, pixel, channels, row, column, streaming, epilogue);
}

// G·w·Gᵀ of w[tap][rows, columns] to [position][rows, columns], columns beyond the last written as zeros up to a whole vector.
template <class T>
void winogradWeights(int m, int64_t rows, int64_t columns, const T* w, int64_t wTap, int64_t wRow, T* to, int64_t toRow, int64_t toPosition) {
  const auto transform = [&]<class F>(F) FORMULA {
    for (int64_t row = 0; row < rows; ++row, w += wRow, to += toRow)
      for (int64_t k = 0; k < columns; k += lanes) {
        const int last = columns - k < lanes ? int(columns - k) : lanes;
        winogradBothWays<T, 3, F::size>(
            [](const V<T>* x, V<T>* y) FORMULA { F::template weights<T>(x, y); },
            [&](int j, V<T>* x) FORMULA { readColumn<3>(x, w + k, j, wTap, 3 * wTap, [last](const T* p) FORMULA { return load(p, last); }); },
            [&](int i, const V<T>* y) FORMULA {
              writeRow<F::size>(y, to + k, i, toPosition, F::size * toPosition, [](T* p, V<T> v) FORMULA { store(p, v); });
            });
      }
  };
  if (m == 4) transform(Winograd4());
  else transform(Winograd2());
}

// dw[tap][rows, columns] = (prior +) Gᵀ·u·G, where u[position][rows, columns] is the sum of `parts` in their order.
template <class T>
void winogradInverse(int m, int64_t rows, int64_t columns, const T* from, int64_t fromRow, int64_t fromPosition, int64_t parts, int64_t fromPart,
                     T* w, int64_t wTap, int64_t wRow, Prior prior) {
  const auto transform = [&]<class F>(F) FORMULA {
    for (int64_t row = 0; row < rows; ++row, w += wRow, from += fromRow)
      for (int64_t k = 0; k < columns; k += lanes) {
        const int last = columns - k < lanes ? int(columns - k) : lanes;
        winogradBothWays<T, F::size, 3>(
            [](const V<T>* x, V<T>* y) FORMULA { F::template inverse<T>(x, y); },
            [&](int j, V<T>* x) FORMULA {
              readColumn<F::size>(x, from + k, j, fromPosition, F::size * fromPosition, [&](const T* at) FORMULA {
                V<T> v = load(at);
                for (int64_t p = 1; p < parts; ++p) v = v + load(at + p * fromPart);
                return v;
              });
            },
            [&](int i, const V<T>* y) FORMULA {
              writeRow<3>(y, w + k, i, wTap, 3 * wTap, [&](T* at, V<T> v) FORMULA {
                if (prior == Prior::old) v = load(static_cast<const T*>(at), last) + v;
                else if (prior == Prior::zero) v = zero<T>() + v;
                store(at, v, last);
              });
            });
      }
  };
  if (m == 4) transform(Winograd4());
  else transform(Winograd2());
}

// The micro-tiles of all rows of a panel: strips of nearly equal height.
template <class T> struct WinogradStrips {
  int64_t m, strips, low;
  GemmMicro<T> micro[2];

  INLINE WinogradStrips(int64_t m, int vectors, bool at) : m(m), strips((m + GemmRows<T>::of[vectors] - 1) / GemmRows<T>::of[vectors]), low(m / strips) {
    for (int i = 0; i < 2; ++i)
      micro[i] = vectors == 1   ? gemmPickIn<T, 1>(low + i, at, false, false)
                 : vectors == 2 ? gemmPickIn<T, 2>(low + i, at, false, false)
                 : vectors == 3 ? gemmPickIn<T, 3>(low + i, at, false, false)
                                : gemmPickIn<T, 4>(low + i, at, false, false);
  }
  INLINE void run(int64_t k, const T* a, int64_t aRow, int64_t aStride, const T* b, int64_t bRow, bool onward, T* c, int64_t cRow, Prior prior) const {
    constexpr GemmRun all = {0, 0};
    Epilogue<T> epilogue;
    epilogue.prior = prior;
    for (int64_t s = 0, i = 0; s < strips; ++s) {
      const int64_t rows = m * (s + 1) / strips - i;
      T* const to = c + i * cRow;
      micro[rows - low](&all, 1, k, a + i * aRow, aStride, b, bRow, onward ? to : nullptr, cRow, to, cRow, lanes, epilogue, {nullptr, nullptr, b, 0, false});
      i += rows;
    }
  }
};

// c[position][m, n] = (c +) a[position][m, k]·b[position][k, n] for tiles as rows; b in panels of `panel` columns, the last one narrower,
// dense and bPanel apart. n is a multiple of the lanes. onward: k goes on where the accumulators in c stopped.
template <class T>
void winogradMultiply(int64_t positions, int64_t m, int64_t n, int64_t k, const T* a, int64_t aRow, int64_t aPosition, const T* b, int64_t panel,
                      int64_t bPanel, int64_t bPosition, T* c, int64_t cRow, int64_t cPosition, bool onward) {
  constexpr int64_t block = 128;
  const int64_t rest = n % panel, whole = n - rest;
  const WinogradStrips<T> strips(m, int((whole ? panel : rest) / lanes), false), narrow(m, int((rest ? rest : panel) / lanes), false);
  for (int64_t q = 0; q < positions; ++q, a += aPosition, b += bPosition, c += cPosition)
    for (int64_t k0 = 0; k0 < k; k0 += block) {
      const int64_t steps = k - k0 < block ? k - k0 : block;
      const bool on = onward || k0 > 0;
      const T* columns = b;
      int64_t j = 0;
      for (; j < whole; j += panel, columns += bPanel)
        strips.run(steps, a + k0, aRow, aRow, columns + k0 * panel, panel, on, c + j, cRow, Prior::none);
      if (rest) narrow.run(steps, a + k0, aRow, aRow, columns + k0 * rest, rest, on, c + j, cRow, Prior::none);
    }
}

// c[position][m, n] = (prior +) Σ over k tiles of a[position][k, m]ᵀ·b[position][k, n]. n is a multiple of the lanes.
template <class T>
void winogradAccumulate(int64_t positions, int64_t m, int64_t n, int64_t k, const T* a, int64_t aRow, int64_t aPosition, const T* b, int64_t bRow,
                        int64_t bPosition, T* c, int64_t cRow, int64_t cPosition, Prior prior) {
  const int64_t panel = gemmVectors<T>(m, n, k) * lanes, rest = n % panel, whole = n - rest;
  const WinogradStrips<T> strips(m, int((whole ? panel : rest) / lanes), true), narrow(m, int((rest ? rest : panel) / lanes), true);
  for (int64_t q = 0; q < positions; ++q, a += aPosition, b += bPosition, c += cPosition) {
    int64_t j = 0;
    for (; j < whole; j += panel) strips.run(k, a, 1, aRow, b + j, bRow, false, c + j, cRow, prior);
    if (rest) narrow.run(k, a, 1, aRow, b + j, bRow, false, c + j, cRow, prior);
  }
}
#undef UNROLL
