// Optimizer updates over flat slabs, in place. Hyperparameters are an operand: they change from step to step.
#include "../kernels/table.h"
#include "../runtime/pool.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

constexpr int64_t tile = 32768;

// w, states…; g, hyper = learning rate, weight decay, decoupled, then the rule's own (, factor)
template <int states, class T>
void update(const Call& c, void (*kernel)(T*, T* const*, T*, T, const double*, int64_t, bool)) {
  const double* hyper = c.in<double>(states + 2);
  const T factor = c.operandCount > states + 3 ? T(*c.in<double>(states + 3)) : T(1);
  parallelFor(tilesOf(c.length(0), tile), [&](int64_t t, int) {
    const int64_t at = t * tile, rest = c.length(0) - at;
    T* state[states];
    for (int i = 0; i < states; ++i) state[i] = c.length(1 + i) ? c.out<T>(1 + i) + at : nullptr;
    kernel(c.out<T>(0) + at, state, c.out<T>(states + 1) + at, factor, hyper, rest < tile ? rest : tile, c.ints[0] != 0);
  });
}

template <int states, int numbers> const char* check(const Call& c) {
  if (c.operandCount < states + 3 || c.operandCount > states + 4) return "an update has hyperparameters, and at most one factor";
  if (c.length(states + 1) != c.length(0)) return "parameters and gradients of different lengths";
  for (int i = 1; i <= states; ++i)
    if (c.length(i) != 0 && c.length(i) != c.length(0)) return "parameters and state of different lengths";
  if (c.length(states + 2) != 3 + numbers) return "another number of hyperparameters";
  return c.operandCount == states + 3 || c.length(states + 3) == 1 ? nullptr : "an update has one factor";
}

}  // namespace

#define OPTIMIZER(op, Rule, state, numbers) \
  void run_##op(const Call& c) { byFloat(c, [&]<class T>() { update<int(sizeof(#state)) - 1, T>(c, kernelsOf<T>().op); }); } \
  extern const OpFunctions op_##op = {run_##op, check<int(sizeof(#state)) - 1, numbers>};
#include "../kernels/optimizers.def"
#undef OPTIMIZER

}  // namespace nodegrad::ops
