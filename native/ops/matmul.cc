// Matrix products: matmul in the four transpose cases, and the linear layer's product with its bias in the epilogue.
#include "gemm.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

// c[m, n] = a·b; ints: m, n, k, transposeA (a is [k, m]), transposeB (b is [n, k])
template <class T> Gemm<T> matmulOf(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1], k = c.ints[2];
  Gemm<T> g{};
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = c.in<T>(1);
  g.aRow = c.ints[3] ? 1 : k;
  g.aCol = c.ints[3] ? m : 1;
  g.b = c.in<T>(2);
  g.bRow = c.ints[4] ? 1 : n;
  g.bCol = c.ints[4] ? k : 1;
  g.c = c.out<T>(0);
  g.ldc = n;
  return g;
}

// c += a·b: weight gradients are added where they stay.
template <class T> Gemm<T> matmul_accumulateOf(const Call& c) {
  Gemm<T> g = matmulOf<T>(c);
  g.accumulate = true;
  return g;
}

// y[m, n] = x[m, k]·w[k, n] + b[n]: the bits of matmul followed by add.
template <class T> Gemm<T> linearOf(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1], k = c.ints[2];
  Gemm<T> g{};
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = c.in<T>(1);
  g.aRow = k;
  g.aCol = 1;
  g.b = c.in<T>(2);
  g.bRow = n;
  g.bCol = 1;
  g.c = c.out<T>(0);
  g.ldc = n;
  g.bias = c.in<T>(3);
  return g;
}

const char* checkProduct(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1], k = c.ints[2];
  if (checkedProduct(m, n) != c.length(0) || checkedProduct(m, k) != c.length(1) || checkedProduct(k, n) != c.length(2))
    return "m, n and k do not fit the operands";
  return nullptr;
}
const char* checkLinear(const Call& c) {
  if (const char* problem = checkProduct(c)) return problem;
  return c.length(3) == c.ints[1] ? nullptr : "the bias does not have n elements";
}

#define PRODUCT(name) \
  void run_##name(const Call& c) { byFloat(c, [&]<class T>() { gemm(name##Of<T>(c), c.workspace); }); } \
  size_t workspace_##name(const Call& c) { return c.dtype == DType::float64 ? gemmWorkspace(name##Of<double>(c)) : gemmWorkspace(name##Of<float>(c)); }
PRODUCT(matmul)
PRODUCT(matmul_accumulate)
PRODUCT(linear)

}  // namespace

extern const OpFunctions op_matmul = {run_matmul, checkProduct, workspace_matmul};
extern const OpFunctions op_matmul_accumulate = {run_matmul_accumulate, checkProduct, workspace_matmul_accumulate};
extern const OpFunctions op_linear = {run_linear, checkLinear, workspace_linear};

}  // namespace nodegrad::ops
