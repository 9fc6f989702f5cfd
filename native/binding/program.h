// What the two files about programs share: what JavaScript holds, and how arguments and refusals cross the border.
#pragma once
#include "../program/driver.h"
#include "binding.h"

namespace nodegrad {

// What JavaScript holds: the program and its block, memory that both sides share: live inputs, then results.
struct ProgramHandle {
  std::shared_ptr<Program> program;
  unsigned char* live;
  unsigned char* results;
  std::shared_ptr<MemoryLedger> ledger;
};

Napi::Value fail(Napi::Env, const std::string& problem);
// An error of these words. A refused index has the fields `value`, `position`, `minimum` and `maximum`.
napi_value errorOf(napi_env, const Problem&);

// Memory that nothing can take away.
bool sharedOf(Napi::Env, napi_value, Operand*);
ProgramHandle* handleOf(Napi::Env, const Napi::Value&);

constexpr uint32_t mostInputs = 256;

// Calls body(number, port, data) for each argument of a step, after checking all sizes. Returns what is wrong, or null.
template <class F> const char* forInputs(Napi::Env env, napi_value list, const Program& program, F body) {
  const std::vector<Port>& ports = program.inputs();
  uint32_t length = 0;
  bool isArray = false;
  if (napi_is_array(env, list, &isArray) != napi_ok || !isArray || napi_get_array_length(env, list, &length) != napi_ok ||
      length != ports.size() || length > mostInputs)
    return "[program] wrong inputs";
  // First the elements: a getter among them may run JavaScript, which takes memory away.
  napi_value items[mostInputs];
  for (uint32_t i = 0; i < length; ++i)
    if (napi_get_element(env, list, i, &items[i]) != napi_ok) return "[program] wrong inputs";
  Operand operands[mostInputs];
  for (uint32_t i = 0; i < length; ++i) {
    if (!operandOf(env, items[i], &operands[i])) return "[program] wrong inputs";
    if (operands[i].length * dtypeSize(operands[i].dtype) != ports[i].bytes)
      return "[program] an input has lost its memory or is of another size";
  }
  for (uint32_t i = 0; i < length; ++i)
    body(i, ports[i], operands[i].data);
  return nullptr;
}

}  // namespace nodegrad
