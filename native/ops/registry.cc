// The function table, made from ops.def, and the checks that every call shares.
#include "op.h"

#include <cstring>

#include "fused.h"

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

constexpr size_t mostLetters = 64;

// How the operands of a descriptor that have the shape of a result are stored: as the operation's own are.
char storageLetter(const char* signature) {
  for (const char* s = signature; *s && *s != ';'; ++s)
    if (*s == 'U' || *s == 'S') return *s;
  return 'T';
}

// Takes the descriptor off the attributes, and writes the signature of this call to `letters`: what is wrong, or nullptr.
const char* readFused(const Op& op, const char* takes, Call& call, char* letters) {
  const int64_t bits = -1 - call.ints[--call.intCount], map = (bits >> 9 & 0x7fff) - 1;
  const auto mayTake = [&](char letter) { return std::strchr(takes, letter) != nullptr; };
  Fused f;
  f.prior = Prior(bits & 3);
  f.sums = Prior(bits >> 2 & 3);
  f.mask = Fused::Mask(bits >> 4 & 3);
  f.row = bits >> 24;
  f.map = map >= 0 && map < opCount() ? int32_t(map) : -1;
  const bool isMap = ops::mapKernel<float>(f.map), isBackward = ops::mapBackwardKernel<float>(f.map);
  const bool bias = bits >> 6 & 1, residual = bits >> 7 & 1, factor = bits >> 8 & 1;
  const bool kept = f.mask == Fused::Mask::kept, recomputed = f.mask == Fused::Mask::recomputed;
  if ((bits & 3) > 2 || (bits >> 2 & 3) > 2 || (bits >> 4 & 3) > 2 || (map >= 0 && !isMap && !isBackward)) return "malformed descriptor";
  const struct { bool wanted; char letter; } parts[] = {{f.prior != Prior::none, 'p'}, {f.sums != Prior::none, 's'}, {bias, 'b'}, {residual, 'r'},
                                                        {isMap, 'f'}, {isBackward, 'g'}, {recomputed, 'm'}, {kept, 'k'}, {factor, 'd'}, {f.row > 0, 'c'}};
  for (const auto& part : parts)
    if (part.wanted && !mayTake(part.letter)) return "it does not take all that its descriptor asks for";
  int at = 0;
  char* end = letters;
  const char stored = storageLetter(op.signature);
  const auto place = [&](bool wanted, int& operand, char letter) {
    if (!wanted) return;
    operand = at++;
    *end++ = letter;
  };
  const char* s = op.signature;
  for (; *s != ':'; ++s, ++at) *end++ = *s;
  place(f.sums != Prior::none, f.sumsAt, 'T');
  place(kept, f.keptAt, stored);
  *end++ = *s++;
  for (; *s != ';'; ++s, ++at) *end++ = *s;
  place(bias, f.bias, 'T');
  place(residual, f.residual, stored);
  place(isBackward || kept, f.y, stored);
  place(recomputed, f.gamma, 'T');
  place(recomputed, f.betaAt, 'T');
  place(factor, f.factor, 'T');
  *end = 0;
  if (f.map >= 0 || factor) {
    if (call.realCount < 2) return "wrong number of real attributes";
    call.realCount -= 2;
    f.alpha = call.reals[call.realCount];
    f.beta = call.reals[call.realCount + 1];
  }
  call.fused = f;
  return nullptr;
}

// Walks the letters beside the operands; `typed` collects what T and A stand for.
const char* matchOperands(const char* letters, Call& call, DType* typed) {
  int operand = 0;
  bool haveT = false, haveA = false, haveStored = false;
  DType t = DType::float32, a = DType::float32;
  for (const char* s = letters; *s; ++s) {
    if (*s == ';') break;
    if (*s == ':') {
      call.outputs = operand;
      continue;
    }
    const bool repeats = s[1] == '*';
    do {
      if (operand >= call.operandCount) {
        if (repeats) break;  // none of these
        return "too few operands";
      }
      const DType d = call.operands[operand].dtype;
      switch (*s) {
        case 'T':
        case 'S':
        case 'U':
        case 'P':
        case 'Q': {
          const DType arithmetic = *s != 'T' && d == DType::bfloat16 ? DType::float32 : d;
          if (!isFloat(arithmetic)) return "expected float32 or float64";
          if (haveT && arithmetic != t) return "operands of different dtypes";
          t = arithmetic;
          haveT = true;
          if (*s == 'T' || *s == 'S') break;
          if (*s == 'Q') {
            if (!haveStored || d == DType::bfloat16) call.stored = d;
            haveStored = true;
            break;
          }
          if (haveStored && d != call.stored) return "operands that are stored in different types";
          call.stored = d;
          haveStored = true;
          break;
        }
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
  char letters[mostLetters];
  const char* signature = op.signature;
  if (call.intCount > 0 && call.ints[call.intCount - 1] < 0) {
    if (const char* takes = std::strchr(signature, ';')) {
      if (const char* problem = readFused(op, takes, call, letters)) return problem;
      signature = letters;
    }
  }
  if (op.ints >= 0 && call.intCount != op.ints) return "wrong number of integer attributes";
  if (op.reals >= 0 && call.realCount != op.reals) return "wrong number of real attributes";
  if (const char* problem = matchOperands(signature, call, &call.dtype)) return problem;
  for (int i = 0; i < call.operandCount; ++i)
    if (call.operands[i].length > 0 && !call.operands[i].data) return "an operand without memory";
  return op.functions.check(call);
}

}  // namespace nodegrad
