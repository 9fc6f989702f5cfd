// Programs across the border: create, run on this thread, run on the environment's driver thread, dispose.
#include <cstring>

#include "../program/driver.h"
#include "binding.h"

namespace nodegrad {
namespace {

constexpr napi_type_tag programTag = {0x6e6f646567726164ull, 0x70726f6772616d31ull};

using ProgramHandle = std::shared_ptr<Program>;

Napi::Value fail(Napi::Env env, const std::string& problem) {
  Napi::Error error = Napi::Error::New(env, problem);
  error.Set("code", Napi::String::New(env, "ERR_NATIVE"));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

bool operandOf(Napi::Env env, napi_value value, Operand* operand) {
  napi_typedarray_type type;
  size_t length;
  if (napi_get_typedarray_info(env, value, &type, &length, &operand->data, nullptr, nullptr) != napi_ok) return false;
  switch (type) {
    case napi_float32_array: operand->dtype = DType::float32; break;
    case napi_float64_array: operand->dtype = DType::float64; break;
    case napi_int32_array: operand->dtype = DType::int32; break;
    case napi_uint8_array: operand->dtype = DType::uint8; break;
    default: return false;
  }
  operand->length = int64_t(length);
  return true;
}

bool operandsOf(Napi::Env env, const Napi::Value& list, std::vector<Operand>* operands) {
  if (!list.IsArray()) return false;
  const Napi::Array array = list.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Operand operand{};
    if (!operandOf(env, array.Get(i), &operand)) return false;
    operands->push_back(operand);
  }
  return true;
}

ProgramHandle* handleOf(Napi::Env env, const Napi::Value& value) {
  bool fits = false;
  if (!value.IsExternal() || napi_check_object_type_tag(env, value, &programTag, &fits) != napi_ok || !fits) return nullptr;
  ProgramHandle* handle = value.As<Napi::External<ProgramHandle>>().Data();
  return *handle ? handle : nullptr;
}

// createProgram(code, externals) → handle. The caller keeps the externals alive.
Napi::Value createProgram(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Operand code{};
  std::vector<Operand> externals;
  if (call.Length() != 2 || !operandOf(env, call[0], &code) || code.dtype != DType::float64 || !operandsOf(env, call[1], &externals))
    return fail(env, "[program] expected code and externals");
  ProgramHandle program = std::make_shared<Program>();
  const std::string problem = program->build(static_cast<const double*>(code.data), size_t(code.length), externals);
  if (!problem.empty()) return fail(env, problem);
  Napi::External<ProgramHandle> handle =
      Napi::External<ProgramHandle>::New(env, new ProgramHandle(program), [](Napi::Env, ProgramHandle* h) { delete h; });
  napi_type_tag_object(env, handle, &programTag);
  return handle;
}

// Frees the arena now, or when the step in flight is done.
Napi::Value disposeProgram(const Napi::CallbackInfo& call) {
  if (ProgramHandle* handle = call.Length() == 1 ? handleOf(call.Env(), call[0]) : nullptr) handle->reset();
  return call.Env().Undefined();
}

// What settles an asynchronous step.
struct Owner {
  Napi::FunctionReference callback;
  Napi::ObjectReference outputs;
};

// Copies the inputs into a job; the views must have the sizes of the ports.
std::string fillJob(Napi::Env env, const Napi::Value& inputs, Job* job) {
  std::vector<Operand> operands;
  const std::vector<Port>& ports = job->program->inputs();
  if (!operandsOf(env, inputs, &operands) || operands.size() != ports.size()) return "[program] wrong inputs";
  size_t total = 0;
  for (const Port& port : ports) total += size_t(port.bytes);
  job->inputs.resize(total);
  size_t at = 0;
  for (size_t i = 0; i < ports.size(); ++i) {
    const size_t bytes = size_t(operands[i].length * dtypeSize(operands[i].dtype));
    if (bytes != size_t(ports[i].bytes)) return "[program] an input has lost its memory or is of another size";
    if (bytes) std::memcpy(job->inputs.data() + at, operands[i].data, bytes);
    at += bytes;
  }
  return "";
}

std::string takeOutputs(Napi::Env env, const Napi::Value& outputs, const Job& job) {
  std::vector<Operand> operands;
  const std::vector<Port>& ports = job.program->outputs();
  if (!operandsOf(env, outputs, &operands) || operands.size() != ports.size()) return "[program] wrong outputs";
  size_t at = 0;
  for (size_t i = 0; i < ports.size(); ++i) {
    const size_t bytes = size_t(operands[i].length * dtypeSize(operands[i].dtype));
    if (bytes != size_t(ports[i].bytes)) return "[program] an output has lost its memory or is of another size";
    if (bytes) std::memcpy(operands[i].data, job.outputs.data() + at, bytes);
    at += bytes;
  }
  return "";
}

// runProgram(handle, inputs, outputs): on this thread.
Napi::Value runProgram(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  ProgramHandle* handle = call.Length() == 3 ? handleOf(env, call[0]) : nullptr;
  if (!handle) return fail(env, "[program] the program has been disposed of");
  Job job;
  job.program = *handle;
  std::string problem = fillJob(env, call[1], &job);
  if (!problem.empty()) return fail(env, problem);
  runJob(job, nullptr);
  if (!job.problem.empty()) return fail(env, job.problem);
  problem = takeOutputs(env, call[2], job);
  return problem.empty() ? env.Undefined() : fail(env, problem);
}

}  // namespace

// The driver of one environment and its way back to JavaScript.
struct ProgramRuntime {
  napi_env env;
  napi_threadsafe_function back = nullptr;
  std::unique_ptr<Driver> driver;
  int inFlight = 0;

