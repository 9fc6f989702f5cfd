// What the files of the binding share: the state of one environment (main thread or worker).
#pragma once
#include <napi.h>

#include <memory>

#include "../program/program.h"

namespace nodegrad {

// Attributes cross the border in one array per environment, so that a call needs no array of its own.
constexpr int maxAttributes = 256;

// What the programs of an environment hold, and how much of it the garbage collector has been told of: it collects by what it knows.
struct MemoryLedger : Ledger {
  int64_t reported = 0;
  void report(napi_env);  // info.cc
};

struct Instance {
  double* attributes = nullptr;  // ints first, then reals; owned by the ArrayBuffer that `attributesBuffer` keeps alive
  Napi::Reference<Napi::ArrayBuffer> attributesBuffer;
  std::shared_ptr<MemoryLedger> ledger = std::make_shared<MemoryLedger>();
  int64_t shared = 0;  // bytes of SharedArrayBuffers that lib has reported
};

// The memory of a typed array; false where it is none, or of an element type that is not in dtypes.def.
inline bool operandOf(napi_env env, napi_value value, Operand* operand) {
  napi_typedarray_type type;
  size_t length;
  if (napi_get_typedarray_info(env, value, &type, &length, &operand->data, nullptr, nullptr) != napi_ok) return false;
  switch (type) {
#define DTYPE(name, storage, compute, array) \
  case napi_##array: operand->dtype = DType::name; break;
#include "../ops/dtypes.def"
#undef DTYPE
    default: return false;
  }
  operand->length = int64_t(length);
  return true;
}

napi_value runOp(napi_env, napi_callback_info); // run.cc
void exportProgram(Napi::Env, Napi::Object exports); // program.cc
void exportDriver(Napi::Env, Napi::Object exports); // driver.cc
void exportInfo(Napi::Env, Napi::Object exports); // info.cc
void exportCalibrate(Napi::Env, Napi::Object exports); // calibrate.cc
void exportGroup(Napi::Env, Napi::Object exports); // group.cc
void exportTesting(Napi::Env, Napi::Object exports); // testing.cc

}  // namespace nodegrad
