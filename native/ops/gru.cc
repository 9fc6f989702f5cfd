// GRU over a whole sequence, forward and backward, with the reset after the product or before it.
#include "gemm.h"
#include "gemm_bfloat16.h"
#include "recurrence.h"

namespace nodegrad::ops {
namespace {

// 0 y[b, t, n], 1 final[b, n], 2 before[b, t, n], 3 gates[b, t, 3n], 4 q[b, t, n]: 5 pre[b, t, 3n], 6 w[n, 3n], 7 bias[n] of the candidate's product,
// 8 initial, 9 mask. q is what r lets through: of the state's product, or of the state. With the reset after the product it is one product a
// step, otherwise one for r and z and one for the candidate. The gates may lie where pre does.

// What forward and backward set up: weights are operand `w`.
template <class T> struct Gru {
  Sequence s;
  int64_t n;
  bool after;
  StepWeights<T> gates, candidate;
  size_t block, bytes;

  Gru(const Call& c, int w, bool turned)
      : s(c, 9), n(s.hidden), after(c.ints[4] != 0), gates(part(c.in<T>(w), 0, after ? 3 * n : 2 * n, turned)),
        candidate(part(c.in<T>(w), 2 * n, after ? 0 : n, turned)), block(padded<T>(s.blockRows() * (n + apart(3 * n) + apart(n)))),
        bytes(s.plan({&gates, &candidate}, block)) {}
  // Columns [first, first + count) of w as a product of their own.
  StepWeights<T> part(const T* w, int64_t first, int64_t count, bool turned) const {
    return turned ? StepWeights<T>{w + first, 1, 3 * n, count, n} : StepWeights<T>{w + first, 3 * n, 1, n, count};
  }
  T* pack(const Call& c) { return packAll({&gates, &candidate}, c.workspace); }
};

void run_gru(const Call& c) {
  byFloat(c, [&]<class T>() {
    Gru<T> gru(c, 6, false);
    const Sequence& s = gru.s;
    const int64_t n = gru.n, uRow = apart(3 * n), qRow = apart(n);
    const bool after = gru.after;
    const auto& kernels = kernelsOf<T>();
    const T* const first = optional<T>(c, 8);
    s.eachBlock(n * 3 * n, gru.pack(c), gru.block, [&](int64_t begin, int64_t rows, T* h) {
      T *const u = h + rows * n, *const q = u + rows * uRow;
      loadRows(h, first, begin, rows, n);
      for (int64_t step = 0; step < s.time; ++step) {
        const int64_t t = s.at(step);
        const bool any = s.anyLive(begin, rows, t), starts = step > 0 || first;
        if (!starts) clearRow(u, rows * uRow);
        else if (any) gru.gates.multiply(rows, h, n, u, uRow);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          T *const gates = c.out<T>(3) + row * 3 * n, *const own = c.out<T>(4) + row * n, *const state = h + i * n;
          const T* const pre = c.in<T>(5) + row * 3 * n;
          copyRow(c.out<T>(2) + row * n, state, n);
          if (!s.isLive(row)) {
            clearRow(gates, 3 * n);
            clearRow(own, n);
          } else if (after) {
            kernels.gruCell(state, gates, own, pre, u + i * uRow, optional<T>(c, 7), n);
          } else {
            kernels.gruReset(gates, own, pre, u + i * uRow, state, n);
          }
          if (!after) copyRow(q + i * qRow, own, n);
        }
        if (any && starts && !after) gru.candidate.multiply(rows, q, qRow, u, uRow);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          if (!s.isLive(row)) {
            clearRow(c.out<T>(0) + row * n, n);
            continue;
          }
          if (!after) kernels.gruCandidate(h + i * n, c.out<T>(3) + row * 3 * n, c.in<T>(5) + row * 3 * n, u + i * uRow, n);
          copyRow(c.out<T>(0) + row * n, h + i * n, n);
        }
      }
      copyRow(c.out<T>(1) + begin * n, h, rows * n);
    });
  });
}
const char* checkGru(const Call& c) {
  const Sizes s(c);
  if (!s.areGood()) return "batch, time or hidden out of range";
  const int64_t n = s.hidden, each = s.each(n), state = s.state(n);
  return checkLengths(c, {{0, each}, {1, state}, {2, each}, {3, s.each(3 * n)}, {4, each}, {5, s.each(3 * n)}, {6, n * 3 * n}, {7, n, true},
                          {8, state, true}, {9, s.rows, true}});
}
template <int w, bool turned> size_t gruWorkspace(const Call& c) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() { bytes = Gru<T>(c, w, turned).bytes; });
  return bytes;
}

