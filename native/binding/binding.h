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

napi_value runOp(napi_env, napi_callback_info); // run.cc
void exportProgram(Napi::Env, Napi::Object exports); // program.cc
void exportDriver(Napi::Env, Napi::Object exports); // driver.cc
void exportInfo(Napi::Env, Napi::Object exports); // info.cc
void exportCalibrate(Napi::Env, Napi::Object exports); // calibrate.cc
void exportTesting(Napi::Env, Napi::Object exports); // testing.cc

}  // namespace nodegrad
