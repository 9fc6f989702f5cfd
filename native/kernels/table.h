// The kernel table: one function per line of kernels.def and type, filled once per instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../runtime/cpu.h"
#include "bfloat16.h"

namespace nodegrad {

// What sums of columns may span; their tiles have no more.
constexpr int64_t mostColumns = 1024;

// y = f(x) and dx = f'(·)·dy per element, with as many of the parameters as f has.
template <class T> using MapKernel = void (*)(T* y, const T* x, int64_t n, bool streaming, T alpha, T beta);
template <class T> using MapBackwardKernel = void (*)(T* dx, const T* dy, const T* y, int64_t n, bool streaming, T alpha, T beta);

// Whether a result replaces what is there, is added to it, or is added to zero: 0 + x is x, but for the sign of a zero.
enum class Prior : int32_t { none, old, zero };

// What a matrix product does to its sums before they are stored: c = (prior +) sum (+ bias), then f(c), or f'(y)·c where there is a y.
// Each has a rounding of its own, in this order.
template <class T> struct Epilogue {
  Prior prior = Prior::none;
  const T* bias = nullptr;  // [n]
  bool relu = false;        // f is ReLU
  MapKernel<T> map = nullptr;  // another f
  const T* y = nullptr;  // [m, n]
  int64_t yRow = 0;
  MapBackwardKernel<T> mapBackward = nullptr;  // another f'
  T alpha = 0, beta = 0;  // parameters of another f or f'

  // The part of rows from i and columns from j. Always inlined: kernels use it, and may leave no symbol to share.
  __attribute__((always_inline)) Epilogue at(int64_t i, int64_t j) const {
    Epilogue part = *this;
    if (bias) part.bias += j;
    if (y) part.y += i * yRow + j;
    return part;
  }
  __attribute__((always_inline)) bool beyondSums() const { return bias || relu || map || y; }
};

// A run of a product's k: from which elements of A and B on.
struct GemmRun { int64_t a, b; };
// What is moved beside the products of a panel: see gemmRuns.
template <class T> struct GemmStream {
  T* packed = nullptr;             // where the first strip leaves B for the others; null: it does not
  const GemmRun* dense = nullptr;  // the runs over what it left; null: a single one from the start
  const T* next = nullptr;         // the panel that is read after this one, rows nextRow apart
  int64_t nextRow = 0;
  bool cold = false;               // C is in no near cache: its lines are asked for before the products
};

// How the windows of a pooling lie along one axis: `out` windows of `kernel` taps, the first tap of window o at o·stride − padding.
struct PoolAxis {
  int64_t in, out, kernel, stride, padding, dilation;

