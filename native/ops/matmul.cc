// Matrix products: matmul in the four transpose cases, the linear layer's product with its bias in the epilogue, and fused ones.
#include "gemm.h"
#include "maps.h"
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
  g.epilogue.prior = Prior::old;
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
  g.epilogue.bias = c.in<T>(3);
  return g;
}

// c = 0 + a·b: what accumulating into zeros gives.
template <class T> Gemm<T> matmul_overwriteOf(const Call& c) {
  Gemm<T> g = matmulOf<T>(c);
  g.epilogue.prior = Prior::zero;
  return g;
}

// y = f(x·w + b); ints: m, n, k, place of f
template <class T> Gemm<T> linear_mapOf(const Call& c) {
  Gemm<T> g = linearOf<T>(c);
  if (OpCode(c.ints[3]) == OpCode::relu) g.epilogue.relu = true;
  else g.epilogue.map = mapKernel<T>(c.ints[3]);
  return g;
}

// dz = f'(y)·(a·b); y[m, n] is the third input; ints: m, n, k, transposeA, transposeB, place of f'
template <class T> Gemm<T> matmul_map_gradientOf(const Call& c) {
  Gemm<T> g = matmulOf<T>(c);
  g.epilogue.y = c.in<T>(3);
  g.epilogue.yRow = g.n;
  if (OpCode(c.ints[5]) != OpCode::relu_backward) g.epilogue.mapBackward = mapBackwardKernel<T>(c.ints[5]);
  return g;
}

// dW[m, n] += xᵀ·dy and db[n] += Σ dy in one region; x[k, m], dy[k, n]; ints: m, n, k, overwrite dW, overwrite db
template <class T> Gemm<T> linear_gradientsOf(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1];
  Gemm<T> g{};
  g.m = m;
  g.n = n;
  g.k = c.ints[2];
  g.a = c.in<T>(2);
  g.aRow = 1;
  g.aCol = m;
  g.b = c.in<T>(3);
  g.bRow = n;
  g.bCol = 1;
  g.c = c.out<T>(0);
  g.ldc = n;
  g.epilogue.prior = c.ints[3] ? Prior::zero : Prior::old;
  g.sums = c.out<T>(1);
  g.sumsPrior = c.ints[4] ? Prior::zero : Prior::old;
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

const char* checkLinearMap(const Call& c) {
  if (const char* problem = checkLinear(c)) return problem;
  return mapKernel<float>(c.ints[3]) ? nullptr : "that operation is no map";
}
const char* checkMapGradient(const Call& c) {
  if (const char* problem = checkProduct(c)) return problem;
  if (c.length(3) != c.length(0)) return "operands of different lengths";
  return mapBackwardKernel<float>(c.ints[5]) ? nullptr : "that operation is no backward of a map";
}
const char* checkLinearGradients(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1], k = c.ints[2];
  if (checkedProduct(m, n) != c.length(0) || checkedProduct(m, k) != c.length(2) || checkedProduct(k, n) != c.length(3) || c.length(1) != n)
    return "m, n and k do not fit the operands";
  return n > 1 ? nullptr : "a single column is summed in another order";
}

#define PRODUCT(name) \
  void run_##name(const Call& c) { byFloat(c, [&]<class T>() { gemm(name##Of<T>(c), c.workspace); }); } \
  size_t workspace_##name(const Call& c) { return c.dtype == DType::float64 ? gemmWorkspace(name##Of<double>(c)) : gemmWorkspace(name##Of<float>(c)); }
PRODUCT(matmul)
PRODUCT(matmul_accumulate)
PRODUCT(linear)
PRODUCT(matmul_overwrite)
PRODUCT(linear_map)
PRODUCT(matmul_map_gradient)
PRODUCT(linear_gradients)

}  // namespace

extern const OpFunctions op_matmul = {run_matmul, checkProduct, workspace_matmul};
extern const OpFunctions op_matmul_accumulate = {run_matmul_accumulate, checkProduct, workspace_matmul_accumulate};
extern const OpFunctions op_linear = {run_linear, checkLinear, workspace_linear};
extern const OpFunctions op_matmul_overwrite = {run_matmul_overwrite, checkProduct, workspace_matmul_overwrite};
extern const OpFunctions op_linear_map = {run_linear_map, checkLinearMap, workspace_linear_map};
extern const OpFunctions op_matmul_map_gradient = {run_matmul_map_gradient, checkMapGradient, workspace_matmul_map_gradient};
extern const OpFunctions op_linear_gradients = {run_linear_gradients, checkLinearGradients, workspace_linear_gradients};

}  // namespace nodegrad::ops
