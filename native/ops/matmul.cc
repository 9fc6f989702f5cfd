// Matrix products: the four transpose cases, with what a descriptor asks for in the epilogue.
#include "fused.h"
#include "gemm.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

// c[m, n] = a·b; ints: m, n, k, transposeA (a is [k, m]), transposeB (b is [n, k]). With sums: [n], the column sums of b.
template <class T> Gemm<T> productOf(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1], k = c.ints[2];
  Gemm<T> g{};
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = c.input<T>(0);
  g.aRow = c.ints[3] ? 1 : k;
  g.aCol = c.ints[3] ? m : 1;
  g.b = c.input<T>(1);
  g.bRow = c.ints[4] ? 1 : n;
  g.bCol = c.ints[4] ? k : 1;
  g.c = c.out<T>(0);
  g.ldc = n;
  g.epilogue = epilogueOf<T>(c, n);
  if (c.fused.sumsAt >= 0) {
    g.sums = c.out<T>(c.fused.sumsAt);
    g.sumsPrior = c.fused.sums;
  }
  return g;
}

void run_matmul(const Call& c) {
  byFloat(c, [&]<class T>() { gemm(productOf<T>(c), c.workspace); });
}
const char* checkMatmul(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1], k = c.ints[2];
  if (checkedProduct(m, n) != c.length(0) || checkedProduct(m, k) != c.length(c.outputs) || checkedProduct(k, n) != c.length(c.outputs + 1))
    return "m, n and k do not fit the operands";
  const Fused& f = c.fused;
  if (f.bias >= 0 && c.length(f.bias) != n) return "the bias does not have n elements";
  if (f.y >= 0 && c.length(f.y) != c.length(0)) return "operands of different lengths";
  if (f.sumsAt < 0) return nullptr;
  if (c.length(f.sumsAt) != n) return "a sum for each column";
  if (c.ints[4] != 0) return "sums of columns need the second operand as it is";
  return n > 1 ? nullptr : "a single column is summed in another order";
}
size_t matmulWorkspace(const Call& c) {
  return c.dtype == DType::float64 ? gemmWorkspace(productOf<double>(c)) : gemmWorkspace(productOf<float>(c));
}

}  // namespace

extern const OpFunctions op_matmul = {run_matmul, checkMatmul, matmulWorkspace};

}  // namespace nodegrad::ops