// 0 dpre[b, t, 3n], 1 dinitial where it is asked for, 2 dq[b, t, n]: 3 dy, 4 dfinal, 5 w, 6 before, 7 gates, 8 q, 9 mask. dpre may lie where the
// gates do, and dq where dy does.
void run_gru_backward(const Call& c) {
  byFloat(c, [&]<class T>() {
    Gru<T> gru(c, 5, true);
    const Sequence& s = gru.s;
    const int64_t n = gru.n, daRow = apart(3 * n), qRow = apart(n);
    const bool after = gru.after, initialAsked = c.length(1) > 0;
    const auto& kernels = kernelsOf<T>();
    const T* const dy = optional<T>(c, 3);
    s.eachBlock(n * 3 * n, gru.pack(c), gru.block, [&](int64_t begin, int64_t rows, T* d) {
      T *const da = d + rows * n, *const q = da + rows * daRow;
      loadRows(d, optional<T>(c, 4), begin, rows, n);
      for (int64_t step = s.time; step-- > 0;) {
        const int64_t t = s.at(step);
        const bool any = s.anyLive(begin, rows, t), goesOn = step > 0 || initialAsked;
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          T *const own = c.out<T>(0) + row * 3 * n, *const dq = c.out<T>(2) + row * n, *const state = d + i * n;
          const T *const gates = c.in<T>(7) + row * 3 * n, *const before = c.in<T>(6) + row * n;
          if (!s.isLive(row)) {
            clearRow(own, 3 * n);
            clearRow(dq, n);
          } else {
            if (dy) kernels.accumulate(state, dy + row * n, n);
            if (after) kernels.gruCellBackward(own, dq, state, gates, c.in<T>(8) + row * n, before, n);
            else kernels.gruCandidateBackward(own, state, gates, before, n);
          }
          // What the product takes: with the reset after it, the gradient of what r lets through in place of the candidate's.
          if (after) copyRow(da + i * daRow, own, 2 * n);
          copyRow(da + i * daRow + 2 * n, after ? dq : own + 2 * n, n);
        }
        if (!any) continue;
        if (!after) {
          gru.candidate.multiply(rows, da + 2 * n, daRow, q, qRow);
          for (int64_t i = 0; i < rows; ++i) {
            const int64_t row = (begin + i) * s.time + t;
            T *const own = c.out<T>(0) + row * 3 * n, *const dq = c.out<T>(2) + row * n;
            if (s.isLive(row)) {
              copyRow(dq, q + i * qRow, n);
              kernels.gruResetBackward(own, d + i * n, dq, c.in<T>(7) + row * 3 * n, c.in<T>(6) + row * n, n);
            }
            copyRow(da + i * daRow, own, 2 * n);
          }
        }
        if (goesOn) s.multiplyLive(gru.gates, true, begin, rows, t, da, daRow, d, n);
      }
      if (initialAsked) copyRow(c.out<T>(1) + begin * n, d, rows * n);
    });
  });
}
const char* checkGruBackward(const Call& c) {
  const Sizes s(c);
  if (!s.areGood()) return "batch, time or hidden out of range";
  const int64_t n = s.hidden, each = s.each(n), state = s.state(n);
  return checkLengths(c, {{0, s.each(3 * n)}, {1, state, true}, {2, each}, {3, each, true}, {4, state, true}, {5, n * 3 * n}, {6, each},
                          {7, s.each(3 * n)}, {8, each}, {9, s.rows, true}});
}

