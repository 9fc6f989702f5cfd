// The function table, made from ops.def, and the checks that every call shares.
#include "op.h"

#include <cstring>

namespace nodegrad {

namespace ops {
#define OP(name, signature, ints, reals) extern const OpFunctions op_##name;
#include "ops.def"
#undef OP
}  // namespace ops

int opCount() {
#define OP(name, signature, ints, reals) +1
  return 0
#include "ops.def"
      ;
#undef OP
}

const Op& opAt(int index) {
  static const Op table[] = {
#define OP(name, signature, ints, reals) {#name, signature, ints, reals, ops::op_##name},
#include "ops.def"
#undef OP
  };
  return table[index];
}

namespace {

// Walks the signature beside the operands; `typed` collects what T and A stand for.
const char* matchOperands(const Op& op, const Call& call, DType* typed) {
  int operand = 0;
  bool haveT = false, haveA = false;
  DType t = DType::float32, a = DType::float32;
  for (const char* s = op.signature; *s; ++s) {
    if (*s == ':') continue;
    const bool repeats = s[1] == '*';
    do {
      if (operand >= call.operandCount) return repeats ? nullptr : "too few operands";
      const DType d = call.operands[operand].dtype;
      switch (*s) {
        case 'T':
          if (!isFloat(d)) return "expected float32 or float64";
          if (haveT && d != t) return "operands of different dtypes";
          t = d;
          haveT = true;
          break;
        case 'A':
          if (haveA && d != a) return "operands of different dtypes";
          a = d;
          haveA = true;
          break;
        case 'I': if (d != DType::int32) return "expected int32"; break;
        case 'B': if (d != DType::uint8) return "expected uint8"; break;
        case 'D': if (d != DType::float64) return "expected float64"; break;
        default: break;  // X
      }
      ++operand;
    } while (repeats && operand < call.operandCount);
    if (repeats) ++s;
  }
  if (operand < call.operandCount) return "too many operands";
  *typed = haveT ? t : haveA ? a : call.operands[0].dtype;
  return nullptr;
}

}  // namespace

const char* checkCall(const Op& op, Call& call) {
  if (op.ints >= 0 && call.intCount != op.ints) return "wrong number of integer attributes";
  if (op.reals >= 0 && call.realCount != op.reals) return "wrong number of real attributes";
  if (const char* problem = matchOperands(op, call, &call.dtype)) return problem;
  for (int i = 0; i < call.operandCount; ++i)
    if (call.operands[i].length > 0 && !call.operands[i].data) return "an operand without memory";
  return op.functions.check(call);
}

}  // namespace nodegrad
