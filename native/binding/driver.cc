// Programs on a driver thread: single steps and runs of several are queued, and JavaScript hears of each when it is done.
#include <cstring>

#include "../group/transport.h"
#include "program.h"

namespace nodegrad {
namespace {

// A job and, for a single step, the block that its results go to.
struct Pending : Job {
  using Job::Job;
  unsigned char* block = nullptr;
};

constexpr napi_type_tag driverTag = {0x6e6f646567726164ull, 0x6472697665723031ull};
// Bytes of jobs that wait to be used again, beyond the first of them.
constexpr size_t mostKept = size_t(16) << 20;

// The driver thread of one copy of lib and its way back to JavaScript. There may be several in an environment: test runners load lib
// anew for each file, while the addon stays. It goes when its copy is collected, or with the environment.
struct ProgramRuntime {
  napi_env env;
  std::shared_ptr<MemoryLedger> ledger;
  napi_threadsafe_function back = nullptr;
  napi_ref settled = nullptr, handle = nullptr;  // weak, but while jobs are under way
  std::unique_ptr<Driver> driver;
  int inFlight = 0;
  bool held = false;
  Pending* free = nullptr;  // jobs to be used again
  size_t freeBytes = 0;

  ProgramRuntime(napi_env e, napi_value callback, std::shared_ptr<MemoryLedger> counts) : env(e), ledger(std::move(counts)) {
    napi_create_reference(env, callback, 0, &settled);
    napi_value name;
    napi_create_string_utf8(env, "nodegrad step", NAPI_AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, settle, &back);
    napi_unref_threadsafe_function(env, back);
    // Registered after the function above, so it runs before that one is torn down: the thread is gone by then.
    napi_add_env_cleanup_hook(env, atExit, this);
    driver = std::make_unique<Driver>(
        [](void* self, Job* job) {
          // Fails when the environment is going.
          if (napi_call_threadsafe_function(static_cast<ProgramRuntime*>(self)->back, job, napi_tsfn_nonblocking) != napi_ok)
            delete static_cast<Pending*>(job);
        },
        this);
  }
  // Nothing is under way: the handle was in use until now.
  void collected() {
    if (driver) {
      napi_remove_env_cleanup_hook(env, atExit, this);
      stop();
      napi_release_threadsafe_function(back, napi_tsfn_release);
    }
    napi_delete_reference(env, settled);
    napi_delete_reference(env, handle);
    trim();
    delete this;
  }

  static void atExit(void* self) {
    ProgramRuntime* runtime = static_cast<ProgramRuntime*>(self);
    endChannels(runtime->env);  // the thread may wait for another process
    runtime->stop();
  }
  void stop() {
    if (held) driver->release();
    held = false;
    driver.reset();
  }

  void trim() {
    while (free) delete take();
    ledger->report(env);
  }
  Pending* take() {
    Pending* job = free;
    if (!job) return new Pending(ledger);
    free = static_cast<Pending*>(job->next);
    freeBytes -= job->own.size();
    return job;
  }
  void give(Pending* job) {
    job->program.reset();
    job->problem = {};
    job->steps = 1;
    job->done = 0;
    job->stream = 0;
    job->sourceCount = 0;
    job->arguments = job->live = nullptr;
    job->results = job->block = nullptr;
    if (free && freeBytes + job->own.size() > mostKept) {
      delete job;
    } else {
      job->next = free;
      free = job;
      freeBytes += job->own.size();
    }
    ledger->report(env);
  }
  void push(Pending* job) {
    ledger->report(env);
    uint32_t count;
    if (inFlight++ == 0) {
      napi_ref_threadsafe_function(env, back);
      for (napi_ref kept : {settled, handle}) napi_reference_ref(env, kept, &count);
    }
    Arena& arena = job->program->arena();
    ++arena.jobs;
    arena.driver = this;
    driver->push(job);
  }
  // Programs that share an arena never run at the same time.
  bool mayTake(const Program& program) const { return program.arena().jobs == 0 || program.arena().driver == this; }

