// LSTM over a whole sequence, forward and backward, with and without a projection.
#include "recurrence.h"

namespace nodegrad::ops {
namespace {

// 0 y[b, t, p], 1 last h[b, p], 2 last c[b, n], 3 h before[b, t, p], 4 c before[b, t, n], 5 gates[b, t, 4n], 6 h before the projection, where there
// is one[b, t, n]: 7 pre[b, t, 4n], 8 w[p, 4n], 9 projection[n, p], 10 first h, 11 first c, 12 mask. Without a projection p is n. The gates may lie
// where pre does.

int64_t projected(const Call& c) { return c.ints[4] ? c.ints[4] : c.ints[2]; }

// What forward and backward set up: weights are operand `w`, the projection stands behind them, the mask four places further on.
template <class T> struct Lstm {
  Sequence s;
  int64_t n, p;
  bool projects;
  StepWeights<T> gates, projection;
  size_t block, bytes;

  Lstm(const Call& c, int w, bool turned)
      : s(c, w + 4), n(c.ints[2]), p(projected(c)), projects(c.ints[4] != 0),
        gates(turned ? StepWeights<T>{c.in<T>(w), 1, 4 * n, 4 * n, p} : StepWeights<T>{c.in<T>(w), 4 * n, 1, p, 4 * n}),
        projection(!projects ? StepWeights<T>{nullptr, 1, 1, 0, 0}
                   : turned  ? StepWeights<T>{c.in<T>(w + 1), 1, p, p, n}
                             : StepWeights<T>{c.in<T>(w + 1), p, 1, n, p}),
        block(padded<T>(s.blockRows() * (p + n + apart(4 * n) + (projects ? n : 0)))), bytes(s.plan({&gates, &projection}, block)) {}
  T* pack(const Call& c) { return packAll({&gates, &projection}, c.workspace); }
};

void run_lstm(const Call& c) {
  byFloat(c, [&]<class T>() {
    Lstm<T> lstm(c, 8, false);
    const Sequence& s = lstm.s;
    const int64_t n = lstm.n, p = lstm.p, uRow = apart(4 * n);
    const bool projects = lstm.projects;
    const T* const first = optional<T>(c, 10);
    s.eachBlock(p * 4 * n, lstm.pack(c), lstm.block, [&](int64_t begin, int64_t rows, T* h) {
      T *const cell = h + rows * p, *const u = cell + rows * n, *const raw = u + rows * uRow;
      loadRows(h, first, begin, rows, p);
      loadRows(cell, optional<T>(c, 11), begin, rows, n);
      for (int64_t step = 0; step < s.time; ++step) {
        const int64_t t = s.at(step);
        const bool any = s.anyLive(begin, rows, t);
        if (step == 0 && !first) clearRow(u, rows * uRow);
        else if (any) lstm.gates.multiply(rows, h, p, u, uRow);
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
        if (any && projects) lstm.projection.multiply(rows, raw, n, u, uRow);
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
bool areSizes(const Call& c) { return Sizes(c).areGood() && c.ints[4] >= 0 && c.ints[4] <= c.ints[2]; }
const char* checkLstm(const Call& c) {
  if (!areSizes(c)) return "batch, time, hidden or projected out of range";
  const Sizes s(c);
  const int64_t n = s.hidden, p = projected(c);
  const bool projects = c.ints[4] != 0;
  return checkLengths(c, {{0, s.each(p)}, {1, s.state(p)}, {2, s.state(n)}, {3, s.each(p)}, {4, s.each(n)}, {5, s.each(4 * n)},
                          {6, projects ? s.each(n) : 0}, {7, s.each(4 * n)}, {8, p * 4 * n}, {9, projects ? n * p : 0}, {10, s.state(p), true},
                          {11, s.state(n), true}, {12, s.rows, true}});
}

// 0 dpre, 1 dh first, 2 dc first, each where it is asked for, 3 the whole gradient by y, where there is a projection: 4 dy, 5 dh last, 6 dc last,
// 7 w, 8 projection, 9 gates, 10 c before, 11 mask. dpre may lie where the gates do.
void run_lstm_backward(const Call& c) {
  byFloat(c, [&]<class T>() {
    Lstm<T> lstm(c, 7, true);
    const Sequence& s = lstm.s;
    const int64_t n = lstm.n, p = lstm.p, daRow = apart(4 * n);
    const bool projects = lstm.projects, startsAsked = c.length(1) > 0;
    const T* const dy = optional<T>(c, 4);
    s.eachBlock(p * 4 * n, lstm.pack(c), lstm.block, [&](int64_t begin, int64_t rows, T* d) {
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
        if (any && projects) lstm.projection.multiply(rows, d, p, raw, n);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          T* const own = c.out<T>(0) + row * 4 * n;
          const T* const out = projects ? raw + i * n : d + i * p;
          if (s.isLive(row)) kernelsOf<T>().lstmCellBackward(own, out, dc + i * n, c.in<T>(9) + row * 4 * n, c.in<T>(10) + row * n, n);
          else clearRow(own, 4 * n);
          copyRow(da + i * daRow, own, 4 * n);
        }
        if (step > 0 || startsAsked) s.multiplyLive(lstm.gates, false, begin, rows, t, da, daRow, d, p);
      }
      if (startsAsked) copyRow(c.out<T>(1) + begin * p, d, rows * p);
      if (c.length(2) > 0) copyRow(c.out<T>(2) + begin * n, dc, rows * n);
    });
  });
}
const char* checkLstmBackward(const Call& c) {
  if (!areSizes(c)) return "batch, time, hidden or projected out of range";
  const Sizes s(c);
  const int64_t n = s.hidden, p = projected(c);
  const bool projects = c.ints[4] != 0;
  return checkLengths(c, {{0, s.each(4 * n)}, {1, s.state(p), true}, {2, s.state(n), true}, {3, projects ? s.each(p) : 0}, {4, s.each(p), true},
                          {5, s.state(p), true}, {6, s.state(n), true}, {7, p * 4 * n}, {8, projects ? n * p : 0}, {9, s.each(4 * n)},
                          {10, s.each(n)}, {11, s.rows, true}});
}
template <int w, bool turned> size_t lstmWorkspace(const Call& c) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() { bytes = Lstm<T>(c, w, turned).bytes; });
  return bytes;
}

}  // namespace

extern const OpFunctions op_lstm = {run_lstm, checkLstm, lstmWorkspace<8, false>};
extern const OpFunctions op_lstm_backward = {run_lstm_backward, checkLstmBackward, lstmWorkspace<7, true>};

}  // namespace nodegrad::ops
