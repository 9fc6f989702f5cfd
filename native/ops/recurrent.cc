// The simple recurrent layer over a whole sequence, forward and backward; and masks from lengths.
#include "recurrence.h"

namespace nodegrad::ops {
namespace {

// 0 y[b, t, n], 1 final[b, n], 2 before[b, t, n]: 3 pre[b, t, n], 4 w[n, n], 5 initial[b, n], 6 mask. y may lie where pre does.

// What forward and backward set up: weights are operand 4, the mask is operand `mask`.
template <class T> struct Rnn {
  Sequence s;
  int64_t n;
  bool rectified;
  StepWeights<T> weights;
  size_t block, bytes;

  Rnn(const Call& c, int mask, bool turned)
      : s(c, mask), n(s.hidden), rectified(c.ints[4] != 0), weights(c.in<T>(4), turned ? 1 : n, turned ? n : 1, n, n),
        block(padded<T>(s.blockRows() * (n + apart(n)))), bytes(s.plan({&weights}, block)) {}
  T* pack(const Call& c) { return packAll({&weights}, c.workspace); }
};

void run_rnn(const Call& c) {
  byFloat(c, [&]<class T>() {
    Rnn<T> rnn(c, 6, false);
    const Sequence& s = rnn.s;
    const int64_t n = rnn.n;
    const T* const first = optional<T>(c, 5);
    s.eachBlock(n * n, rnn.pack(c), rnn.block, [&](int64_t begin, int64_t rows, T* h) {
      T* const u = h + rows * n;
      loadRows(h, first, begin, rows, n);
      for (int64_t step = 0; step < s.time; ++step) {
        const int64_t t = s.at(step);
        if (step == 0 && !first) clearRow(u, rows * apart(n));
        else if (s.anyLive(begin, rows, t)) rnn.weights.multiply(rows, h, n, u, apart(n));
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t row = (begin + i) * s.time + t;
          copyRow(c.out<T>(2) + row * n, h + i * n, n);
          if (!s.isLive(row)) {
            clearRow(c.out<T>(0) + row * n, n);
            continue;
          }
          kernelsOf<T>().simpleCell(h + i * n, c.in<T>(3) + row * n, u + i * apart(n), n, rnn.rectified);
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

// 0 dpre, 1 dinitial where it is asked for: 2 dy, 3 dfinal, 4 w, 5 before, 6 final, 7 mask. dpre may lie where dy does.
void run_rnn_backward(const Call& c) {
  byFloat(c, [&]<class T>() {
    Rnn<T> rnn(c, 7, true);
    const Sequence& s = rnn.s;
    const int64_t n = rnn.n;
    const bool initialAsked = c.length(1) > 0;
    const T* const dy = optional<T>(c, 2);
    s.eachBlock(n * n, rnn.pack(c), rnn.block, [&](int64_t begin, int64_t rows, T* d) {
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
          kernelsOf<T>().simpleCellBackward(own, d + i * n, h, n, rnn.rectified);
          copyRow(da + i * apart(n), own, n);
        }
        if (step > 0 || initialAsked) s.multiplyLive(rnn.weights, false, begin, rows, t, da, apart(n), d, n);
      }
      if (initialAsked) copyRow(c.out<T>(1) + begin * n, d, rows * n);
    });
  });
}
const char* checkRnnBackward(const Call& c) {
  const Sizes s(c);
  if (!s.areGood()) return "batch, time or hidden out of range";
  const int64_t n = s.hidden, each = s.each(n), state = s.state(n);
  return checkLengths(c, {{0, each}, {1, state, true}, {2, each, true}, {3, state, true}, {4, n * n}, {5, each}, {6, state}, {7, s.rows, true}});
}
template <int mask, bool turned> size_t rnnWorkspace(const Call& c) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() { bytes = Rnn<T>(c, mask, turned).bytes; });
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

extern const OpFunctions op_rnn = {run_rnn, checkRnn, rnnWorkspace<6, false>};
extern const OpFunctions op_rnn_backward = {run_rnn_backward, checkRnnBackward, rnnWorkspace<7, true>};
extern const OpFunctions op_sequence_mask = {run_sequence_mask, checkSequenceMask, nullptr, guardSequenceMask, 1};

}  // namespace nodegrad::ops
