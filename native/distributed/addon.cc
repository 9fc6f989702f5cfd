// The second addon across the border: processes that reach each other over TCP by Gloo, as a transport for operations over a group.
#include <napi.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../group/transport.h"
#include "mesh.h"

namespace nodegrad::distributed {
namespace {

constexpr napi_type_tag transportTag = {transportTagLow, transportTagHigh};
constexpr napi_type_tag meshTag = {0x6e6f646567726164ull, 0x6d65736830303031ull};

// A mesh as JavaScript, the environment and the channels of the first addon have it, each of whom is an owner. The mesh goes when it is closed,
// as soon as nobody waits in it; this stays for those who still name it.
class Handle {
 public:
  explicit Handle(std::shared_ptr<Mesh> mesh) : mesh_(std::move(mesh)) {
    transport.version = Transport::currentVersion;
    transport.rank = mesh_->rank();
    transport.size = mesh_->size();
    transport.context = this;
    transport.send = [](void* self, int32_t peer, uint64_t tag, void* data, size_t bytes) { return begin(self, peer, tag, data, bytes, true); };
    transport.receive = [](void* self, int32_t peer, uint64_t tag, void* data, size_t bytes) { return begin(self, peer, tag, data, bytes, false); };
    transport.wait = [](void*, void* message) { return Mesh::wait(static_cast<Mesh::Message*>(message)); };
    transport.close = [](void* self, const char* why) { static_cast<Handle*>(self)->close(why); };
    transport.problem = [](void* self, char* text, size_t room) { std::snprintf(text, room, "%s", static_cast<Handle*>(self)->problem().c_str()); };
    transport.retain = [](void* self) { ++static_cast<Handle*>(self)->owners_; };
    transport.release = [](void* self) { static_cast<Handle*>(self)->release(); };
  }

  Transport transport;

  void retain() { ++owners_; }
  void release() {
    if (--owners_ == 0) delete this;
  }
  // null: it is closed.
  std::shared_ptr<Mesh> mesh() {
    std::lock_guard<std::mutex> lock(mutex_);
    return mesh_;
  }
  void close(const std::string& why) {
    std::shared_ptr<Mesh> gone;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      gone.swap(mesh_);
    }
    if (!gone) return;
    gone->close(why);
    std::lock_guard<std::mutex> lock(mutex_);
    problem_ = gone->problem();
  }

 private:
  ~Handle() = default;
  static void* begin(void* self, int32_t peer, uint64_t tag, void* data, size_t bytes, bool sends) {
    const std::shared_ptr<Mesh> mesh = static_cast<Handle*>(self)->mesh();
    return mesh ? mesh->begin(peer, tag, data, bytes, sends) : nullptr;
  }
  std::string problem() {
    if (const std::shared_ptr<Mesh> open = mesh()) return open->problem();
    std::lock_guard<std::mutex> lock(mutex_);
    return problem_;
  }

