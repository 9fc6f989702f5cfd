// What the recurrent operations share: which steps there are, how a batch is cut into blocks, and the product of a state with weights that
// stay packed meanwhile. Each block of examples walks through all of time by itself, so that threads meet once and not in every step;
// products over all of time (inputs, weight gradients) are operations of their own.
//
// Arithmetic: a product of a time step has one accumulator per output, which starts from zero (backward: from what goes past the product) and
// takes k in order with FMA, whatever k. What the input gives is added behind it. Where no state comes in there is no product in the first step,
// and none backward where nobody asks for the gradient by that state.
#pragma once
#include <algorithm>
#include <cstring>

#include "gemm_table.h"
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"
#include "workspace.h"

namespace nodegrad {

template <class T> void copyRow(T* to, const T* from, int64_t n) { std::memcpy(to, from, size_t(n) * sizeof(T)); }
template <class T> void clearRow(T* to, int64_t n) { std::memset(to, 0, size_t(n) * sizeof(T)); }
// Rows [begin, begin + rows) of what may be absent, which counts as zeros.
template <class T> void loadRows(T* to, const T* from, int64_t begin, int64_t rows, int64_t n) {
  if (from) copyRow(to, from + begin * n, rows * n);
  else clearRow(to, rows * n);
}
template <class T> const T* optional(const Call& c, int operand) { return c.length(operand) > 0 ? c.in<T>(operand) : nullptr; }

// Weights[k, n] of a product in every time step: w[i·row + j·column]; one of the strides is 1. Without elements there is no such product.
template <class T> class StepWeights {
 public:
  StepWeights(const T* w, int64_t row, int64_t column, int64_t k, int64_t n) : w(w), row(row), column(column), k(k), n(n) {}
  // Elements of the workspace that it takes, for blocks of `rows` examples and so many steps of examples.
  size_t plan(int64_t rows, int64_t steps) {
    if (k == 0 || n == 0) return 0;
    panel = kernelsOf<T>().gemmVectors(rows, n, stepsOfKept(k)) * 16;
    packs = column != 1 || (steps >= 64 && k * n >= 4096);
    return packs ? padded<T>(k * n) : 0;
  }
  // Takes its part of the workspace, and gives what is left.
  T* pack(T* to) {
    if (!packs) return to;
    packed = to;
    const auto tile = [&](int64_t index, int) {
      const int64_t j = index * panel, width = std::min(panel, n - j);
      T* const at = packed + j * k;
      if (column == 1) kernelsOf<T>().copyBlock(k, width, w + j, row, at, width);
      else kernelsOf<T>().transposeBlock(width, k, w + j * column, column, at, width);
    };
    if (k * n >= 1 << 16) parallelFor(divideUp(n, panel), tile);
    else for (int64_t index = 0; index < divideUp(n, panel); ++index) tile(index, 0);
    return to + padded<T>(k * n);
  }
  // c[m, n] = a·w, or c += a·w
  void multiply(int64_t m, const T* a, int64_t aRow, T* c, int64_t cRow, bool adds = false) const {
    for (int64_t j = 0; j < n; j += panel) {
      const int64_t width = std::min(panel, n - j);
      const T* const b = packed ? packed + j * k : w + j;
      kernelsOf<T>().gemmPanel(m, width, k, a, aRow, 1, b, packed ? width : row, adds ? c + j : nullptr, cRow, c + j, cRow, {}, {});
    }
  }

 private:
  const T* w;
  int64_t row, column, k, n;
  int64_t panel = 0;    // columns that one kernel call makes
  bool packs = false;
  T* packed = nullptr;  // [panels][k][columns of the panel]: rows far apart would fall on few sets of the cache
};

struct Sequence {
  int64_t batch, time, hidden;
  bool reversed;
  const uint8_t* mask;

  Sequence(const Call& c, int maskOperand)
      : batch(c.ints[0]), time(c.ints[1]), hidden(c.ints[2]), reversed(c.ints[3] != 0),
        mask(c.length(maskOperand) > 0 ? c.in<uint8_t>(maskOperand) : nullptr) {}

