// Programs across the border: create, run on this thread, run on the environment's driver thread, dispose.
#include <cstring>

#include "../program/driver.h"
#include "binding.h"

namespace nodegrad {
namespace {

constexpr napi_type_tag programTag = {0x6e6f646567726164ull, 0x70726f6772616d31ull};

// What JavaScript holds: the program and its block, memory that both sides share: live inputs, then results.
struct ProgramHandle {
  std::shared_ptr<Program> program;
  unsigned char* live;
  unsigned char* results;
};

Napi::Value fail(Napi::Env env, const std::string& problem) {
  napi_throw_error(env, "ERR_NATIVE", problem.c_str());  // does nothing where a getter among the arguments has thrown already
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

// Memory that nothing can take away.
bool sharedOf(Napi::Env env, napi_value value, Operand* operand) {
  napi_typedarray_type type;
  size_t length;
  napi_value buffer;
  bool plain = true;
  if (napi_get_typedarray_info(env, value, &type, &length, nullptr, &buffer, nullptr) != napi_ok ||
      napi_is_arraybuffer(env, buffer, &plain) != napi_ok || plain)
    return false;
  return operandOf(env, value, operand);
}

bool operandsOf(Napi::Env env, const Napi::Value& list, std::vector<Operand>* operands) {
  if (!list.IsArray()) return false;
  const Napi::Array array = list.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Operand operand{};
    if (!sharedOf(env, array.Get(i), &operand)) return false;
    operands->push_back(operand);
  }
  return true;
}

ProgramHandle* handleOf(Napi::Env env, const Napi::Value& value) {
  bool fits = false;
  if (!value.IsExternal() || napi_check_object_type_tag(env, value, &programTag, &fits) != napi_ok || !fits) return nullptr;
  ProgramHandle* handle = value.As<Napi::External<ProgramHandle>>().Data();
  return handle->program ? handle : nullptr;
}

// createProgram(code, externals, block, sibling or undefined) → handle. Externals and block lie on SharedArrayBuffers; the caller keeps
// them alive. Siblings share their memory, and never run at the same time.
Napi::Value createProgram(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Operand code{}, block{};
  std::vector<Operand> externals;
  if (call.Length() != 4 || !operandOf(env, call[0], &code) || code.dtype != DType::float64 || !operandsOf(env, call[1], &externals) ||
      !sharedOf(env, call[2], &block) || block.dtype != DType::uint8)
    return fail(env, "[program] expected code, externals and a block on shared memory");
  std::shared_ptr<Program> program = std::make_shared<Program>();
  ProgramHandle* const sibling = handleOf(env, call[3]);
  const std::string problem =
      program->build(static_cast<const double*>(code.data), size_t(code.length), externals, sibling ? sibling->program.get() : nullptr);
  if (!problem.empty()) return fail(env, problem);
  if (block.length != program->liveBytes() + program->resultBytes()) return fail(env, "[program] a block of the wrong size");
  unsigned char* live = static_cast<unsigned char*>(block.data);
  ProgramHandle* made = new ProgramHandle{program, live, live + program->liveBytes()};
  Napi::External<ProgramHandle> handle =
      Napi::External<ProgramHandle>::New(env, made, [](Napi::Env, ProgramHandle* h) { delete h; });
  napi_type_tag_object(env, handle, &programTag);
  return handle;
}

// Frees the arena now, or when the step in flight is done.
Napi::Value disposeProgram(const Napi::CallbackInfo& call) {
  if (ProgramHandle* handle = call.Length() == 1 ? handleOf(call.Env(), call[0]) : nullptr) handle->program.reset();
  return call.Env().Undefined();
}

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

// runProgram(handle, inputs) → microseconds that a step takes of late: on this thread; results stand in the block afterwards.
Napi::Value runProgram(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  ProgramHandle* handle = call.Length() == 2 ? handleOf(env, call[0]) : nullptr;
  if (!handle) return fail(env, "[program] the program has been disposed of");
  const std::shared_ptr<Program> kept = handle->program;  // a getter among the inputs may dispose of it
  Program& program = *kept;
  const void* arguments[mostInputs];
  if (const char* problem = forInputs(env, call[1], program, [&](size_t i, const Port&, const void* data) { arguments[i] = data; }))
    return fail(env, problem);
  if (program.arena().jobs > 0) return fail(env, "[program] steps of this program are in flight");
  for (size_t i = 0; i < program.inputs().size(); ++i) program.bind(i, arguments[i]);
  program.readLive(handle->live);
  const std::string problem = program.run(nullptr);
  if (!problem.empty()) return fail(env, problem);
  program.writeResults(handle->results);
  return Napi::Number::New(env, double(program.duration()) * 1e-3);
}

// A job and, for a single step, the block that its results go to.
struct Pending : Job {
  unsigned char* block = nullptr;
};

}  // namespace

// The driver of one environment and its way back to JavaScript.
struct ProgramRuntime {
  napi_env env;
  napi_threadsafe_function back = nullptr;
  napi_ref settled = nullptr;
  std::unique_ptr<Driver> driver;
  int inFlight = 0;
  bool held = false;
  Pending* free = nullptr;  // jobs to be used again