  std::mutex mutex_;
  std::shared_ptr<Mesh> mesh_;
  std::string problem_ = "the group was closed";
  std::atomic<int> owners_{1};
};

// With the environment the connections go, and a thread that connects ends.
void closeAtExit(void* data) {
  Handle* handle = static_cast<Handle*>(data);
  handle->close("this process ends");
  handle->release();
}

Napi::Value fail(Napi::Env env, const std::string& why) {
  napi_throw_error(env, "ERR_DISTRIBUTED", why.c_str());
  return env.Undefined();
}

Handle* handleOf(const Napi::CallbackInfo& call) {
  bool fits = false;
  if (call.Length() < 1 || !call[0].IsExternal() || napi_check_object_type_tag(call.Env(), call[0], &meshTag, &fits) != napi_ok || !fits) return nullptr;
  return call[0].As<Napi::External<Handle>>().Data();
}

bool readKey(const Napi::Value& value, Key* key) {
  if (!value.IsBuffer()) return false;
  const Napi::Buffer<uint8_t> bytes = value.As<Napi::Buffer<uint8_t>>();
  if (bytes.Length() != key->size()) return false;
  std::memcpy(key->data(), bytes.Data(), key->size());
  return true;
}

constexpr int mostProcesses = 4096;

// openMesh(rank, size, host, key, milliseconds, singleCopy) → { mesh, transport, host, port }
Napi::Value openMesh(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Key key;
  if (call.Length() != 6 || !call[0].IsNumber() || !call[1].IsNumber() || !call[2].IsString() || !readKey(call[3], &key) || !call[4].IsNumber() || !call[5].IsBoolean())
    return fail(env, "expected rank, size, host, a key, a time-out and whether messages are read from memory");
  const int rank = call[0].As<Napi::Number>().Int32Value(), size = call[1].As<Napi::Number>().Int32Value();
  const int timeout = call[4].As<Napi::Number>().Int32Value();
  const std::string host = call[2].As<Napi::String>().Utf8Value();
  if (size < 1 || size > mostProcesses || rank < 0 || rank >= size || timeout < 1) return fail(env, "a rank, a size or a time-out that cannot be");
  Handle* handle;
  Place place;
  try {
    const auto made = std::make_shared<Mesh>(rank, size, host, key, timeout, call[5].As<Napi::Boolean>().Value());
    place = made->place();
    handle = new Handle(made);
  } catch (const std::exception& error) {
    return fail(env, "no connections can be taken at '" + host + "': " + error.what());
  }
  napi_add_env_cleanup_hook(env, closeAtExit, handle);
  const auto owned = [handle](Napi::Env, auto*) { handle->release(); };
  handle->retain();
  Napi::External<Handle> mesh = Napi::External<Handle>::New(env, handle, owned);
  napi_type_tag_object(env, mesh, &meshTag);
  handle->retain();
  Napi::External<Transport> transport = Napi::External<Transport>::New(env, &handle->transport, owned);
  napi_type_tag_object(env, transport, &transportTag);
  Napi::Object open = Napi::Object::New(env);
  open.Set("mesh", mesh);
  open.Set("transport", transport);
  open.Set("host", place.host);
  open.Set("port", double(place.port));
  return open;
}

// A thread that connects, of its own: those of libuv are few, and Node.js waits for them when it ends.
struct Connecting {
  std::shared_ptr<Mesh> mesh;
  std::vector<Place> places;
  napi_deferred deferred = nullptr;
  napi_threadsafe_function settle = nullptr;
  int neighbours = 0;
  std::string problem;
};

void settle(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Connecting> done(static_cast<Connecting*>(data));
  if (!env) return;
  Napi::HandleScope scope(env);
  if (done->problem.empty()) napi_resolve_deferred(env, done->deferred, Napi::Number::New(env, done->neighbours));
  else napi_reject_deferred(env, done->deferred, Napi::Error::New(env, done->problem).Value());
}

void connectAndSettle(Connecting* connecting) {
  try {
    connecting->mesh->connect(connecting->places);
    connecting->neighbours = connecting->mesh->neighbours();
  } catch (const std::exception& error) {
    connecting->problem = error.what();
  }
  connecting->mesh = nullptr;
  const napi_threadsafe_function function = connecting->settle;
  // The environment may have ended meanwhile: then nobody else takes it.
  if (napi_call_threadsafe_function(function, connecting, napi_tsfn_blocking) == napi_closing) delete connecting;
  else napi_release_threadsafe_function(function, napi_tsfn_release);
}

bool readPlace(const Napi::Value& value, Place* place) {
  if (!value.IsObject()) return false;
  const Napi::Object object = value.As<Napi::Object>();
  const Napi::Value host = object.Get("host"), port = object.Get("port");
  if (!host.IsString() || !port.IsNumber()) return false;
  const int64_t number = port.As<Napi::Number>().Int64Value();
  if (number < 1 || number > 65535) return false;
  place->host = host.As<Napi::String>().Utf8Value();
  place->port = uint16_t(number);
  return readKey(object.Get("key"), &place->key);
}

// connectMesh(mesh, places) → Promise of how many processes' memory is read
Napi::Value connectMesh(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Handle* handle = handleOf(call);
  if (!handle || call.Length() != 2 || !call[1].IsArray()) return fail(env, "expected a mesh and places");
  auto connecting = std::make_unique<Connecting>();
  connecting->mesh = handle->mesh();
  if (!connecting->mesh) return fail(env, "it was ended");
  const Napi::Array list = call[1].As<Napi::Array>();
  if (int(list.Length()) != connecting->mesh->size()) return fail(env, "not one place for each process");
  connecting->places.resize(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i)
    if (!readPlace(list.Get(i), &connecting->places[i])) return fail(env, "what the store has of process " + std::to_string(i) + " is no address");
  napi_value promise;
  napi_create_promise(env, &connecting->deferred, &promise);
  const Napi::String name = Napi::String::New(env, "nodegrad: connecting");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, settle, &connecting->settle) != napi_ok)
    return fail(env, "no way back from a thread");
  try {
    std::thread(connectAndSettle, connecting.get()).detach();
  } catch (const std::exception& error) {
    napi_release_threadsafe_function(connecting->settle, napi_tsfn_abort);
    return fail(env, std::string("no thread can be started: ") + error.what());
  }
  connecting.release();
  return Napi::Value(env, promise);
}

// closeMesh(mesh, why)
Napi::Value closeMesh(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Handle* handle = handleOf(call);
  if (!handle || call.Length() != 2 || !call[1].IsString()) return fail(env, "expected a mesh and why");
  if (!handle->mesh()) return env.Undefined();
  handle->close(call[1].As<Napi::String>().Utf8Value());
  napi_remove_env_cleanup_hook(env, closeAtExit, handle);
  handle->release();
  return env.Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Transport::currentVersion);
  exports.Set("openMesh", Napi::Function::New(env, openMesh, "openMesh"));
  exports.Set("connectMesh", Napi::Function::New(env, connectMesh, "connectMesh"));
  exports.Set("closeMesh", Napi::Function::New(env, closeMesh, "closeMesh"));
  return exports;
}

}  // namespace
}  // namespace nodegrad::distributed

static Napi::Object initAddon(Napi::Env env, Napi::Object exports) { return nodegrad::distributed::init(env, exports); }
NODE_API_MODULE(nodegrad_distributed, initAddon)
