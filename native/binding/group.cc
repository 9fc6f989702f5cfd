// Transports across the border: what another addon hands over becomes a channel that operations name by its number.
#include "../group/transport.h"

#include <memory>

#include "binding.h"
#include "program.h"

namespace nodegrad {
namespace {

constexpr napi_type_tag transportTag = {transportTagLow, transportTagHigh};

void endChannelsAtExit(void* data) {
  const std::unique_ptr<const napi_env> env(static_cast<const napi_env*>(data));
  endChannels(*env);
}

// openChannel(transport) → number.
Napi::Value openChannel(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  bool fits = false;
  if (call.Length() != 1 || !call[0].IsExternal() || napi_check_object_type_tag(env, call[0], &transportTag, &fits) != napi_ok || !fits)
    return fail(env, "[group] expected a transport");
  const Transport* transport = call[0].As<Napi::External<Transport>>().Data();
  if (transport->version != Transport::currentVersion) return fail(env, "[group] the transport is of another version of nodegrad");
  return Napi::Number::New(env, double(addChannel(*transport, napi_env(env))));
}

// bytesSent(channel) → number; 0 where it has been closed.
Napi::Value bytesSent(const Napi::CallbackInfo& call) {
  const std::shared_ptr<Channel> channel = call.Length() == 1 && call[0].IsNumber() ? channelAt(call[0].As<Napi::Number>().Int64Value()) : nullptr;
  return Napi::Number::New(call.Env(), channel ? double(channel->bytesSent()) : 0);
}

Napi::Value closeChannel(const Napi::CallbackInfo& call) {
  if (call.Length() == 1 && call[0].IsNumber()) removeChannel(call[0].As<Napi::Number>().Int64Value());
  return call.Env().Undefined();
}

}  // namespace

void exportGroup(Napi::Env env, Napi::Object exports) {
  // The addon may be loaded again in an environment, and a hook may not be the same as another.
  napi_add_env_cleanup_hook(env, endChannelsAtExit, new napi_env(env));
  exports.Set("openChannel", Napi::Function::New(env, openChannel, "openChannel"));
  exports.Set("bytesSent", Napi::Function::New(env, bytesSent, "bytesSent"));
  exports.Set("closeChannel", Napi::Function::New(env, closeChannel, "closeChannel"));
}

}  // namespace nodegrad
