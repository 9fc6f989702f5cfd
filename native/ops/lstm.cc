// LSTM over a whole sequence, forward and backward, with and without a projection.
#include "recurrence.h"

namespace nodegrad::ops {
namespace {

// 0 y[b, t, p], 1 last h[b, p], 2 last c[b, n], 3 h before[b, t, p], 4 c before[b, t, n], 5 gates[b, t, 4n], 6 h before the projection, where there
// is one[b, t, n]: 7 pre[b, t, 4n], 8 w[p, 4n], 9 projection[n, p], 10 first h, 11 first c, 12 mask. Without a projection p is n.

struct Lstm {
  int64_t n, p;
  bool projects;
  explicit Lstm(const Call& c) : n(c.ints[2]), p(c.ints[4] ? c.ints[4] : n), projects(c.ints[4] != 0) {}
  template <class T> size_t block(const Sequence& s) const { return padded<T>(s.blockRows() * (p + n + apart(4 * n) + (projects ? n : 0))); }
  template <class T> StepWeights<T> gates(const T* w, bool turned) const {
    return turned ? StepWeights<T>{w, 1, 4 * n, 4 * n, p} : StepWeights<T>{w, 4 * n, 1, p, 4 * n};
  }
  template <class T> StepWeights<T> projection(const T* w, bool turned) const {
    return turned ? StepWeights<T>{w, 1, p, p, n} : StepWeights<T>{w, p, 1, n, p};
  }
  template <class T> size_t workspace(const Sequence& s, bool turned) const {
    const size_t packed = gates<T>(nullptr, turned).plan(s.blockRows(), s.batch * s.time) +
                          (projects ? projection<T>(nullptr, turned).plan(s.blockRows(), s.batch * s.time) : 0);
    return (packed + s.scratch(block<T>(s))) * sizeof(T) + 64;
  }
};

void run_lstm(const Call& c) {
  byFloat(c, [&]<class T>() {
    const Sequence s(c, 12);
    const Lstm sizes(c);
    const int64_t n = sizes.n, p = sizes.p, uRow = apart(4 * n);
    const bool projects = sizes.projects;
    StepWeights<T> weights = sizes.gates(c.in<T>(8), false), projection = sizes.projection(c.in<T>(9), false);
    weights.plan(s.blockRows(), s.batch * s.time);
    T* scratch = weights.pack(aligned<T>(c.workspace));
    if (projects) {
      projection.plan(s.blockRows(), s.batch * s.time);
      scratch = projection.pack(scratch);
    }
    s.eachBlock(p * 4 * n, scratch, sizes.block<T>(s), [&](int64_t begin, int64_t rows, T* h) {
      T *const cell = h + rows * p, *const u = cell + rows * n, *const raw = u + rows * uRow;
      loadRows(h, optional<T>(c, 10), begin, rows, p);
      loadRows(cell, optional<T>(c, 11), begin, rows, n);
      for (int64_t step = 0; step < s.time; ++step) {
        const int64_t t = s.at(step);
        const bool any = s.anyLive(begin, rows, t);
        if (any) weights.multiply(rows, h, p, u, uRow);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          copyRow(c.out<T>(3) + row * p, h + i * p, p);
          copyRow(c.out<T>(4) + row * n, cell + i * n, n);
          T* const gates = c.out<T>(5) + row * 4 * n;
          T* const out = projects ? raw + i * n : h + i * p;
          if (s.isLive(row)) {
            kernelsOf<T>().lstmCell(out, cell + i * n, gates, c.in<T>(7) + row * 4 * n, u + i * uRow, n);
          } else {
            clearRow(gates, 4 * n);
            if (projects) clearRow(out, n);
          }
          if (projects) copyRow(c.out<T>(6) + row * n, out, n);
        }
        // Through u, for examples without a step keep their state.
        if (any && projects) projection.multiply(rows, raw, n, u, uRow);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          if (!s.isLive(row)) {
            clearRow(c.out<T>(0) + row * p, p);
            continue;
          }
          if (projects) copyRow(h + i * p, u + i * uRow, p);
          copyRow(c.out<T>(0) + row * p, h + i * p, p);
        }
      }
      copyRow(c.out<T>(1) + begin * p, h, rows * p);
      copyRow(c.out<T>(2) + begin * n, cell, rows * n);
    });
  });
}
const char* checkLstm(const Call& c) {
  const Sizes s(c);
  if (!s.areGood() || c.ints[4] < 0 || c.ints[4] > s.hidden) return "batch, time, hidden or projected out of range";
  const Lstm l(c);
  const int64_t n = l.n, p = l.p, raw = l.projects ? s.each(n) : 0;
  return checkLengths(c, {{0, s.each(p)}, {1, s.state(p)}, {2, s.state(n)}, {3, s.each(p)}, {4, s.each(n)}, {5, s.each(4 * n)}, {6, raw},
                          {7, s.each(4 * n)}, {8, p * 4 * n}, {9, l.projects ? n * p : 0}, {10, s.state(p), true}, {11, s.state(n), true},
                          {12, s.rows, true}});
}
size_t lstmWorkspace(const Call& c) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() { bytes = Lstm(c).workspace<T>(Sequence(c, 12), false); });
  return bytes;
}

