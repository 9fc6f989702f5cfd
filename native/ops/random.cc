// Random numbers and dropout: the counter is an operand, so a mask comes back in backward and after resume.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"
#include "stored.h"

namespace nodegrad::ops {
namespace {

constexpr int stateWords = 6;  // key, offset, stream: two words each

const uint32_t* stateOf(const Call& c, int operand) { return static_cast<const uint32_t*>(c.operands[operand].data); }

template <class F> void forTiles(int64_t n, F body) {
  parallelFor(tilesOf(n, elementTile), [&](int64_t tile, int) {
    const int64_t at = tile * elementTile;
    body(at, n - at < elementTile ? n - at : elementTile);
  });
}

// y = x/(1−p) with probability 1−p, else 0. The same call on dy is the backward.
void run_dropout(const Call& c) {
  const DropoutScale scale = dropoutScale(c.reals[0]);
  byFloat(c, [&]<class T>() {
    if (anyNarrow(c)) {
      return forTiles(c.length(0), [&](int64_t begin, int64_t count) {
        alignas(64) T parts[2][storedBlock];
        const Result<T> result{c.operands[0], parts[0]};
        forBlocks(begin, count, [&](int64_t at, int64_t n) {
          kernelsOf<T>().dropout(result.at(at), widened(c.operands[1], at, n, parts[1]), stateOf(c, 2), uint64_t(at), n, scale.threshold, T(scale.factor));
          result.done(at, n);
        });
      });
    }
    forTiles(c.length(0), [&](int64_t at, int64_t n) {
      kernelsOf<T>().dropout(c.out<T>(0) + at, c.in<T>(1) + at, stateOf(c, 2), uint64_t(at), n, scale.threshold, T(scale.factor));
    });
  });
}
const char* checkDropout(const Call& c) {
  if (c.length(0) != c.length(1)) return "operands of different lengths";
  if (c.length(2) != stateWords) return "the random state must have 6 words";
  if (!(c.reals[0] >= 0 && c.reals[0] <= 1)) return "the dropout probability must be from 0 to 1";
  return nullptr;
}

void run_random_uniform(const Call& c) {
  byFloat(c, [&]<class T>() {
    forTiles(c.length(0), [&](int64_t at, int64_t n) {
      kernelsOf<T>().randomUniform(c.out<T>(0) + at, stateOf(c, 1), uint64_t(at), n, c.reals[0], c.reals[1]);
    });
  });
}
void run_random_normal(const Call& c) {
  byFloat(c, [&]<class T>() {
    forTiles(c.length(0), [&](int64_t at, int64_t n) {
      kernelsOf<T>().randomNormal(c.out<T>(0) + at, stateOf(c, 1), uint64_t(at), n, c.reals[0], c.reals[1]);
    });
  });
}
const char* checkRandom(const Call& c) { return c.length(1) == stateWords ? nullptr : "the random state must have 6 words"; }

}  // namespace

extern const OpFunctions op_dropout = {run_dropout, checkDropout};
extern const OpFunctions op_random_uniform = {run_random_uniform, checkRandom};
extern const OpFunctions op_random_normal = {run_random_normal, checkRandom};

}  // namespace nodegrad::ops