// 0 dw[n, 3n]: 1 before[rows, n], 2 q[rows, n], 3 dpre[rows, 3n], 4 dq[rows, n]. The candidate's columns are qᵀ·dpre, or with the reset after the
// product beforeᵀ·dq.
template <class T> Gemm<T> gruWeightPart(const Call& c, bool isCandidate) {
  const int64_t n = c.ints[1];
  const bool after = c.ints[2] != 0;
  Gemm<T> g{};
  g.m = n;
  g.n = isCandidate ? n : 2 * n;
  g.k = c.ints[0];
  g.a = c.in<T>(isCandidate && !after ? 2 : 1);
  g.aRow = 1;
  g.aCol = n;
  g.b = !isCandidate ? c.in<T>(3) : after ? c.in<T>(4) : c.in<T>(3) + 2 * n;
  g.bRow = isCandidate && after ? n : 3 * n;
  g.bCol = 1;
  g.c = c.out<T>(0) + (isCandidate ? 2 * n : 0);
  g.ldc = 3 * n;
  g.epilogue.prior = Prior::old;
  return g;
}
// The same in mixed precision: what is float32 among the operands is rounded as it is read.
GemmBfloat16 narrowGruWeightPart(const Call& c, bool isCandidate) {
  const int64_t n = c.ints[1];
  const bool after = c.ints[2] != 0;
  const auto columns = [&](int i, int64_t row, int64_t first) {
    return c.operands[i].dtype == DType::bfloat16 ? narrowMatrix(c.in<bfloat16>(i) + first, 1, row) : wideMatrix(c.in<float>(i) + first, 1, row);
  };
  GemmBfloat16 g{};
  g.m = n;
  g.n = isCandidate ? n : 2 * n;
  g.k = c.ints[0];
  g.a = columns(isCandidate && !after ? 2 : 1, n, 0);
  g.b = isCandidate && after ? columns(4, n, 0) : columns(3, 3 * n, isCandidate ? 2 * n : 0);
  g.c = c.out<float>(0) + (isCandidate ? 2 * n : 0);
  g.ldc = 3 * n;
  g.wide = true;
  g.epilogue.prior = Prior::old;
  return g;
}
void run_gru_weight_accumulate(const Call& c) {
  if (c.stored == DType::bfloat16) {
    for (bool isCandidate : {false, true}) gemmBfloat16(narrowGruWeightPart(c, isCandidate), c.workspace);
    return;
  }
  byFloat(c, [&]<class T>() {
    gemm(gruWeightPart<T>(c, false), c.workspace);
    gemm(gruWeightPart<T>(c, true), c.workspace);
  });
}
const char* checkGruWeight(const Call& c) {
  const int64_t rows = c.ints[0], n = c.ints[1];
  if (rows < 0 || n < 1 || n >= int64_t(1) << 24) return "rows or hidden out of range";
  return checkLengths(c, {{0, n * 3 * n}, {1, checkedProduct(rows, n)}, {2, checkedProduct(rows, n)}, {3, checkedProduct(rows, 3 * n)},
                          {4, checkedProduct(rows, n)}});
}
size_t gruWeightWorkspace(const Call& c) {
  size_t bytes = 0;
  if (c.stored == DType::bfloat16) return std::max(gemmBfloat16Workspace(narrowGruWeightPart(c, false)), gemmBfloat16Workspace(narrowGruWeightPart(c, true)));
  byFloat(c, [&]<class T>() { bytes = std::max(gemmWorkspace(gruWeightPart<T>(c, false)), gemmWorkspace(gruWeightPart<T>(c, true))); });
  return bytes;
}

}  // namespace

extern const OpFunctions op_gru = {run_gru, checkGru, gruWorkspace<6, false>};
extern const OpFunctions op_gru_backward = {run_gru_backward, checkGruBackward, gruWorkspace<5, true>};
extern const OpFunctions op_gru_weight_accumulate = {run_gru_weight_accumulate, checkGruWeight, gruWeightWorkspace};

}  // namespace nodegrad::ops