// 0 dpre, 1 dh first, 2 dc first, 3 the whole gradient by y, where there is a projection: 4 dy, 5 dh last, 6 dc last, 7 w, 8 projection, 9 gates,
// 10 c before, 11 mask
void run_lstm_backward(const Call& c) {
  byFloat(c, [&]<class T>() {
    const Sequence s(c, 11);
    const Lstm sizes(c);
    const int64_t n = sizes.n, p = sizes.p, daRow = apart(4 * n);
    const bool projects = sizes.projects;
    StepWeights<T> weights = sizes.gates(c.in<T>(7), true), projection = sizes.projection(c.in<T>(8), true);
    weights.plan(s.blockRows(), s.batch * s.time);
    T* scratch = weights.pack(aligned<T>(c.workspace));
    if (projects) {
      projection.plan(s.blockRows(), s.batch * s.time);
      scratch = projection.pack(scratch);
    }
    const T* const dy = optional<T>(c, 4);
    s.eachBlock(p * 4 * n, scratch, sizes.block<T>(s), [&](int64_t begin, int64_t rows, T* d) {
      T *const dc = d + rows * p, *const da = dc + rows * n, *const raw = da + rows * daRow;
      loadRows(d, optional<T>(c, 5), begin, rows, p);
      loadRows(dc, optional<T>(c, 6), begin, rows, n);
      for (int64_t step = s.time; step-- > 0;) {
        const int64_t t = s.at(step);
        const bool any = s.anyLive(begin, rows, t);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          const bool live = s.isLive(row);
          if (live && dy) kernelsOf<T>().accumulate(d + i * p, dy + row * p, p);
          if (!projects) continue;
          if (live) copyRow(c.out<T>(3) + row * p, d + i * p, p);
          else clearRow(c.out<T>(3) + row * p, p);
        }
        if (any && projects) projection.multiply(rows, d, p, raw, n);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          T* const own = c.out<T>(0) + row * 4 * n;
          if (s.isLive(row)) {
            const T* const out = projects ? raw + i * n : d + i * p;
            kernelsOf<T>().lstmCellBackward(own, out, dc + i * n, c.in<T>(9) + row * 4 * n, c.in<T>(10) + row * n, n);
            clearRow(d + i * p, p);
          } else {
            clearRow(own, 4 * n);
          }
          copyRow(da + i * daRow, own, 4 * n);
        }
        s.multiplyLive(weights, begin, rows, t, da, daRow, d, p);
      }
      copyRow(c.out<T>(1) + begin * p, d, rows * p);
      copyRow(c.out<T>(2) + begin * n, dc, rows * n);
    });
  });
}
const char* checkLstmBackward(const Call& c) {
  const Sizes s(c);
  if (!s.areGood() || c.ints[4] < 0 || c.ints[4] > s.hidden) return "batch, time, hidden or projected out of range";
  const Lstm l(c);
  const int64_t n = l.n, p = l.p;
  return checkLengths(c, {{0, s.each(4 * n)}, {1, s.state(p)}, {2, s.state(n)}, {3, l.projects ? s.each(p) : 0}, {4, s.each(p), true},
                          {5, s.state(p), true}, {6, s.state(n), true}, {7, p * 4 * n}, {8, l.projects ? n * p : 0}, {9, s.each(4 * n)},
                          {10, s.each(n)}, {11, s.rows, true}});
}
size_t lstmBackwardWorkspace(const Call& c) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() { bytes = Lstm(c).workspace<T>(Sequence(c, 11), true); });
  return bytes;
}

}  // namespace

extern const OpFunctions op_lstm = {run_lstm, checkLstm, lstmWorkspace};
extern const OpFunctions op_lstm_backward = {run_lstm_backward, checkLstmBackward, lstmBackwardWorkspace};

}  // namespace nodegrad::ops
