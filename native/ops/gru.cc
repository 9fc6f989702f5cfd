// GRU over a whole sequence, forward and backward, with the reset after the product or before it.
#include "gemm.h"
#include "recurrence.h"

namespace nodegrad::ops {
namespace {

// 0 y[b, t, n], 1 final[b, n], 2 before[b, t, n], 3 gates[b, t, 4n]: 4 pre[b, t, 3n], 5 w[n, 3n], 6 bias[n] of the candidate's product, 7 initial,
// 8 mask. With the reset after the product it is one product a step, otherwise one for r and z and one for the candidate.

struct Gru {
  int64_t n;
  bool after;
  explicit Gru(const Call& c) : n(c.ints[2]), after(c.ints[4] != 0) {}
  template <class T> size_t block(const Sequence& s) const { return padded<T>(s.blockRows() * (n + apart(3 * n) + apart(n))); }
  // Columns [first, first + count) of w as a product of their own.
  template <class T> StepWeights<T> part(const T* w, int64_t first, int64_t count, bool turned) const {
    return turned ? StepWeights<T>{w + first, 1, 3 * n, count, n} : StepWeights<T>{w + first, 3 * n, 1, n, count};
  }
  template <class T> StepWeights<T> gates(const T* w, bool turned) const { return part(w, 0, after ? 3 * n : 2 * n, turned); }
  template <class T> StepWeights<T> candidate(const T* w, bool turned) const { return part(w, 2 * n, n, turned); }
  template <class T> size_t workspace(const Call& c, bool turned) const {
    const Sequence s(c, 8);
    const int64_t rows = s.blockRows(), steps = s.batch * s.time;
    const size_t packed = gates(c.in<T>(5), turned).plan(rows, steps) + (after ? 0 : candidate(c.in<T>(5), turned).plan(rows, steps));
    return (packed + s.scratch(block<T>(s))) * sizeof(T) + 64;
  }
};

void run_gru(const Call& c) {
  byFloat(c, [&]<class T>() {
    const Sequence s(c, 8);
    const Gru sizes(c);
    const int64_t n = sizes.n, uRow = apart(3 * n), qRow = apart(n);
    const bool after = sizes.after;
    StepWeights<T> weights = sizes.gates(c.in<T>(5), false), candidate = sizes.candidate(c.in<T>(5), false);
    weights.plan(s.blockRows(), s.batch * s.time);
    T* scratch = weights.pack(aligned<T>(c.workspace));
    if (!after) {
      candidate.plan(s.blockRows(), s.batch * s.time);
      scratch = candidate.pack(scratch);
    }
    const auto& kernels = kernelsOf<T>();
    s.eachBlock(n * 3 * n, scratch, sizes.block<T>(s), [&](int64_t begin, int64_t rows, T* h) {
      T *const u = h + rows * n, *const q = u + rows * uRow;
      loadRows(h, optional<T>(c, 7), begin, rows, n);
      for (int64_t step = 0; step < s.time; ++step) {
        const int64_t t = s.at(step);
        const bool any = s.anyLive(begin, rows, t);
        if (any) weights.multiply(rows, h, n, u, uRow);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          T *const gates = c.out<T>(3) + row * 4 * n, *const state = h + i * n;
          const T* const pre = c.in<T>(4) + row * 3 * n;
          copyRow(c.out<T>(2) + row * n, state, n);
          if (!s.isLive(row)) clearRow(gates, 4 * n);
          else if (after) kernels.gruCell(state, gates, pre, u + i * uRow, optional<T>(c, 6), n);
          else kernels.gruReset(gates, pre, u + i * uRow, state, n);
          if (!after) copyRow(q + i * qRow, gates + 3 * n, n);
        }
        if (any && !after) candidate.multiply(rows, q, qRow, u, uRow);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          if (!s.isLive(row)) {
            clearRow(c.out<T>(0) + row * n, n);
            continue;
          }
          if (!after) kernels.gruCandidate(h + i * n, c.out<T>(3) + row * 4 * n, c.in<T>(4) + row * 3 * n, u + i * uRow, n);
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
  return checkLengths(c, {{0, each}, {1, state}, {2, each}, {3, s.each(4 * n)}, {4, s.each(3 * n)}, {5, n * 3 * n}, {6, n, true},
                          {7, state, true}, {8, s.rows, true}});
}
template <bool turned> size_t gruWorkspace(const Call& c) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() { bytes = Gru(c).workspace<T>(c, turned); });
  return bytes;
}

// 0 dpre[b, t, 3n], 1 dinitial, 2 dq[b, t, n]: 3 dy, 4 dfinal, 5 w, 6 before, 7 gates, 8 mask
void run_gru_backward(const Call& c) {
  byFloat(c, [&]<class T>() {
    const Sequence s(c, 8);
    const Gru sizes(c);
    const int64_t n = sizes.n, daRow = apart(3 * n), qRow = apart(n);
    const bool after = sizes.after;
    StepWeights<T> weights = sizes.gates(c.in<T>(5), true), candidate = sizes.candidate(c.in<T>(5), true);
    weights.plan(s.blockRows(), s.batch * s.time);
    T* scratch = weights.pack(aligned<T>(c.workspace));
    if (!after) {
      candidate.plan(s.blockRows(), s.batch * s.time);
      scratch = candidate.pack(scratch);
    }
    const auto& kernels = kernelsOf<T>();
    const T* const dy = optional<T>(c, 3);
    s.eachBlock(n * 3 * n, scratch, sizes.block<T>(s), [&](int64_t begin, int64_t rows, T* d) {
      T *const da = d + rows * n, *const q = da + rows * daRow;
      loadRows(d, optional<T>(c, 4), begin, rows, n);
      for (int64_t step = s.time; step-- > 0;) {
        const int64_t t = s.at(step);
        const bool any = s.anyLive(begin, rows, t);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          T *const own = c.out<T>(0) + row * 3 * n, *const dq = c.out<T>(2) + row * n, *const state = d + i * n;
          const T *const gates = c.in<T>(7) + row * 4 * n, *const before = c.in<T>(6) + row * n;
          if (!s.isLive(row)) {
            clearRow(own, 3 * n);
            clearRow(dq, n);
          } else {
            if (dy) kernels.accumulate(state, dy + row * n, n);
            if (after) kernels.gruCellBackward(own, dq, state, gates, before, n);
            else kernels.gruCandidateBackward(own, state, gates, before, n);
          }
          // What the product takes: with the reset after it, the gradient of what r lets through in place of the candidate's.
          if (after) copyRow(da + i * daRow, own, 2 * n);
          copyRow(da + i * daRow + 2 * n, after ? dq : own + 2 * n, n);
        }
        if (!any) continue;
        if (!after) {
          candidate.multiply(rows, da + 2 * n, daRow, q, qRow);
          for (int64_t i = 0; i < rows; ++i) {
            const int64_t row = (begin + i) * s.time + t;
            T *const own = c.out<T>(0) + row * 3 * n, *const dq = c.out<T>(2) + row * n;
            if (s.isLive(row)) {
              copyRow(dq, q + i * qRow, n);
              kernels.gruResetBackward(own, d + i * n, dq, c.in<T>(7) + row * 4 * n, c.in<T>(6) + row * n, n);
            }
            copyRow(da + i * daRow, own, 2 * n);
          }
        }
        s.multiplyLive(weights, begin, rows, t, da, daRow, d, n);
      }
      copyRow(c.out<T>(1) + begin * n, d, rows * n);
    });
  });
}
const char* checkGruBackward(const Call& c) {
  const Sizes s(c);
  if (!s.areGood()) return "batch, time or hidden out of range";
  const int64_t n = s.hidden, each = s.each(n), state = s.state(n);
  return checkLengths(c, {{0, s.each(3 * n)}, {1, state}, {2, each}, {3, each, true}, {4, state, true}, {5, n * 3 * n}, {6, each},
                          {7, s.each(4 * n)}, {8, s.rows, true}});
}

// 0 dw[n, 3n]: 1 before[rows, n], 2 gates[rows, 4n], 3 dpre[rows, 3n], 4 dq[rows, n]. The candidate's columns are (what r lets through)ᵀ·dpre, or with
// the reset after the product beforeᵀ·dq.
template <class T> Gemm<T> gruWeightPart(const Call& c, bool isCandidate) {
  const int64_t n = c.ints[1];
  const bool after = c.ints[2] != 0;
  Gemm<T> g{};
  g.m = n;
  g.n = isCandidate ? n : 2 * n;
  g.k = c.ints[0];
  g.a = isCandidate && !after ? c.in<T>(2) + 3 * n : c.in<T>(1);
  g.aRow = 1;
  g.aCol = isCandidate && !after ? 4 * n : n;
  g.b = !isCandidate ? c.in<T>(3) : after ? c.in<T>(4) : c.in<T>(3) + 2 * n;
  g.bRow = isCandidate && after ? n : 3 * n;
  g.bCol = 1;
  g.c = c.out<T>(0) + (isCandidate ? 2 * n : 0);
  g.ldc = 3 * n;
  g.epilogue.prior = Prior::old;
  return g;
}
void run_gru_weight_accumulate(const Call& c) {
  byFloat(c, [&]<class T>() {
    gemm(gruWeightPart<T>(c, false), c.workspace);
    gemm(gruWeightPart<T>(c, true), c.workspace);
  });
}
const char* checkGruWeight(const Call& c) {
  const int64_t rows = c.ints[0], n = c.ints[1];
  if (rows < 0 || n < 1 || n >= int64_t(1) << 24) return "rows or hidden out of range";
  return checkLengths(c, {{0, n * 3 * n}, {1, checkedProduct(rows, n)}, {2, checkedProduct(rows, 4 * n)}, {3, checkedProduct(rows, 3 * n)},
                          {4, checkedProduct(rows, n)}});
}
size_t gruWeightWorkspace(const Call& c) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() { bytes = std::max(gemmWorkspace(gruWeightPart<T>(c, false)), gemmWorkspace(gruWeightPart<T>(c, true))); });
  return bytes;
}

}  // namespace

extern const OpFunctions op_gru = {run_gru, checkGru, gruWorkspace<false>};
extern const OpFunctions op_gru_backward = {run_gru_backward, checkGruBackward, gruWorkspace<true>};
extern const OpFunctions op_gru_weight_accumulate = {run_gru_weight_accumulate, checkGruWeight, gruWeightWorkspace};

}  // namespace nodegrad::ops
