// The simple recurrent layer over a whole sequence, forward and backward; and masks from lengths.
#include "recurrence.h"

namespace nodegrad::ops {
namespace {

// 0 y[b, t, n], 1 final[b, n], 2 before[b, t, n]: 3 pre[b, t, n], 4 w[n, n], 5 initial[b, n], 6 mask

template <class T> size_t rnnBlock(const Sequence& s, int64_t n) { return padded<T>(s.blockRows() * (n + apart(n))); }
template <class T> StepWeights<T> rnnWeights(const T* w, int64_t n, bool turned) { return {w, turned ? 1 : n, turned ? n : 1, n, n}; }

void run_rnn(const Call& c) {
  byFloat(c, [&]<class T>() {
    const Sequence s(c, 6);
    const int64_t n = s.hidden;
    StepWeights<T> weights = rnnWeights(c.in<T>(4), n, false);
    weights.plan(s.blockRows(), s.batch * s.time);
    T* const scratch = weights.pack(aligned<T>(c.workspace));
    s.eachBlock(n * n, scratch, rnnBlock<T>(s, n), [&](int64_t begin, int64_t rows, T* h) {
      T* const u = h + rows * n;
      loadRows(h, optional<T>(c, 5), begin, rows, n);
      for (int64_t step = 0; step < s.time; ++step) {
        const int64_t t = s.at(step);
        if (s.anyLive(begin, rows, t)) weights.multiply(rows, h, n, u, apart(n));
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          copyRow(c.out<T>(2) + row * n, h + i * n, n);
          if (!s.isLive(row)) {
            clearRow(c.out<T>(0) + row * n, n);
            continue;
          }
          kernelsOf<T>().simpleCell(h + i * n, c.in<T>(3) + row * n, u + i * apart(n), n, c.ints[4] != 0);
          copyRow(c.out<T>(0) + row * n, h + i * n, n);
        }
      }
      copyRow(c.out<T>(1) + begin * n, h, rows * n);
    });
  });
}
const char* checkRnn(const Call& c) {
  const Sizes s(c);
  if (!s.areGood()) return "batch, time or hidden out of range";
  const int64_t n = s.hidden, each = s.each(n), state = s.state(n);
  return checkLengths(c, {{0, each}, {1, state}, {2, each}, {3, each}, {4, n * n}, {5, state, true}, {6, s.rows, true}});
}
size_t rnnWorkspace(const Call& c) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() {
    const Sequence s(c, 6);
    bytes = (rnnWeights<T>(nullptr, s.hidden, false).plan(s.blockRows(), s.batch * s.time) + s.scratch(rnnBlock<T>(s, s.hidden))) * sizeof(T) + 64;
  });
  return bytes;
}

// 0 dpre, 1 dinitial: 2 dy, 3 dfinal, 4 w, 5 before, 6 final, 7 mask
void run_rnn_backward(const Call& c) {
  byFloat(c, [&]<class T>() {
    const Sequence s(c, 7);
    const int64_t n = s.hidden;
    StepWeights<T> weights = rnnWeights(c.in<T>(4), n, true);
    weights.plan(s.blockRows(), s.batch * s.time);
    T* const scratch = weights.pack(aligned<T>(c.workspace));
    const T* const dy = optional<T>(c, 2);
    s.eachBlock(n * n, scratch, rnnBlock<T>(s, n), [&](int64_t begin, int64_t rows, T* d) {
      T* const da = d + rows * n;
      loadRows(d, optional<T>(c, 3), begin, rows, n);
      for (int64_t step = s.time; step-- > 0;) {
        const int64_t t = s.at(step);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          T* const own = c.out<T>(0) + row * n;
          if (!s.isLive(row)) {
            clearRow(own, n);
            continue;
          }
          const T* const h = step + 1 < s.time ? c.in<T>(5) + ((begin + i) * s.time + s.at(step + 1)) * n : c.in<T>(6) + (begin + i) * n;
          if (dy) kernelsOf<T>().accumulate(d + i * n, dy + row * n, n);
          kernelsOf<T>().simpleCellBackward(own, d + i * n, h, n, c.ints[4] != 0);
          copyRow(da + i * apart(n), own, n);
          clearRow(d + i * n, n);
        }
        s.multiplyLive(weights, begin, rows, t, da, apart(n), d, n);
      }
      copyRow(c.out<T>(1) + begin * n, d, rows * n);
    });
  });
}
const char* checkRnnBackward(const Call& c) {
  const Sizes s(c);
  if (!s.areGood()) return "batch, time or hidden out of range";
  const int64_t n = s.hidden, each = s.each(n), state = s.state(n);
  return checkLengths(c, {{0, each}, {1, state}, {2, each, true}, {3, state, true}, {4, n * n}, {5, each}, {6, state}, {7, s.rows, true}});
}
size_t rnnBackwardWorkspace(const Call& c) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() {
    const Sequence s(c, 7);
    bytes = (rnnWeights<T>(nullptr, s.hidden, true).plan(s.blockRows(), s.batch * s.time) + s.scratch(rnnBlock<T>(s, s.hidden))) * sizeof(T) + 64;
  });
  return bytes;
}

// 0 mask[batch, time]: 1 lengths[batch]

void run_sequence_mask(const Call& c) {
  const int64_t batch = c.ints[0], time = c.ints[1];
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = indexBelow(c.in<int32_t>(1) + b, time + 1);
    uint8_t* const row = c.out<uint8_t>(0) + b * time;
    std::fill(row, row + length, uint8_t(1));
    std::fill(row + length, row + time, uint8_t(0));
  }
}
const char* checkSequenceMask(const Call& c) {
  return c.ints[0] >= 0 && checkedProduct(c.ints[0], c.ints[1]) == c.length(0) && c.ints[1] >= 0 && c.length(1) == c.ints[0]
             ? nullptr
             : "batch and time do not fit the operands";
}
Refusal guardSequenceMask(const Call& c) {
  Refusal refusal = refuseOutside("length", c.in<int32_t>(1), c.ints[0], 0, c.ints[1]);
  refusal.place = "row";
  refusal.caller = "sequenceMask";
  return refusal;
}

}  // namespace

extern const OpFunctions op_rnn = {run_rnn, checkRnn, rnnWorkspace};
extern const OpFunctions op_rnn_backward = {run_rnn_backward, checkRnnBackward, rnnBackwardWorkspace};
extern const OpFunctions op_sequence_mask = {run_sequence_mask, checkSequenceMask, nullptr, guardSequenceMask, 1};

}  // namespace nodegrad::ops
