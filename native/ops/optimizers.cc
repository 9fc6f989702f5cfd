// Optimizer updates over flat slabs, in place. Hyperparameters are an operand: they change from step to step.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "gemm.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

constexpr int64_t tile = 32768;

template <class F> void forTiles(int64_t n, F body) {
  parallelFor(tilesOf(n, tile), [&](int64_t t, int) { body(t * tile, n - t * tile < tile ? n - t * tile : tile); });
}

// w, velocity; g, hyper[6] = learning rate, momentum, dampening, weight decay, Nesterov, first step.
// Without momentum the velocity may be empty.
template <bool clear> void updateSgd(const Call& c) {
  byFloat(c, [&]<class T>() {
    T* velocity = c.out<T>(1);
    forTiles(c.length(0), [&](int64_t at, int64_t n) {
      kernelsOf<T>().sgd(c.out<T>(0) + at, velocity ? velocity + at : nullptr, c.out<T>(2) + at, c.in<double>(3), n, clear);
    });
  });
}
void run_sgd(const Call& c) { updateSgd<false>(c); }
void run_sgd_and_clear(const Call& c) { updateSgd<true>(c); }
const char* checkSgd(const Call& c) {
  if (c.length(2) != c.length(0)) return "parameters and gradients of different lengths";
  if (c.length(3) != 6) return "sgd needs 6 hyperparameters";
  if (c.length(1) != 0 && c.length(1) != c.length(0)) return "parameters and velocity of different lengths";
  return nullptr;
}
const char* guardSgd(const Call& c) {
  return c.in<double>(3)[1] != 0 && c.length(1) != c.length(0) ? "momentum without a velocity" : nullptr;
}

// w, m, v; g, hyper[8] = learning rate, beta1, beta2, eps, weight decay, decoupled, 1−beta1^t, 1−beta2^t
template <bool clear> void updateAdam(const Call& c) {
  byFloat(c, [&]<class T>() {
    forTiles(c.length(0), [&](int64_t at, int64_t n) {
      kernelsOf<T>().adam(c.out<T>(0) + at, c.out<T>(1) + at, c.out<T>(2) + at, c.out<T>(3) + at, c.in<double>(4), n, clear);
    });
  });
}
void run_adam(const Call& c) { updateAdam<false>(c); }
void run_adam_and_clear(const Call& c) { updateAdam<true>(c); }
const char* checkAdam(const Call& c) {
  for (int i = 1; i < 4; ++i)
    if (c.length(i) != c.length(0)) return "parameters, state and gradients of different lengths";
  return c.length(4) == 8 ? nullptr : "adam needs 8 hyperparameters";
}

// ---- a linear layer's gradients, and the update of each block of rows while they are in the cache ----

constexpr int64_t blockSize = 16384;

// Operands: weight, states, gradient, bias, states, gradient; x[k, m], dy[k, n], hyper.
struct Layer {
  int64_t m, n, k, rows, blocks;
  bool overwriteWeight, overwriteBias, clear;
};
Layer layerOf(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1], rows = blockSize / (n > 0 ? n : 1) + 1;
  return {m, n, c.ints[2], rows, tilesOf(m, rows), c.ints[3] != 0, c.ints[4] != 0, c.ints[5] != 0};
}

// Rows [i, i + count) of dW.
template <class T> Gemm<T> gradientOf(const Call& c, const Layer& l, int states, int64_t i, int64_t count) {
  const int x = 2 * (states + 2);
  Gemm<T> g{};
  g.m = count;
  g.n = l.n;
  g.k = l.k;
  g.a = c.in<T>(x) + i;
  g.aRow = 1;
  g.aCol = l.m;
  g.b = c.in<T>(x + 1);
  g.bRow = l.n;
  g.bCol = 1;
  g.c = c.out<T>(states + 1) + i * l.n;
  g.ldc = l.n;
  g.epilogue.prior = l.overwriteWeight ? Prior::zero : Prior::old;
  return g;
}

size_t layerWorkspace(const Call& c, int states) {
  const Layer l = layerOf(c);
  size_t most = 0;
  byFloat(c, [&]<class T>() {
    for (int64_t count : {l.rows < l.m ? l.rows : l.m, l.m - (l.blocks - 1) * l.rows}) {
      const size_t bytes = (gemmAloneWorkspace(gradientOf<T>(c, l, states, 0, count)) + 63) / 64 * 64;
      if (bytes > most) most = bytes;
    }
  });
  return most;
}

