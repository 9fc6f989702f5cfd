// `run(index, ints, reals, ...operands)`: the one call that every operation goes through. Raw Node-API, because it is the hot path.
#include <cstdio>

#include "../ops/gemm.h"
#include "../ops/op.h"
#include "../runtime/fpstate.h"
#include "../runtime/memory.h"
#include "../runtime/pool.h"
#include "program.h"

namespace nodegrad {
namespace {

constexpr size_t maxOperands = 64;
constexpr size_t firstOperand = 3;

napi_value fail(napi_env env, const Op* op, const char* problem) {
  char text[256];
  std::snprintf(text, sizeof text, "[%s] %s", op ? op->name : "native", problem);
  napi_throw_error(env, "ERR_NATIVE", text);
  return nullptr;
}

}  // namespace

napi_value runOp(napi_env env, napi_callback_info info) {
  napi_value arguments[firstOperand + maxOperands];
  size_t count = firstOperand + maxOperands;
  void* data;
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, &data) != napi_ok) return nullptr;
  if (count < firstOperand || count > firstOperand + maxOperands) return fail(env, nullptr, "wrong number of arguments");
  int32_t index = -1, ints = -1, reals = -1;
  napi_get_value_int32(env, arguments[0], &index);
  napi_get_value_int32(env, arguments[1], &ints);
  napi_get_value_int32(env, arguments[2], &reals);
  if (index < 0 || index >= opCount()) return fail(env, nullptr, "no such operation");
  const Op& op = opAt(index);
  if (ints < 0 || reals < 0 || ints + reals > maxAttributes) return fail(env, &op, "too many attributes");

  Operand operands[maxOperands];
  const int operandCount = int(count - firstOperand);
  for (int i = 0; i < operandCount; ++i)
    if (!operandOf(env, arguments[firstOperand + i], operands + i)) return fail(env, &op, "an operand is not a typed array of a known dtype");

  const double* attributes = static_cast<Instance*>(data)->attributes;
  int64_t integers[maxAttributes];
  for (int i = 0; i < ints; ++i) {
    const double v = attributes[i];
    if (!(v >= -9007199254740991.0 && v <= 9007199254740991.0)) return fail(env, &op, "an integer attribute is out of range");
    integers[i] = int64_t(v);
  }
  double realValues[maxAttributes];
  for (int i = 0; i < reals; ++i) realValues[i] = attributes[ints + i];

  FpState guard;
  PinnedThreads pinnedThreads;
  PinnedGemm pinnedGemm;
  Call call{DType::float32, operands, operandCount, integers, ints, realValues, reals, nullptr};
  if (const char* problem = checkCall(op, call)) return fail(env, &op, problem);
  if (op.functions.guard) {
    const Refusal refusal = op.functions.guard(call);
    if (refusal.what) {
      napi_throw(env, errorOf(env, {textOf(op, refusal), refusal}));
      return nullptr;
    }
  }
  if (op.functions.workspace) {
    const size_t bytes = op.functions.workspace(call);
    if (bytes > 0 && !(call.workspace = scratch(bytes))) return fail(env, &op, "no memory for the workspace");
  }
  op.functions.run(call);
  if (op.functions.outcome) {
    const Refusal refusal = op.functions.outcome(call);
    if (refusal.what) napi_throw(env, errorOf(env, {textOf(op, refusal), refusal}));
  }
  return nullptr;
}

}  // namespace nodegrad