  ProgramRuntime(napi_env e, napi_value callback) : env(e) {
    napi_create_reference(env, callback, 1, &settled);
    napi_value name;
    napi_create_string_utf8(env, "nodegrad step", NAPI_AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, settle, &back);
    napi_unref_threadsafe_function(env, back);
    // Registered after the function above, so it runs before that one is torn down: the thread is gone by then.
    napi_add_env_cleanup_hook(env, [](void* self) { static_cast<ProgramRuntime*>(self)->stop(); }, this);
    driver = std::make_unique<Driver>(
        [](void* self, Job* job) {
          // Fails when the environment is going.
          if (napi_call_threadsafe_function(static_cast<ProgramRuntime*>(self)->back, job, napi_tsfn_nonblocking) != napi_ok)
            delete static_cast<Pending*>(job);
        },
        this);
  }
  ~ProgramRuntime() {
    while (Pending* job = free) {
      free = static_cast<Pending*>(job->next);
      delete job;
    }
  }

  void stop() {
    if (held) driver->release();
    held = false;
    driver.reset();
  }

  Pending* take() {
    Pending* job = free;
    if (job) free = static_cast<Pending*>(job->next);
    else job = new Pending();
    return job;
  }
  void give(Pending* job) {
    job->program.reset();
    job->problem.clear();
    job->steps = 1;
    job->done = 0;
    job->stream = 0;
    job->sourceCount = 0;
    job->arguments = job->live = nullptr;
    job->results = job->block = nullptr;
    job->next = free;
    free = job;
  }
  void push(Pending* job) {
    if (inFlight++ == 0) napi_ref_threadsafe_function(env, back);
    ++job->program->arena().jobs;
    driver->push(job);
  }

