// Matrix products: the four transpose cases, with what a descriptor asks for in the epilogue.
#include "column_sums.h"
#include "fused.h"
#include "gemm_bfloat16.h"
#include "../runtime/pool.h"
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

// The same with bfloat16 operands, of which one may be float32; the result is float32 or bfloat16, and so is the y of an epilogue.
GemmBfloat16 narrowProductOf(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1], k = c.ints[2];
  GemmBfloat16 g{};
  g.m = m;
  g.n = n;
  g.k = k;
  const auto matrix = [&](int i, int64_t lane, int64_t step) {
    return c.operands[c.outputs + i].dtype == DType::bfloat16 ? narrowMatrix(c.input<bfloat16>(i), lane, step) : wideMatrix(c.input<float>(i), lane, step);
  };
  g.a = matrix(0, c.ints[3] ? 1 : k, c.ints[3] ? m : 1);
  g.b = matrix(1, c.ints[4] ? k : 1, c.ints[4] ? 1 : n);
  g.c = c.operands[0].data;
  g.ldc = n;
  g.wide = c.operands[0].dtype == DType::float32;
  g.epilogue = epilogueOf<float>(c, n);
  if (!g.wide && c.fused.y >= 0) {
    g.y = c.in<bfloat16>(c.fused.y);
    g.epilogue.y = nullptr;
  }
  return g;
}

// The column sums of b[k, n] in the order of those of float32.
void sumColumnsOf(const Call& c) {
  const int64_t n = c.ints[1], k = c.ints[2];
  const bool narrow = c.operands[c.outputs + 1].dtype == DType::bfloat16;
  float* const sums = c.out<float>(c.fused.sumsAt);
  parallelFor(tilesOf(n, sumWidth), [&](int64_t tile, int) {
    if (narrow) sumTile(sums, c.fused.sums, c.input<bfloat16>(1), k, n, n, tile);
    else sumTile(sums, c.fused.sums, c.input<float>(1), k, n, n, tile);
  });
}

void run_matmul(const Call& c) {
  if (c.stored == DType::bfloat16) {
    gemmBfloat16(narrowProductOf(c), c.workspace);
    if (c.fused.sumsAt >= 0) sumColumnsOf(c);
    return;
  }
  byFloat(c, [&]<class T>() { gemm(productOf<T>(c), c.workspace); });
}
const char* checkMatmul(const Call& c) {
  const int64_t m = c.ints[0], n = c.ints[1], k = c.ints[2];
  if (checkedProduct(m, n) != c.length(0) || checkedProduct(m, k) != c.length(c.outputs) || checkedProduct(k, n) != c.length(c.outputs + 1))
    return "m, n and k do not fit the operands";
  const Fused& f = c.fused;
  if (f.bias >= 0 && c.length(f.bias) != n) return "the bias does not have n elements";
  if (f.y >= 0 && (c.length(f.y) != c.length(0) || c.operands[f.y].dtype != c.operands[0].dtype)) return "operands of different lengths or dtypes";
  if (c.stored != DType::bfloat16 && c.operands[0].dtype == DType::bfloat16) return "a product of float32 is float32";
  if (f.sumsAt < 0) return nullptr;
  if (c.length(f.sumsAt) != n) return "a sum for each column";
  if (c.ints[4] != 0) return "sums of columns need the second operand as it is";
  return n > 1 ? nullptr : "a single column is summed in another order";
}
size_t matmulWorkspace(const Call& c) {
  if (c.stored == DType::bfloat16) return gemmBfloat16Workspace(narrowProductOf(c));
  return c.dtype == DType::float64 ? gemmWorkspace(productOf<double>(c)) : gemmWorkspace(productOf<float>(c));
}

}  // namespace

extern const OpFunctions op_matmul = {run_matmul, checkMatmul, matmulWorkspace};

}  // namespace nodegrad::ops
