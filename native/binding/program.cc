// Programs across the border: create, run on this thread, dispose. driver.cc runs them on another one.
#include "program.h"

namespace nodegrad {
namespace {

constexpr napi_type_tag programTag = {0x6e6f646567726164ull, 0x70726f6772616d31ull};

}  // namespace

Napi::Value fail(Napi::Env env, const std::string& problem) {
  napi_throw_error(env, "ERR_NATIVE", problem.c_str());  // does nothing where a getter among the arguments has thrown already
  return env.Undefined();
}

napi_value errorOf(napi_env env, const Problem& problem) {
  const Refusal& refusal = problem.refusal;
  napi_value code, text, error;
  napi_create_string_utf8(env, "ERR_NATIVE", NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, problem.text.c_str(), problem.text.size(), &text);
  napi_create_error(env, code, text, &error);
  if (!refusal.isIndex) return error;
  const auto set = [&](const char* name, int64_t number) {
    napi_value value;
    napi_create_int64(env, number, &value);
    napi_set_named_property(env, error, name, value);
  };
  set("value", refusal.value);
  set("position", refusal.position);
  set("minimum", refusal.low);
  set("maximum", refusal.high);
  return error;
}

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

namespace {

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

}  // namespace

ProgramHandle* handleOf(Napi::Env env, const Napi::Value& value) {
  bool fits = false;
  if (!value.IsExternal() || napi_check_object_type_tag(env, value, &programTag, &fits) != napi_ok || !fits) return nullptr;
  ProgramHandle* handle = value.As<Napi::External<ProgramHandle>>().Data();
  return handle->program ? handle : nullptr;
}

namespace {

// createProgram(code, externals, block, sibling or undefined) → handle. Externals and block lie on SharedArrayBuffers; the caller keeps
// them alive. Siblings share their memory, and never run at the same time.
Napi::Value createProgram(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Operand code{}, block{};
  std::vector<Operand> externals;
  if (call.Length() != 4 || !operandOf(env, call[0], &code) || code.dtype != DType::float64 || !operandsOf(env, call[1], &externals) ||
      !sharedOf(env, call[2], &block) || block.dtype != DType::uint8)
    return fail(env, "[program] expected code, externals and a block on shared memory");
  const std::shared_ptr<MemoryLedger> ledger = env.GetInstanceData<Instance>()->ledger;
  std::shared_ptr<Program> program = std::make_shared<Program>(ledger);
  ProgramHandle* const sibling = handleOf(env, call[3]);
  const std::string problem =
      program->build(static_cast<const double*>(code.data), size_t(code.length), externals, sibling ? sibling->program.get() : nullptr);
  if (!problem.empty()) return fail(env, problem);
  if (block.length != program->liveBytes() + program->resultBytes()) return fail(env, "[program] a block of the wrong size");
  unsigned char* live = static_cast<unsigned char*>(block.data);
  ProgramHandle* made = new ProgramHandle{program, live, live + program->liveBytes(), ledger};
  Napi::External<ProgramHandle> handle = Napi::External<ProgramHandle>::New(env, made, [](Napi::Env e, ProgramHandle* h) {
    h->program.reset();
    h->ledger->report(e);
    delete h;
  });
  napi_type_tag_object(env, handle, &programTag);
  ledger->report(env);
  return handle;
}

// Frees the arena now, or when the step in flight is done.
Napi::Value disposeProgram(const Napi::CallbackInfo& call) {
  if (ProgramHandle* handle = call.Length() == 1 ? handleOf(call.Env(), call[0]) : nullptr) {
    handle->program.reset();
    handle->ledger->report(call.Env());
  }
  return call.Env().Undefined();
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
  const Problem problem = program.run(nullptr);
  if (!problem.text.empty()) {
    napi_throw(env, errorOf(env, problem));
    return env.Undefined();
  }
  program.writeResults(handle->results);
  return Napi::Number::New(env, double(program.duration()) * 1e-3);
}

}  // namespace

void exportProgram(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("createProgram", createProgram);
  add("disposeProgram", disposeProgram);
  add("runProgram", runProgram);
}

}  // namespace nodegrad