  static void settle(napi_env e, napi_value, void* self, void* data) {
    Pending* job = static_cast<Pending*>(data);
    if (!e) {
      delete job;
      return;
    }
    --job->program->arena().jobs;
    ProgramRuntime* runtime = static_cast<ProgramRuntime*>(self);
    Napi::HandleScope scope(e);
    if (--runtime->inFlight == 0) napi_unref_threadsafe_function(e, runtime->back);
    if (job->block && job->problem.empty()) std::memcpy(job->block, job->results, size_t(job->program->resultBytes()));
    napi_value callback, receiver, arguments[3], result;
    napi_get_reference_value(e, runtime->settled, &callback);
    napi_get_undefined(e, &receiver);
    if (job->problem.empty()) napi_get_null(e, &arguments[0]);
    else napi_create_string_utf8(e, job->problem.c_str(), job->problem.size(), &arguments[0]);
    napi_create_double(e, double(job->done), &arguments[1]);
    napi_create_double(e, double(job->program->duration()) * 1e-3, &arguments[2]);
    runtime->give(job);
    napi_call_function(e, receiver, callback, 3, arguments, &result);
  }
};

namespace {

// Null before the driver is started, and after it was stopped.
ProgramRuntime* runtimeOf(Napi::Env env) {
  ProgramRuntime* runtime = env.GetInstanceData<Instance>()->programs;
  return runtime && runtime->driver ? runtime : nullptr;
}

// startDriver(settled): once per environment; settled(problem or null, whole steps, microseconds that one takes of late) is called for
// each job, in order.
Napi::Value startDriver(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Instance* instance = env.GetInstanceData<Instance>();
  if (instance->programs || call.Length() != 1 || !call[0].IsFunction()) return fail(env, "[program] the driver has been started");
  instance->programs = new ProgramRuntime(env, call[0]);
  return env.Undefined();
}

// queueProgram(handle, inputs): one step on the driver thread.
Napi::Value queueProgram(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  ProgramRuntime* runtime = runtimeOf(env);
  ProgramHandle* handle = call.Length() == 2 && runtime ? handleOf(env, call[0]) : nullptr;
  if (!handle) return fail(env, "[program] the program has been disposed of");
  const std::shared_ptr<Program> kept = handle->program;  // a getter in the arguments may dispose of it
  const Program& program = *kept;
  const int64_t liveBytes = program.liveBytes(), resultBytes = program.resultBytes();
  int64_t total = liveBytes + resultBytes;
  for (const Port& port : program.inputs()) total += Program::padded(port.bytes);
  Pending* job = runtime->take();
  unsigned char* memory = job->own.reserve(size_t(total));
  unsigned char* at = memory;
  const char* problem = !memory ? "[program] no memory for the step's inputs" : forInputs(env, call[1], program, [&](size_t, const Port& port, const void* data) {
    if (port.bytes) std::memcpy(at, data, size_t(port.bytes));
    at += Program::padded(port.bytes);
  });
  if (problem) {
    runtime->give(job);
    return fail(env, problem);
  }
  std::memcpy(at, handle->live, size_t(liveBytes));
  job->program = kept;
  job->arguments = memory;
  job->live = at;
  job->results = at + liveBytes;
  job->block = handle->results;
  runtime->push(job);
  return env.Undefined();
}

// queueRun(handle, steps, stream, sources, rows, batch, live, results): several steps on the driver thread. Argument i of step s is
// made of the rows rows[s·batch …] of sources[i]; `live` and `results` hold a block for each step.
Napi::Value queueRun(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  ProgramRuntime* runtime = runtimeOf(env);
  ProgramHandle* handle = call.Length() == 8 && runtime ? handleOf(env, call[0]) : nullptr;
  if (!handle) return fail(env, "[program] the program has been disposed of");
  const std::shared_ptr<Program> kept = handle->program;  // a getter in the arguments may dispose of it
  Program& program = *kept;
  Operand rows{}, live{}, results{};
  if (!call[1].IsNumber() || !call[2].IsNumber() || !call[3].IsArray() || !call[5].IsNumber() || !sharedOf(env, call[4], &rows) ||
      rows.dtype != DType::int32 || !sharedOf(env, call[6], &live) || !sharedOf(env, call[7], &results))
    return fail(env, "[program] malformed run");
  const int64_t steps = call[1].As<Napi::Number>().Int64Value(), batch = call[5].As<Napi::Number>().Int64Value();
  const Napi::Array list = call[3].As<Napi::Array>();
  const auto bytesOf = [](const Operand& o) { return o.length * dtypeSize(o.dtype); };
  const auto fits = [&](int64_t each, int64_t all) { const int64_t n = checkedProduct(each, steps); return n >= 0 && n <= all; };
  if (steps < 1 || batch < 1 || list.Length() != program.inputs().size() || list.Length() > uint32_t(maxSources) || !fits(batch, rows.length) ||
      !fits(program.liveBytes(), bytesOf(live)) || !fits(program.resultBytes(), bytesOf(results)))
    return fail(env, "[program] malformed run");
  if (!program.reserveArguments()) return fail(env, "[program] no memory for the arguments");
  Pending* job = runtime->take();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    Operand source{};
    const int64_t bytes = program.inputs()[i].bytes;
    if (!sharedOf(env, list.Get(i), &source) || bytes % batch != 0 || bytes == 0 || bytesOf(source) < bytes / batch) {
      runtime->give(job);
      return fail(env, "[program] a source does not fit the argument");
    }
    job->sources[i] = {static_cast<const unsigned char*>(source.data), bytesOf(source) / (bytes / batch), bytes / batch};
  }
  job->program = kept;
  job->steps = steps;
  job->stream = call[2].As<Napi::Number>().Int32Value();
  job->sourceCount = int(list.Length());
  job->rows = static_cast<const int32_t*>(rows.data);
  job->batch = batch;
  job->live = static_cast<const unsigned char*>(live.data);
  job->results = static_cast<unsigned char*>(results.data);
  runtime->push(job);
  return env.Undefined();
}

// holdDriver(), releaseDriver(): nothing runs in between, and what stays is that of whole steps.
Napi::Value holdDriver(const Napi::CallbackInfo& call) {
  ProgramRuntime* runtime = runtimeOf(call.Env());
  if (runtime && !runtime->held) {
    runtime->driver->hold();
    runtime->held = true;
  }
  return call.Env().Undefined();
}
Napi::Value releaseDriver(const Napi::CallbackInfo& call) {
  ProgramRuntime* runtime = runtimeOf(call.Env());
  if (runtime && runtime->held) {
    runtime->held = false;
    runtime->driver->release();
  }
  return call.Env().Undefined();
}

}  // namespace

void deletePrograms(ProgramRuntime* runtime) { delete runtime; }

void exportProgram(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("createProgram", createProgram);
  add("disposeProgram", disposeProgram);
  add("runProgram", runProgram);
  add("startDriver", startDriver);
  add("queueProgram", queueProgram);
  add("queueRun", queueRun);
  add("holdDriver", holdDriver);
  add("releaseDriver", releaseDriver);
}

}  // namespace nodegrad