// update(first operand of the weight's or the bias's, from element, how many)
template <class T, class F> void updateLayer(const Call& c, int states, F update) {
  const Layer l = layerOf(c);
  const size_t perWorker = layerWorkspace(c, states);
  parallelFor(l.blocks + 1, [&](int64_t block, int worker) {
    if (block < l.blocks) {
      const int64_t i = block * l.rows, count = l.m - i < l.rows ? l.m - i : l.rows;
      gemmAlone(gradientOf<T>(c, l, states, i, count), static_cast<char*>(c.workspace) + size_t(worker) * perWorker);
      update(0, i * l.n, count * l.n);
    } else {
      Gemm<T> g = gradientOf<T>(c, l, states, 0, 0);  // of no rows: only the column sums
      g.sums = c.out<T>(2 * states + 3);
      g.sumsPrior = l.overwriteBias ? Prior::zero : Prior::old;
      gemmAlone(g, nullptr);
      update(states + 2, 0, l.n);
    }
  });
}

void run_linear_sgd(const Call& c) {
  byFloat(c, [&]<class T>() {
    updateLayer<T>(c, 1, [&](int first, int64_t at, int64_t n) {
      T* velocity = c.out<T>(first + 1);
      kernelsOf<T>().sgd(c.out<T>(first) + at, velocity ? velocity + at : nullptr, c.out<T>(first + 2) + at, c.in<double>(8), n, c.ints[5] != 0);
    });
  });
}
void run_linear_adam(const Call& c) {
  byFloat(c, [&]<class T>() {
    updateLayer<T>(c, 2, [&](int first, int64_t at, int64_t n) {
      kernelsOf<T>().adam(c.out<T>(first) + at, c.out<T>(first + 1) + at, c.out<T>(first + 2) + at, c.out<T>(first + 3) + at, c.in<double>(10), n,
                          c.ints[5] != 0);
    });
  });
}
const char* checkLayer(const Call& c, int states) {
  const int64_t m = c.ints[0], n = c.ints[1], k = c.ints[2];
  const int bias = states + 2, x = 2 * bias;
  const int64_t size = checkedProduct(m, n);
  if (m < 1 || n < 2 || k < 1) return "nothing to update, or a single column, which is summed in another order";
  for (int i = 0; i < bias; ++i) {
    const bool empty = states == 1 && i == 1 && c.length(i) == 0 && c.length(bias + i) == 0;
    if (!empty && (c.length(i) != size || c.length(bias + i) != n)) return "parameters, state and gradients of different lengths";
  }
  if (checkedProduct(m, k) != c.length(x) || checkedProduct(k, n) != c.length(x + 1)) return "m, n and k do not fit the operands";
  return c.length(x + 2) == (states == 1 ? 6 : 8) ? nullptr : "wrong number of hyperparameters";
}
const char* checkLinearSgd(const Call& c) { return checkLayer(c, 1); }
const char* checkLinearAdam(const Call& c) { return checkLayer(c, 2); }
const char* guardLinearSgd(const Call& c) { return c.in<double>(8)[1] != 0 && c.length(1) == 0 ? "momentum without a velocity" : nullptr; }
size_t workspaceLinearSgd(const Call& c) { return layerWorkspace(c, 1) * size_t(threads()); }
size_t workspaceLinearAdam(const Call& c) { return layerWorkspace(c, 2) * size_t(threads()); }

}  // namespace

extern const OpFunctions op_sgd = {run_sgd, checkSgd, nullptr, guardSgd};
extern const OpFunctions op_adam = {run_adam, checkAdam};
extern const OpFunctions op_linear_sgd = {run_linear_sgd, checkLinearSgd, workspaceLinearSgd, guardLinearSgd};
extern const OpFunctions op_linear_adam = {run_linear_adam, checkLinearAdam, workspaceLinearAdam};
extern const OpFunctions op_sgd_and_clear = {run_sgd_and_clear, checkSgd, nullptr, guardSgd};
extern const OpFunctions op_adam_and_clear = {run_adam_and_clear, checkAdam};

}  // namespace nodegrad::ops