  __attribute__((always_inline)) int64_t start(int64_t o) const { return o * stride - padding; }
  // Taps [firstTap, endTap) of window o lie inside.
  __attribute__((always_inline)) int64_t firstTap(int64_t o) const {
    return start(o) >= 0 ? 0 : dilation == 1 ? -start(o) : (dilation - 1 - start(o)) / dilation;
  }
  __attribute__((always_inline)) int64_t endTap(int64_t o) const {
    const int64_t rest = in - start(o), taps = rest <= 0 ? 0 : dilation == 1 ? rest : (rest + dilation - 1) / dilation;
    return taps < kernel ? taps : kernel;
  }
  // Windows [firstWindow, endWindow) reach over place i, though with dilation not every one has a tap there.
  __attribute__((always_inline)) int64_t firstWindow(int64_t i) const {
    const int64_t beyond = i + padding - (kernel - 1) * dilation;
    return beyond <= 0 ? 0 : (beyond + stride - 1) / stride;
  }
  __attribute__((always_inline)) int64_t endWindow(int64_t i) const {
    const int64_t end = (i + padding) / stride + 1;
    return end < out ? end : out;
  }
};
struct PoolShape {
  PoolAxis rows, columns;
  int64_t channels;
};

template <class T> struct Kernels {
#define KERNEL(name, result, ...) result (*name)(__VA_ARGS__);
#include "kernels.def"
#undef KERNEL
};

// A block of an operand of a bfloat16 product: element (lane, step of k) lies at lane·`lane` + k·`k`. One of the two strides is 1.
struct Bfloat16Block {
  const void* data;
  int64_t lane, k;
  bool wide;  // float32, rounded when it is packed; else bfloat16
  const int64_t* places = nullptr;  // of columns, where lane is 1: k lies at places[k] instead
};

// Rows of A as a way reads them: numbers that it has arranged, in halves of steps. A half lies as many bytes behind one row as behind any other, so rows
// may be neighbouring pixels and halves the taps of a kernel.
struct Bfloat16Rows {
  const char* data;       // the first row
  int64_t row;            // bytes from one row to the next
  const int64_t* halves;  // bytes from a row to its halves of steps, 16 numbers each; negative: 16 zeros
};

// One way to compute a product of bfloat16 numbers, by blocks: rows of A that it has arranged, panels of B that it has packed, steps of 32 along k. All
// ways give the same bits (ops/gemm_bfloat16.h). MXCSR must say FTZ and DAZ, FPCR FZ, while `multiply` runs.
struct Bfloat16Product {
  const char* name;
  int64_t rows;         // of a strip, at most
  int64_t narrowRows;   // of one whose panels all have 16 columns
  int64_t rowUnit;      // rows are read, and sums written, up to a multiple of it
  int64_t numberBytes;  // of an arranged number; a step of a packed column has 64 bytes
  bool wholeSteps;      // both halves of a step lie one behind the other, and none is zeros
  int64_t steps;        // that suit the caches between two visits of the sums
  bool acrossColumns;   // a strip takes all panels before the next strip comes
  bool asIs;            // an arranged row is the row of bfloat16 as it lies
  // n numbers, a multiple of 16.
  void (*arrange)(void* to, const bfloat16* x, int64_t n);
  // At most mostBfloat16Rows, arranged, one behind the other; `count` numbers along k, zeros behind them up to whole steps.
  void (*packRows)(const Bfloat16Block& x, int64_t rows, int64_t count, void* to);
  // One step of a panel of `width` columns, 16 or 32, the last of them zeros.
  void (*packColumns)(const Bfloat16Block& x, int64_t columns, int64_t width, int64_t count, void* to);
  // c[rows, width] = (c, or +0) + a·b.
  void (*multiply)(int64_t rows, int64_t width, int64_t steps, const Bfloat16Rows& a, const void* b, float* c, int64_t cRow, bool onward);
  // Around all calls of `multiply` on a thread; may be null.
  void (*enter)();
  void (*leave)();
};
constexpr int64_t bfloat16Step = 32, bfloat16Panel = 32, mostBfloat16Rows = 128;

struct Bfloat16Kernels {
#define KERNEL(name, result, ...) result (*name)(__VA_ARGS__);
#include "bfloat16.def"
#undef KERNEL
  Bfloat16Product fma;            // by multiplications and additions of float32
  const Bfloat16Product* dot;     // by VDPBF16PS or BFMLAL; null: none
  const Bfloat16Product* tiles;   // by AMX; null: none
};

struct KernelTable {
  const char* name;
  Kernels<float> f32;
  Kernels<double> f64;
  Bfloat16Kernels bf16;
};

const KernelTable& scalarKernels();
const KernelTable& avx2Kernels();
const KernelTable& avx512Kernels();
const KernelTable& neonKernels();
const KernelTable& kernelsFor(Isa);
const KernelTable& kernels();  // of activeIsa()

template <class T> const Kernels<T>& kernelsOf();
template <> inline const Kernels<float>& kernelsOf<float>() { return kernels().f32; }
template <> inline const Kernels<double>& kernelsOf<double>() { return kernels().f64; }

}  // namespace nodegrad