  // The place in time of a step.
  int64_t at(int64_t step) const { return reversed ? time - 1 - step : step; }
  bool isLive(int64_t row) const { return !mask || mask[row] != 0; }
  bool anyLive(int64_t begin, int64_t rows, int64_t t) const {
    for (int64_t i = 0; i < rows; ++i)
      if (isLive((begin + i) * time + t)) return true;
    return false;
  }

  // c = a·w, or c += a·w, in the rows of examples that are live at time t: the others keep their bits, the sign of a zero included, whatever block
  // they are in.
  template <class T>
  void multiplyLive(const StepWeights<T>& weights, bool adds, int64_t begin, int64_t rows, int64_t t, const T* a, int64_t aRow, T* c, int64_t cRow) const {
    for (int64_t i = 0, end; i < rows; i = end) {
      const bool live = isLive((begin + i) * time + t);
      for (end = i + 1; end < rows && isLive((begin + end) * time + t) == live;) ++end;
      if (live) weights.multiply(end - i, a + i * aRow, aRow, c + i * cRow, cRow, adds);
    }
  }

  // A block for each thread, of 4 to 32 examples: fewer read the weights too often, more leave no room for them in the cache. No bit depends on it.
  int64_t blocks() const { return divideUp(batch, std::clamp<int64_t>(divideUp(batch, threads()), 4, 32)); }
  int64_t blockRows() const { return batch == 0 ? 0 : divideUp(batch, blocks()); }
  // Bytes of workspace for the weights of all products, and scratch of `size` elements a worker behind them.
  template <class T> size_t plan(std::initializer_list<StepWeights<T>*> products, size_t size) const {
    size_t elements = size * size_t(threads());
    for (StepWeights<T>* product : products) elements += product->plan(blockRows(), batch * time);
    return elements * sizeof(T) + 64;
  }
  // body(first example, examples, scratch)
  template <class T, class F> void eachBlock(int64_t products, T* scratch, size_t size, F&& body) const {
    const int64_t count = blocks();
    const auto tile = [&](int64_t index, int worker) {
      const int64_t begin = batch * index / count, end = batch * (index + 1) / count;
      body(begin, end - begin, scratch + size_t(worker) * size);
    };
    // A helper is not worth its waking for less.
    if (double(batch) * double(time) * double(products) >= 1 << 17) return parallelFor(count, tile);
    for (int64_t index = 0; index < count; ++index) tile(index, 0);
  }
};

// Packs the weights of products that are planned; what is left of the workspace is scratch.
template <class T> T* packAll(std::initializer_list<StepWeights<T>*> products, void* workspace) {
  T* at = aligned<T>(workspace);
  for (StepWeights<T>* product : products) at = product->pack(at);
  return at;
}

// Rows of scratch are this far apart: not by a power of two, or they would share sets of the cache.
constexpr int64_t apart(int64_t n) { return n + 16; }

namespace ops {

// Whether operands have these lengths; optional ones may be empty.
struct Length { int operand; int64_t elements; bool optional = false; };
inline const char* checkLengths(const Call& c, std::initializer_list<Length> lengths) {
  for (const Length& l : lengths)
    if (l.elements < 0 || (c.length(l.operand) != l.elements && !(l.optional && c.length(l.operand) == 0)))
      return "batch, time and hidden do not fit the operands";
  return nullptr;
}
struct Sizes {
  int64_t batch, time, hidden, rows;
  explicit Sizes(const Call& c) : batch(c.ints[0]), time(c.ints[1]), hidden(c.ints[2]), rows(checkedProduct(batch, time)) {}
  bool areGood() const { return batch >= 0 && time >= 0 && hidden >= 1 && hidden < int64_t(1) << 24 && rows >= 0; }
  int64_t each(int64_t n) const { return checkedProduct(rows, n); }
  int64_t state(int64_t n) const { return checkedProduct(batch, n); }
};

}  // namespace ops
}  // namespace nodegrad