  static void settle(napi_env e, napi_value, void* self, void* data) {
    Pending* job = static_cast<Pending*>(data);
    if (!e) {
      delete job;
      return;
    }
    --job->program->arena().jobs;
    ProgramRuntime* runtime = static_cast<ProgramRuntime*>(self);
    Napi::HandleScope scope(e);
    if (job->block && job->problem.text.empty()) std::memcpy(job->block, job->results, size_t(job->program->resultBytes()));
    napi_value callback, receiver, arguments[3], result;
    napi_get_reference_value(e, runtime->settled, &callback);
    napi_get_undefined(e, &receiver);
    if (job->problem.text.empty()) napi_get_null(e, &arguments[0]);
    else arguments[0] = errorOf(e, job->problem);
    napi_create_double(e, double(job->done), &arguments[1]);
    napi_create_double(e, double(job->program->duration()) * 1e-3, &arguments[2]);
    runtime->give(job);
    if (--runtime->inFlight == 0) {
      uint32_t count;
      napi_unref_threadsafe_function(e, runtime->back);
      for (napi_ref kept : {runtime->settled, runtime->handle}) napi_reference_unref(e, kept, &count);
    }
    napi_call_function(e, receiver, callback, 3, arguments, &result);
  }
};

// Null where it is none, or has been stopped.
ProgramRuntime* runtimeOf(Napi::Env env, const Napi::Value& value) {
  bool fits = false;
  if (!value.IsExternal() || napi_check_object_type_tag(env, value, &driverTag, &fits) != napi_ok || !fits) return nullptr;
  ProgramRuntime* runtime = value.As<Napi::External<ProgramRuntime>>().Data();
  return runtime->driver ? runtime : nullptr;
}

// startDriver(settled) → driver; settled(error or null, whole steps, microseconds that one takes of late) is called for each job, in order.
// Both must be kept alive by the caller.
Napi::Value startDriver(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  if (call.Length() != 1 || !call[0].IsFunction()) return fail(env, "[program] expected a function");
  ProgramRuntime* runtime = new ProgramRuntime(env, call[0], env.GetInstanceData<Instance>()->ledger);
  Napi::External<ProgramRuntime> handle =
      Napi::External<ProgramRuntime>::New(env, runtime, [](Napi::Env, ProgramRuntime* self) { self->collected(); });
  napi_type_tag_object(env, handle, &driverTag);
  napi_create_reference(env, handle, 0, &runtime->handle);
  return handle;
}

constexpr const char* elsewhere = "[program] steps of this program are in flight elsewhere";

// queueProgram(driver, handle, inputs): one step on the driver thread.
Napi::Value queueProgram(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  ProgramRuntime* runtime = call.Length() == 3 ? runtimeOf(env, call[0]) : nullptr;
  ProgramHandle* handle = runtime ? handleOf(env, call[1]) : nullptr;
  if (!handle) return fail(env, "[program] the program has been disposed of");
  const std::shared_ptr<Program> kept = handle->program;  // a getter in the arguments may dispose of it
  const Program& program = *kept;
  const int64_t liveBytes = program.liveBytes(), resultBytes = program.resultBytes();
  int64_t total = liveBytes + resultBytes;
  for (const Port& port : program.inputs()) total += Program::padded(port.bytes);
  Pending* job = runtime->take();
  unsigned char* memory = job->own.reserve(size_t(total));
  unsigned char* at = memory;
  const char* problem = !memory ? "[program] no memory for the step's inputs" : forInputs(env, call[2], program, [&](size_t, const Port& port, const void* data) {
    if (port.bytes) std::memcpy(at, data, size_t(port.bytes));
    at += Program::padded(port.bytes);
  });
  if (!problem && !runtime->mayTake(program)) problem = elsewhere;
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

// queueRun(driver, handle, steps, stream, sources, rows, batch, live, results): several steps on the driver thread. Argument i of step s is
// made of the rows rows[s·batch …] of sources[i]; `live` and `results` hold a block for each step.
Napi::Value queueRun(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  ProgramRuntime* runtime = call.Length() == 9 ? runtimeOf(env, call[0]) : nullptr;
  ProgramHandle* handle = runtime ? handleOf(env, call[1]) : nullptr;
  if (!handle) return fail(env, "[program] the program has been disposed of");
  const std::shared_ptr<Program> kept = handle->program;  // a getter in the arguments may dispose of it
  Program& program = *kept;
  Operand rows{}, live{}, results{};
  if (!call[2].IsNumber() || !call[3].IsNumber() || !call[4].IsArray() || !call[6].IsNumber() || !sharedOf(env, call[5], &rows) ||
      rows.dtype != DType::int32 || !sharedOf(env, call[7], &live) || !sharedOf(env, call[8], &results))
    return fail(env, "[program] malformed run");
  const int64_t steps = call[2].As<Napi::Number>().Int64Value(), batch = call[6].As<Napi::Number>().Int64Value();
  const Napi::Array list = call[4].As<Napi::Array>();
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
  if (!runtime->mayTake(program)) {
    runtime->give(job);
    return fail(env, elsewhere);
  }
  job->program = kept;
  job->steps = steps;
  job->stream = call[3].As<Napi::Number>().Int32Value();
  job->sourceCount = int(list.Length());
  job->rows = static_cast<const int32_t*>(rows.data);
  job->batch = batch;
  job->live = static_cast<const unsigned char*>(live.data);
  job->results = static_cast<unsigned char*>(results.data);
  runtime->push(job);
  return env.Undefined();
}

// holdDriver(driver), releaseDriver(driver): nothing runs in between, and what stays is that of whole steps.
Napi::Value holdDriver(const Napi::CallbackInfo& call) {
  ProgramRuntime* runtime = call.Length() == 1 ? runtimeOf(call.Env(), call[0]) : nullptr;
  if (runtime && !runtime->held) {
    runtime->driver->hold();
    runtime->held = true;
  }
  return call.Env().Undefined();
}
Napi::Value releaseDriver(const Napi::CallbackInfo& call) {
  ProgramRuntime* runtime = call.Length() == 1 ? runtimeOf(call.Env(), call[0]) : nullptr;
  if (runtime && runtime->held) {
    runtime->held = false;
    runtime->driver->release();
  }
  return call.Env().Undefined();
}

// trimDriver(driver): frees the jobs that wait to be used again.
Napi::Value trimDriver(const Napi::CallbackInfo& call) {
  if (ProgramRuntime* runtime = call.Length() == 1 ? runtimeOf(call.Env(), call[0]) : nullptr) runtime->trim();
  return call.Env().Undefined();
}

}  // namespace

void exportDriver(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("startDriver", startDriver);
  add("queueProgram", queueProgram);
  add("queueRun", queueRun);
  add("holdDriver", holdDriver);
  add("releaseDriver", releaseDriver);
  add("trimDriver", trimDriver);
}

}  // namespace nodegrad
