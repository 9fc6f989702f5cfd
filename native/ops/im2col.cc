// Convolution as patches and a matrix product: every geometry, in bounded memory. The oracle of the other algorithms.
#include <algorithm>
#include <cstring>

#include "../runtime/pool.h"
#include "convolution.h"
#include "gemm.h"

namespace nodegrad::im2col {
namespace {

constexpr int64_t patchElements = 1 << 20;  // of a chunk, at least a row
constexpr int64_t rowTile = 64;

// Where the taps of a row (a pixel) come from. Forward: position·stride − pad + tap·dilation. Backward: (position + pad −
// tap·dilation) / stride, where that is whole.
struct Axis {
  int64_t stride, pad, dilation, size;  // size: of the source
  bool backward;
  int64_t at(int64_t position, int64_t tap) const {  // −1: zero
    int64_t i;
    if (backward) {
      i = position + pad - tap * dilation;
      if (i < 0 || i % stride != 0) return -1;
      i /= stride;
    } else {
      i = position * stride - pad + tap * dilation;
    }
    return i < 0 || i >= size ? -1 : i;
  }
};

struct Patches {
  Axis vertical, horizontal;
  int64_t rows, columns;     // pixels of an image that have patches
  int64_t channels, group;   // of the source, and of the group: channels [first, first + group)
  int64_t first;
  int64_t kh, kw;
  int64_t width() const { return kh * kw * group; }
};

// patches[count, width] of pixels from `begin`, counted through all images.
template <class T> void gather(const Patches& p, const T* source, int64_t begin, int64_t count, T* to) {
  const int64_t image = p.vertical.size * p.horizontal.size * p.channels;
  parallelFor((count + rowTile - 1) / rowTile, [&](int64_t tile, int) {
    for (int64_t row = tile * rowTile; row < std::min(count, (tile + 1) * rowTile); ++row) {
      const int64_t pixel = begin + row, n = pixel / (p.rows * p.columns), in = pixel % (p.rows * p.columns);
      const int64_t i = in / p.columns, j = in % p.columns;
      T* out = to + row * p.width();
      for (int64_t a = 0; a < p.kh; ++a) {
        const int64_t y = p.vertical.at(i, a);
        for (int64_t b = 0; b < p.kw; ++b, out += p.group) {
          const int64_t x = y < 0 ? -1 : p.horizontal.at(j, b);
          if (x < 0) std::fill(out, out + p.group, T(0));
          else std::memcpy(out, source + n * image + (y * p.horizontal.size + x) * p.channels + p.first, size_t(p.group) * sizeof(T));
        }
      }
    }
  });
}

Patches forwardPatches(const Convolution& s, int64_t group) {
  return {{s.strideH, s.padTop, s.dilationH, s.h, false}, {s.strideW, s.padLeft, s.dilationW, s.w, false},
          s.oh, s.ow, s.c, s.inputs(), group * s.inputs(), s.kh, s.kw};
}
Patches backwardPatches(const Convolution& s, int64_t group) {
  return {{s.strideH, s.padTop, s.dilationH, s.oh, true}, {s.strideW, s.padLeft, s.dilationW, s.ow, true},
          s.h, s.w, s.k, s.outputs(), group * s.outputs(), s.kh, s.kw};
}

int64_t chunkOf(int64_t width, int64_t rows) { return std::clamp<int64_t>(patchElements / std::max<int64_t>(1, width), 1, std::max<int64_t>(1, rows)); }
size_t aligned(size_t bytes) { return (bytes + 63) & ~size_t(63); }

// C[count, n] of a chunk of patches times a weight matrix.
template <class T> Gemm<T> product(const T* patches, int64_t count, int64_t width, const T* b, int64_t bRow, int64_t n, T* c, int64_t ldc) {
  Gemm<T> g{};
  g.m = count;
  g.n = n;
  g.k = width;
  g.a = patches;
  g.aRow = width;
  g.aCol = 1;
  g.b = b;
  g.bRow = bRow;
  g.bCol = 1;
  g.c = c;
  g.ldc = ldc;
  return g;
}
// dW[width, n] of a chunk: patchesᵀ·dy.
template <class T> Gemm<T> gradientProduct(const T* patches, int64_t count, int64_t width, const T* dy, int64_t dyRow, int64_t n, T* dw, int64_t dwRow) {
  Gemm<T> g{};
  g.m = width;
  g.n = n;
  g.k = count;
  g.a = patches;
  g.aRow = 1;
  g.aCol = width;
  g.b = dy;
  g.bRow = dyRow;
  g.bCol = 1;
  g.c = dw;
  g.ldc = dwRow;
  return g;
}

// rows·patches(source)·weights in chunks; the last chunk has another size, so both ask for workspace. `prior` of the epilogue may be old:
// the product then keeps a tile.
template <class T> size_t chunkWorkspace(int64_t rows, int64_t width, int64_t n, bool gradient) {
  const int64_t chunk = chunkOf(width, rows);
  size_t most = 0;
  for (int64_t count : {chunk, rows % chunk}) {
    if (count == 0) continue;
    Gemm<T> g = gradient ? gradientProduct<T>(nullptr, count, width, nullptr, n, n, nullptr, n) : product<T>(nullptr, count, width, nullptr, n, n, nullptr, n);
    g.epilogue.prior = Prior::old;
    most = std::max(most, gemmWorkspace(g));
  }
  return aligned(size_t(chunk * width) * sizeof(T)) + most + 64;
}

template <class T>
void products(const Patches& p, const T* source, int64_t images, const T* weights, int64_t weightRow, int64_t n, T* to, int64_t toRow,
              int64_t toChannel, const Epilogue<T>& epilogue, void* workspace) {
  const int64_t rows = images * p.rows * p.columns, chunk = chunkOf(p.width(), rows);
  T* const patches = static_cast<T*>(workspace);
  void* const rest = static_cast<char*>(workspace) + aligned(size_t(chunk * p.width()) * sizeof(T));
  for (int64_t row = 0; row < rows; row += chunk) {
    const int64_t count = std::min(chunk, rows - row);
    gather(p, source, row, count, patches);
    Gemm<T> g = product(patches, count, p.width(), weights, weightRow, n, to + row * toRow + toChannel, toRow);
    g.epilogue = epilogue.at(row, toChannel);
    gemm(g, rest);
  }
}

}  // namespace

template <class T> bool servesForward(const Convolution&) { return true; }
template <class T> size_t forwardWorkspace(const Convolution& s) {
  return chunkWorkspace<T>(s.pixels(), s.taps() * s.inputs(), s.outputs(), false);
}
template <class T> void forward(const Convolution& s, const T* x, const T* w, T* y, const Epilogue<T>& epilogue, void* workspace) {
  for (int64_t g = 0; g < s.groups; ++g)
    products(forwardPatches(s, g), x, s.n, w + g * s.outputs(), s.k, s.outputs(), y, s.row, g * s.outputs(), epilogue, workspace);
}

template <class T> bool servesInputGradient(const Convolution&) { return true; }
template <class T> size_t inputGradientWorkspace(const Convolution& s) {
  const int64_t width = s.taps() * s.outputs();
  return aligned(size_t(width * s.inputs()) * sizeof(T)) + chunkWorkspace<T>(s.n * s.h * s.w, width, s.inputs(), false);
}
template <class T> void inputGradient(const Convolution& s, const T* dy, const T* w, T* dx, const Epilogue<T>& epilogue, void* workspace) {
  // The weights of each tap are needed as [outputs, inputs].
  const int64_t in = s.inputs(), out = s.outputs();
  T* const turned = static_cast<T*>(workspace);
  void* const rest = static_cast<char*>(workspace) + aligned(size_t(s.taps() * out * in) * sizeof(T));
  for (int64_t g = 0; g < s.groups; ++g) {
    parallelFor(s.taps(), [&](int64_t tap, int) {
      kernelsOf<T>().transposeBlock(in, out, w + tap * in * s.k + g * out, s.k, turned + tap * out * in, in);
    });
    products(backwardPatches(s, g), dy, s.n, turned, in, in, dx, s.c, g * in, epilogue, rest);
  }
}

template <class T> bool servesWeightGradient(const Convolution&) { return true; }
template <class T> size_t weightGradientWorkspace(const Convolution& s) {
  return chunkWorkspace<T>(s.pixels(), s.taps() * s.inputs(), s.outputs(), true);
}
template <class T> void weightGradient(const Convolution& s, const T* x, const T* dy, T* dw, Prior prior, void* workspace) {
  const int64_t width = s.taps() * s.inputs(), out = s.outputs(), rows = s.pixels(), chunk = chunkOf(width, rows);
  T* const patches = static_cast<T*>(workspace);
  void* const rest = static_cast<char*>(workspace) + aligned(size_t(chunk * width) * sizeof(T));
  for (int64_t g = 0; g < s.groups; ++g) {
    Prior before = prior;
    for (int64_t row = 0; row < std::max<int64_t>(rows, 1); row += chunk) {
      const int64_t count = std::min(chunk, rows - row);
      if (count > 0) gather(forwardPatches(s, g), x, row, count, patches);
      Gemm<T> product = gradientProduct(patches, count, width, dy + row * s.k + g * out, s.k, out, dw + g * out, s.k);
      product.epilogue.prior = before;
      gemm(product, rest);
      before = Prior::old;
    }
  }
}

NODEGRAD_CONVOLUTION_INSTANCES(float)
NODEGRAD_CONVOLUTION_INSTANCES(double)

}  // namespace nodegrad::im2col
