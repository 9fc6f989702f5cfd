// Module entry: hands the export list to Node, nothing else.
#include "../ops/op.h"
#include "../runtime/system.h"
#include "binding.h"

namespace nodegrad {
namespace {

// [{ name, signature, ints, reals, guarded }] in the order of ops.def: lib finds its index by name.
Napi::Array describeOps(Napi::Env env) {
  Napi::Array list = Napi::Array::New(env, size_t(opCount()));
  for (int i = 0; i < opCount(); ++i) {
    const Op& op = opAt(i);
    Napi::Object o = Napi::Object::New(env);
    o.Set("name", op.name);
    o.Set("signature", op.signature);
    o.Set("ints", op.ints);
    o.Set("reals", op.reals);
    o.Set("guarded", op.functions.guarded);
    list.Set(uint32_t(i), o);
  }
  return list;
}

// [{ name, bytes }] in the order of dtypes.def: programs name an element type by its place.
Napi::Array describeDTypes(Napi::Env env) {
  Napi::Array list = Napi::Array::New(env, size_t(dtypeCount));
  for (int i = 0; i < dtypeCount; ++i) {
    Napi::Object o = Napi::Object::New(env);
    o.Set("name", dtypeName(DType(i)));
    o.Set("bytes", double(dtypeSize(DType(i))));
    list.Set(uint32_t(i), o);
  }
  return list;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  stayLoaded();
  Instance* instance = new Instance();
  env.SetInstanceData<Instance>(instance);
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, maxAttributes * sizeof(double));
  instance->attributes = static_cast<double*>(buffer.Data());
  instance->attributesBuffer = Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1);

  exports.Set("abi", 2);
  exports.Set("ops", describeOps(env));
  exports.Set("dtypes", describeDTypes(env));
  exports.Set("attributes", Napi::Float64Array::New(env, maxAttributes, buffer, 0));
  napi_value run;
  napi_create_function(env, "run", NAPI_AUTO_LENGTH, runOp, instance, &run);
  exports.Set("run", Napi::Value(env, run));
  exportInfo(env, exports);
  exportProgram(env, exports);
  exportDriver(env, exports);
  exportCalibrate(env, exports);
  exportGroup(env, exports);
  exportTesting(env, exports);
  return exports;
}

}  // namespace
}  // namespace nodegrad

static Napi::Object initAddon(Napi::Env env, Napi::Object exports) { return nodegrad::init(env, exports); }
NODE_API_MODULE(nodegrad, initAddon)
