// Optimizer updates over flat slabs, in place. Hyperparameters are an operand: they change from step to step.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

constexpr int64_t tile = 32768;

template <class F> void forTiles(int64_t n, F body) {
  parallelFor(tilesOf(n, tile), [&](int64_t t, int) { body(t * tile, n - t * tile < tile ? n - t * tile : tile); });
}

// w, velocity; g, hyper[6] = learning rate, momentum, dampening, weight decay, Nesterov, first step.
// Without momentum the velocity may be empty.
template <bool clear> void updateSgd(const Call& c) {
  byFloat(c, [&]<class T>() {
    T* velocity = c.out<T>(1);
    forTiles(c.length(0), [&](int64_t at, int64_t n) {
      kernelsOf<T>().sgd(c.out<T>(0) + at, velocity ? velocity + at : nullptr, c.out<T>(2) + at, c.in<double>(3), n, clear);
    });
  });
}
void run_sgd(const Call& c) { updateSgd<false>(c); }
void run_sgd_and_clear(const Call& c) { updateSgd<true>(c); }
const char* checkSgd(const Call& c) {
  if (c.length(2) != c.length(0)) return "parameters and gradients of different lengths";
  if (c.length(3) != 6) return "sgd needs 6 hyperparameters";
  if (c.length(1) != 0 && c.length(1) != c.length(0)) return "parameters and velocity of different lengths";
  return nullptr;
}
Refusal guardSgd(const Call& c) {
  return {c.in<double>(3)[1] != 0 && c.length(1) != c.length(0) ? "momentum without a velocity" : nullptr};
}

// w, m, v; g, hyper[8] = learning rate, beta1, beta2, eps, weight decay, decoupled, 1−beta1^t, 1−beta2^t
template <bool clear> void updateAdam(const Call& c) {
  byFloat(c, [&]<class T>() {
    forTiles(c.length(0), [&](int64_t at, int64_t n) {
      kernelsOf<T>().adam(c.out<T>(0) + at, c.out<T>(1) + at, c.out<T>(2) + at, c.out<T>(3) + at, c.in<double>(4), n, clear);
    });
  });
}
void run_adam(const Call& c) { updateAdam<false>(c); }
void run_adam_and_clear(const Call& c) { updateAdam<true>(c); }
const char* checkAdam(const Call& c) {
  for (int i = 1; i < 4; ++i)
    if (c.length(i) != c.length(0)) return "parameters, state and gradients of different lengths";
  return c.length(4) == 8 ? nullptr : "adam needs 8 hyperparameters";
}

// Scaled and used block by block, while they are in the cache. By 1 nothing changes.
template <class T, class F> void forScaled(T* g, double by, int64_t n, F update) {
  constexpr int64_t block = 2048;
  const T factor = T(by);
  if (factor == T(1)) return update(0, n);
  for (int64_t at = 0; at < n; at += block) {
    const int64_t count = n - at < block ? n - at : block;
    kernelsOf<T>().mul(g + at, g + at, 1, &factor, 0, count, false);
    update(at, count);
  }
}

// As sgd and adam; the last operand is the factor.
void run_scaled_sgd(const Call& c) {
  byFloat(c, [&]<class T>() {
    T* velocity = c.out<T>(1);
    forTiles(c.length(0), [&](int64_t begin, int64_t n) {
      forScaled(c.out<T>(2) + begin, *c.in<double>(4), n, [&](int64_t at, int64_t count) {
        at += begin;
        kernelsOf<T>().sgd(c.out<T>(0) + at, velocity ? velocity + at : nullptr, c.out<T>(2) + at, c.in<double>(3), count, c.ints[0] != 0);
      });
    });
  });
}
void run_scaled_adam(const Call& c) {
  byFloat(c, [&]<class T>() {
    forTiles(c.length(0), [&](int64_t begin, int64_t n) {
      forScaled(c.out<T>(3) + begin, *c.in<double>(5), n, [&](int64_t at, int64_t count) {
        at += begin;
        kernelsOf<T>().adam(c.out<T>(0) + at, c.out<T>(1) + at, c.out<T>(2) + at, c.out<T>(3) + at, c.in<double>(4), count, c.ints[0] != 0);
      });
    });
  });
}
const char* checkScaledSgd(const Call& c) { return c.length(4) == 1 ? checkSgd(c) : "an update has one factor"; }
const char* checkScaledAdam(const Call& c) { return c.length(5) == 1 ? checkAdam(c) : "an update has one factor"; }

}  // namespace

extern const OpFunctions op_sgd = {run_sgd, checkSgd, nullptr, guardSgd, 3};
extern const OpFunctions op_adam = {run_adam, checkAdam};
extern const OpFunctions op_scaled_sgd = {run_scaled_sgd, checkScaledSgd, nullptr, guardSgd, 3};
extern const OpFunctions op_scaled_adam = {run_scaled_adam, checkScaledAdam};
extern const OpFunctions op_sgd_and_clear = {run_sgd_and_clear, checkSgd, nullptr, guardSgd, 3};
extern const OpFunctions op_adam_and_clear = {run_adam_and_clear, checkAdam};

}  // namespace nodegrad::ops