  explicit ProgramRuntime(napi_env e) : env(e) {
    napi_value name;
    napi_create_string_utf8(env, "nodegrad step", NAPI_AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, settle, &back);
    napi_unref_threadsafe_function(env, back);
    // Registered after the function above, so it runs before that one is torn down: the thread is gone by then.
    napi_add_env_cleanup_hook(env, [](void* self) { static_cast<ProgramRuntime*>(self)->driver.reset(); }, this);
    driver = std::make_unique<Driver>([this](std::unique_ptr<Job> job) {
      Job* raw = job.release();
      if (napi_call_threadsafe_function(back, raw, napi_tsfn_nonblocking) != napi_ok) delete raw;  // the environment is going
    });
  }

  static void settle(napi_env e, napi_value, void* self, void* data) {
    std::unique_ptr<Job> job(static_cast<Job*>(data));
    std::unique_ptr<Owner> owner(static_cast<Owner*>(job->owner));
    if (!e) {
      owner.release();  // its references go with the environment
      return;
    }
    ProgramRuntime* runtime = static_cast<ProgramRuntime*>(self);
    Napi::Env env(e);
    Napi::HandleScope scope(env);
    if (--runtime->inFlight == 0) napi_unref_threadsafe_function(e, runtime->back);
    std::string problem = job->problem;
    if (problem.empty()) problem = takeOutputs(env, owner->outputs.Value(), *job);
    owner->callback.Call({problem.empty() ? env.Null() : Napi::Value(Napi::String::New(env, problem))});
  }
};

namespace {

// queueProgram(handle, inputs, outputs, callback): on the driver thread; callback(problem or null) when it is done.
Napi::Value queueProgram(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  ProgramHandle* handle = call.Length() == 4 && call[3].IsFunction() && call[2].IsArray() ? handleOf(env, call[0]) : nullptr;
  if (!handle) return fail(env, "[program] the program has been disposed of");
  std::unique_ptr<Job> job = std::make_unique<Job>();
  job->program = *handle;
  const std::string problem = fillJob(env, call[1], job.get());
  if (!problem.empty()) return fail(env, problem);
  Instance* instance = env.GetInstanceData<Instance>();
  if (!instance->programs) instance->programs = new ProgramRuntime(env);
  Owner* owner = new Owner();
  owner->callback = Napi::Persistent(call[3].As<Napi::Function>());
  owner->outputs = Napi::Persistent(call[2].As<Napi::Object>());
  job->owner = owner;
  ProgramRuntime* runtime = instance->programs;
  if (runtime->inFlight++ == 0) napi_ref_threadsafe_function(env, runtime->back);
  runtime->driver->push(std::move(job));
  return env.Undefined();
}

}  // namespace

void deletePrograms(ProgramRuntime* runtime) { delete runtime; }

void exportProgram(Napi::Env env, Napi::Object exports) {
  exports.Set("createProgram", Napi::Function::New(env, createProgram, "createProgram"));
  exports.Set("disposeProgram", Napi::Function::New(env, disposeProgram, "disposeProgram"));
  exports.Set("runProgram", Napi::Function::New(env, runProgram, "runProgram"));
  exports.Set("queueProgram", Napi::Function::New(env, queueProgram, "queueProgram"));
}

}  // namespace nodegrad
