// What the files of the binding share: the state of one environment (main thread or worker).
#pragma once
#include <napi.h>

namespace nodegrad {

// Attributes cross the border in one array per environment, so that a call needs no array of its own.
constexpr int maxAttributes = 256;

struct ProgramRuntime;                 // program.cc: the driver thread of an environment
void deletePrograms(ProgramRuntime*);

struct Instance {
  double* attributes = nullptr;  // ints first, then reals; owned by the ArrayBuffer that `attributesBuffer` keeps alive
  Napi::Reference<Napi::ArrayBuffer> attributesBuffer;
  ProgramRuntime* programs = nullptr;  // made with the first asynchronous step

  ~Instance() { deletePrograms(programs); }
};

napi_value runOp(napi_env, napi_callback_info);  // run.cc
void exportProgram(Napi::Env, Napi::Object exports);  // program.cc
void exportInfo(Napi::Env, Napi::Object exports); // info.cc
void exportCalibrate(Napi::Env, Napi::Object exports); // calibrate.cc
void exportTesting(Napi::Env, Napi::Object exports); // testing.cc

}  // namespace nodegrad
