// Scaled dot-product attention of several heads: tiles of keys, a running maximum and a running sum, so that no row of scores is ever whole.
//
// y = softmax(q·kᵀ·scale)·v for each example and head; operands are [batch, positions, heads · depth], as linear layers leave them.
// Order of arithmetic, for each query: keys in tiles of 64, in order. A score has one accumulator over the depth; weights are exp(score − m)
// with m the largest so far, NaN included; when m grows, the sum and the output are multiplied by exp(old − new) first; the sum takes a
// tile's weights in the order of the op `sum`, the output takes its keys one by one with FMA; the last is a division. Gradients: scores anew,
// weights from maximum and sum; dq takes keys in order, dk and dv take queries in order, each with one accumulator. So bits do not depend on
// threads, on the batch, or on how many queries a block has. Keys behind a causal mask are left out; a query without a key gives zeros.
// ints: batch, queries, keys, heads, depth, causal (0 or 1); reals: scale, dropout probability of weights.
// keep [batch, keys] may be empty: all keys count; the random state may be, without dropout. Statistics: maximum and sum of each row.
#include <algorithm>

#include "gemm_table.h"
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"
#include "workspace.h"

namespace nodegrad::ops {
namespace {

constexpr int64_t keyTile = 64;      // part of the definition
constexpr int64_t queryBlock = 128;  // not part of it
constexpr int stateWords = 6;

struct Sizes {
  int64_t batch, queries, keys, heads, depth;
  bool causal;
  int64_t row() const { return heads * depth; }  // elements from a position to the next
  // Random numbers of a row of weights: blocks of four.
  int64_t words() const { return (keys + 3) / 4 * 4; }
};
Sizes sizesOf(const Call& c) { return {c.ints[0], c.ints[1], c.ints[2], c.ints[3], c.ints[4], c.ints[5] != 0}; }

// c[m, n] = start + a·b, each output with one accumulator over k; no start: from zero.
template <class T>
void product(int64_t m, int64_t n, int64_t k, const T* a, int64_t aRow, int64_t aCol, const T* b, int64_t bRow, bool onward, T* c, int64_t cRow) {
  const Kernels<T>& kernels = kernelsOf<T>();
  const int64_t panel = kernels.gemmVectors(m, n, stepsOfKept(k)) * int64_t(16);
  for (int64_t j = 0; j < n; j += panel)
    kernels.gemmPanel(m, std::min(panel, n - j), k, a, aRow, aCol, b + j, bRow, onward ? c + j : nullptr, cRow, c + j, cRow, {}, {});
}

// One head of one example: where its operands begin, and what tiles of it are.
template <class T> struct Head {
  const Sizes& s;
  int64_t example, head;
  T scale;
  const uint8_t* keep;    // of the example, or null
  const uint32_t* state;  // or null
  DropoutScale drop;

  int64_t queriesAt(int64_t q) const { return (example * s.queries + q) * s.row() + head * s.depth; }
  int64_t keysAt(int64_t k) const { return (example * s.keys + k) * s.row() + head * s.depth; }
  int64_t statisticsAt(int64_t q) const { return ((example * s.heads + head) * s.queries + q) * 2; }
  // The first row of a block from query q on that sees a key of the tile, and how many of its keys a row sees.
  int64_t firstRow(int64_t q, int64_t key) const { return s.causal ? std::max<int64_t>(0, key - q) : 0; }
  int64_t seen(int64_t query, int64_t key, int64_t count) const { return s.causal ? std::min(count, query - key + 1) : count; }
  const uint8_t* keepFrom(int64_t key) const { return keep ? keep + key : nullptr; }
  void dropRow(T* to, const T* from, int64_t query, int64_t key, int64_t count) const {
    const int64_t row = (example * s.heads + head) * s.queries + query;
    kernelsOf<T>().dropout(to, from, state, uint64_t(row * s.words() + key), count, drop.threshold, T(drop.factor));
  }
};

template <class T> Head<T> headOf(const Call& c, const Sizes& s, int64_t index, int keep) {
  const auto* kept = c.length(keep) ? c.in<uint8_t>(keep) + index / s.heads * s.keys : nullptr;
  const auto* state = c.length(keep + 1) ? reinterpret_cast<const uint32_t*>(c.in<int32_t>(keep + 1)) : nullptr;
  return {s, index / s.heads, index % s.heads, T(c.reals[0]), kept, state, dropoutScale(c.reals[1])};
}

// ---- forward ------------------------------------------------------------------------------------------------------------------

template <class T> size_t forwardWorker(const Sizes& s) { return size_t(padded<T>(s.depth * keyTile) + queryBlock * keyTile); }

// Queries [q0, q0 + rows) of a head.
template <class T> void attend(const Call& c, const Head<T>& h, int64_t q0, int64_t rows, T* turned) {
  const Kernels<T>& kernels = kernelsOf<T>();
  const Sizes& s = h.s;
  T *const y = c.out<T>(0) + h.queriesAt(q0), *const statistics = c.out<T>(1) + h.statisticsAt(q0);
  const T *q = c.in<T>(2) + h.queriesAt(q0), *k = c.in<T>(3), *v = c.in<T>(4);
  T* const scores = turned + padded<T>(s.depth * keyTile);
  for (int64_t i = 0; i < rows; ++i) {
    statistics[2 * i] = T(-__builtin_inf());
    statistics[2 * i + 1] = 0;
  }
  for (int64_t key = 0; key < s.keys; key += keyTile) {
    const int64_t count = std::min(keyTile, s.keys - key), first = h.firstRow(q0, key), m = rows - first;
    if (m <= 0) break;
    kernels.transposeBlock(count, s.depth, k + h.keysAt(key), s.row(), turned, count);
    product(m, count, s.depth, q + first * s.row(), s.row(), int64_t(1), turned, count, false, scores, keyTile);
    for (int64_t i = 0; i < m; ++i) {
      T* const row = scores + i * keyTile;
      T* const own = statistics + 2 * (first + i);
      T* const out = y + (first + i) * s.row();
      T state[3] = {own[0], own[1], 1};
      kernels.attentionRow(row, h.keepFrom(key), h.seen(q0 + first + i, key, count), count, h.scale, state);
      own[0] = state[0];
      own[1] = state[1];
      if (key > 0 && state[2] != 1) kernels.mul(out, out, 1, state + 2, 0, s.depth, false);
      if (h.state) h.dropRow(row, row, q0 + first + i, key, count);
    }
    product(m, s.depth, count, static_cast<const T*>(scores), keyTile, int64_t(1), v + h.keysAt(key), s.row(), key > 0, y + first * s.row(), s.row());
  }
  for (int64_t i = 0; i < rows; ++i) {
    T* const out = y + i * s.row();
    if (statistics[2 * i + 1] == 0) kernels.fill(out, T(0), s.depth);
    else kernels.div(out, out, 1, statistics + 2 * i + 1, 0, s.depth, false);
  }
}

void run_attention(const Call& c) {
  const Sizes s = sizesOf(c);
  byFloat(c, [&]<class T>() {
    const int64_t blocks = tilesOf(s.queries, queryBlock);
    parallelFor(s.batch * s.heads * blocks, [&](int64_t tile, int worker) {
      const int64_t q0 = tile % blocks * queryBlock;
      attend(c, headOf<T>(c, s, tile / blocks, 5), q0, std::min(queryBlock, s.queries - q0),
             aligned<T>(c.workspace) + size_t(worker) * forwardWorker<T>(s));
    });
  });
}

// ---- gradients ----------------------------------------------------------------------------------------------------------------

// Two tiles turned, scores, their gradients, dropped weights, and Σ dy·y for each query.
template <class T> size_t backwardWorker(const Sizes& s) {
  return size_t(2 * padded<T>(s.depth * keyTile) + 3 * queryBlock * keyTile + padded<T>(s.queries));
}

template <class T> void attendBackward(const Call& c, const Head<T>& h, T* work) {
  const Kernels<T>& kernels = kernelsOf<T>();
  const Sizes& s = h.s;
  T *dq = c.out<T>(0), *dk = c.out<T>(1), *dv = c.out<T>(2);
  const T *dy = c.in<T>(3), *q = c.in<T>(4), *k = c.in<T>(5), *v = c.in<T>(6), *y = c.in<T>(7), *statistics = c.in<T>(8) + h.statisticsAt(0);
  T *const keysTurned = work, *const valuesTurned = keysTurned + padded<T>(s.depth * keyTile);
  T *const weights = valuesTurned + padded<T>(s.depth * keyTile), *const slopes = weights + queryBlock * keyTile;
  T *const dropped = slopes + queryBlock * keyTile, *const delta = dropped + queryBlock * keyTile;
  for (int64_t i = 0; i < s.queries; ++i) delta[i] = kernels.dot(dy + h.queriesAt(i), y + h.queriesAt(i), s.depth);
  for (int64_t i = 0; s.keys == 0 && i < s.queries; ++i) kernels.fill(dq + h.queriesAt(i), T(0), s.depth);
  for (int64_t key = 0; key < s.keys; key += keyTile) {
    const int64_t count = std::min(keyTile, s.keys - key), at = h.keysAt(key);
    kernels.transposeBlock(count, s.depth, k + at, s.row(), keysTurned, count);
    kernels.transposeBlock(count, s.depth, v + at, s.row(), valuesTurned, count);
    bool onward = false;
    for (int64_t q0 = 0; q0 < s.queries; q0 += queryBlock) {
      const int64_t first = q0 + h.firstRow(q0, key), m = std::min(queryBlock, s.queries - q0) - (first - q0), from = h.queriesAt(first);
      if (m <= 0) continue;
      product(m, count, s.depth, q + from, s.row(), int64_t(1), static_cast<const T*>(keysTurned), count, false, weights, keyTile);
      product(m, count, s.depth, dy + from, s.row(), int64_t(1), static_cast<const T*>(valuesTurned), count, false, slopes, keyTile);
      for (int64_t i = 0; i < m; ++i) {
        T *const p = weights + i * keyTile, *const d = slopes + i * keyTile;
        const int64_t query = first + i;
        kernels.attentionWeights(p, h.keepFrom(key), h.seen(query, key, count), count, h.scale, statistics[2 * query], statistics[2 * query + 1]);
        if (h.state) {
          h.dropRow(dropped + i * keyTile, p, query, key, count);
          h.dropRow(d, d, query, key, count);
        }
        kernels.attentionGradient(d, p, count, delta[query], h.scale);
      }
      const T *used = h.state ? dropped : weights, *d = slopes;
      product(count, s.depth, m, used, int64_t(1), keyTile, dy + from, s.row(), onward, dv + at, s.row());
      product(count, s.depth, m, d, int64_t(1), keyTile, q + from, s.row(), onward, dk + at, s.row());
      product(m, s.depth, count, d, keyTile, int64_t(1), k + at, s.row(), key > 0, dq + from, s.row());
      onward = true;
    }
    for (int64_t j = 0; !onward && j < count; ++j) {
      kernels.fill(dk + h.keysAt(key + j), T(0), s.depth);
      kernels.fill(dv + h.keysAt(key + j), T(0), s.depth);
    }
  }
}

void run_attention_backward(const Call& c) {
  if (c.length(0) == 0 && c.length(1) == 0) return;
  const Sizes s = sizesOf(c);
  byFloat(c, [&]<class T>() {
    parallelFor(s.batch * s.heads, [&](int64_t index, int worker) {
      attendBackward(c, headOf<T>(c, s, index, 9), aligned<T>(c.workspace) + size_t(worker) * backwardWorker<T>(s));
    });
  });
}

// ---- checks -------------------------------------------------------------------------------------------------------------------

const char* checkSizes(const Call& c, int statistics, int keep) {
  const Sizes s = sizesOf(c);
  if (s.batch < 0 || s.queries < 0 || s.keys < 0 || s.heads < 1 || s.depth < 1) return "sizes must not be negative, heads and depth at least 1";
  if (s.causal && s.queries != s.keys) return "a causal mask wants as many keys as queries";
  if (c.length(statistics) != checkedProduct(checkedProduct(checkedProduct(s.batch, s.heads), s.queries), 2)) return "two statistics for each query of a head";
  if (c.length(keep) != 0 && c.length(keep) != checkedProduct(s.batch, s.keys)) return "the mask does not have batch × keys elements";
  if (!(c.reals[1] >= 0 && c.reals[1] <= 1)) return "the dropout probability must be from 0 to 1";
  if (c.length(keep + 1) != 0 && c.length(keep + 1) != stateWords) return "the random state must have 6 words";
  return nullptr;
}
const char* checkOperands(const Call& c, std::initializer_list<int> ofQueries, std::initializer_list<int> ofKeys) {
  const Sizes s = sizesOf(c);
  const int64_t row = checkedProduct(checkedProduct(s.batch, s.heads), s.depth);
  for (int i : ofQueries)
    if (c.length(i) != checkedProduct(row, s.queries)) return "a tensor does not have batch × queries × heads × depth elements";
  for (int i : ofKeys)
    if (c.length(i) != checkedProduct(row, s.keys)) return "a tensor does not have batch × keys × heads × depth elements";
  return nullptr;
}
const char* checkAttention(const Call& c) {
  const char* problem = checkSizes(c, 1, 5);
  return problem ? problem : checkOperands(c, {0, 2}, {3, 4});
}
const char* checkAttentionBackward(const Call& c) {
  const char* problem = checkSizes(c, 8, 9);
  return problem ? problem : checkOperands(c, {0, 3, 4, 7}, {1, 2, 5, 6});
}

template <class F> size_t workspaceOf(const Call& c, F&& elements) {
  size_t bytes = 0;
  byFloat(c, [&]<class T>() { bytes = elements.template operator()<T>(sizesOf(c)) * sizeof(T) * size_t(threads()) + 64; });
  return bytes;
}
size_t attentionWorkspace(const Call& c) {
  return workspaceOf(c, []<class T>(const Sizes& s) { return forwardWorker<T>(s); });
}
size_t attentionBackwardWorkspace(const Call& c) {
  return workspaceOf(c, []<class T>(const Sizes& s) { return backwardWorker<T>(s); });
}

}  // namespace

extern const OpFunctions op_attention = {run_attention, checkAttention, attentionWorkspace};
extern const OpFunctions op_attention_backward = {run_attention_backward, checkAttentionBackward, attentionBackwardWorkspace};

}  // namespace nodegrad::ops
