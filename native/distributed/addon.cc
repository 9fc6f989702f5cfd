// The second addon: processes that reach each other over TCP by Gloo, as a transport for operations over a group.
#include <gloo/common/error.h>
#include <gloo/context.h>
#include <gloo/transport/address.h>
#include <gloo/transport/context.h>
#include <gloo/transport/device.h>
#include <gloo/transport/pair.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>
#include <napi.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../group/transport.h"

namespace nodegrad::distributed {
namespace {

constexpr napi_type_tag transportTag = {transportTagLow, transportTagHigh};
constexpr napi_type_tag meshTag = {0x6e6f646567726164ull, 0x6d65736830303031ull};

// What an exception of Gloo says, without the place in its source that it begins with.
std::string wordsOf(const std::exception& error) {
  std::string text = error.what();
  if (!text.empty() && text[0] == '[') {
    const size_t end = text.find("] ");
    if (end != std::string::npos) text = text.substr(end + 2);
  }
  return text;
}

// Connections from this process to all others of a group. Shared by JavaScript, the thread that connects, and the channels of the first addon.
class Mesh {
 public:
  Mesh(int rank, int size, const std::string& host, int timeout) : rank_(rank), size_(size), timeout_(timeout) {
    gloo::transport::tcp::attr attributes(host.c_str());
    device_ = gloo::transport::tcp::CreateDevice(attributes);
    context_ = device_->createContext(rank, size);
    context_->setTimeout(timeout_);
    for (int peer = 0; peer < size; ++peer)
      if (peer != rank) context_->createPair(peer);
  }

  int rank() const { return rank_; }
  int size() const { return size_; }
  // Where the others reach this process: one address for each of them, which has nothing in it for itself.
  std::vector<std::vector<char>> addresses() const {
    std::vector<std::vector<char>> all(static_cast<size_t>(size_));
    for (int peer = 0; peer < size_; ++peer)
      if (peer != rank_) all[size_t(peer)] = context_->getPair(peer)->address().bytes();
    return all;
  }
  // Blocks until all are connected: empty, or what went wrong. `addresses`: of each of the others, the one that it has for this process.
  std::string connect(const std::vector<std::vector<char>>& addresses) {
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) continue;
      try {
        context_->getPair(peer)->connect(addresses[size_t(peer)]);
      } catch (const std::exception& error) {
        return "process " + std::to_string(peer) + " could not be connected to: " + wordsOf(error);
      }
    }
    return "";
  }
  // Ends what is under way: whoever waits hears of it, here and in the other processes.
  void close(const std::string& why) {
    fail(why);
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) continue;
      try {
        context_->getPair(peer)->close();
      } catch (const std::exception&) {
        // It was closed by the other side before.
      }
    }
  }

  struct Message {
    std::unique_ptr<gloo::transport::UnboundBuffer> buffer;
    int peer;
    bool sends;
  };
  Message* begin(int peer, uint64_t tag, void* data, size_t bytes, bool sends) {
    if (hasFailed()) return nullptr;
    try {
      std::unique_ptr<Message> message(new Message{context_->createUnboundBuffer(data, bytes), peer, sends});
      if (sends) message->buffer->send(peer, tag, 0, bytes);
      else message->buffer->recv(peer, tag, 0, bytes);
      return message.release();
    } catch (const std::exception& error) {
      fail("process " + std::to_string(peer) + " cannot be reached: " + wordsOf(error));
      return nullptr;
    }
  }
  bool wait(Message* given) {
    const std::unique_ptr<Message> message(given);
    try {
      const bool whole = message->sends ? message->buffer->waitSend(timeout_) : message->buffer->waitRecv(timeout_);
      if (!whole) fail("it was ended");
      return whole && !hasFailed();
    } catch (const std::exception& error) {
      // What it has begun is not waited for: the memory is another's from now on.
      const std::string what = message->sends ? "nothing could be sent to process " : "nothing came from process ";
      close(what + std::to_string(message->peer) + ": " + wordsOf(error));
      return false;
    }
  }
  void problem(char* text, size_t room) {
    std::lock_guard<std::mutex> lock(mutex_);
    std::snprintf(text, room, "%s", problem_.empty() ? "the connection failed" : problem_.c_str());
  }
  void fail(const std::string& why) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (problem_.empty()) problem_ = why;
    failed_.store(true);
  }
  bool hasFailed() const { return failed_.load(); }

 private:
  const int rank_, size_;
  const std::chrono::milliseconds timeout_;
  std::shared_ptr<gloo::transport::Device> device_;
  std::shared_ptr<gloo::transport::Context> context_;
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::string problem_;  // the first one
};

// One more owner of a mesh, as the table of a transport counts them.
struct Handle {
  std::shared_ptr<Mesh> mesh;
  std::atomic<int> owners{0};
  Transport transport;

  explicit Handle(std::shared_ptr<Mesh> made) : mesh(std::move(made)) {
    transport.version = Transport::currentVersion;
    transport.rank = mesh->rank();
    transport.size = mesh->size();
    transport.context = this;
    transport.send = [](void* self, int32_t peer, uint64_t tag, void* data, size_t bytes) -> void* {
      return static_cast<Handle*>(self)->mesh->begin(peer, tag, data, bytes, true);
    };
    transport.receive = [](void* self, int32_t peer, uint64_t tag, void* data, size_t bytes) -> void* {
      return static_cast<Handle*>(self)->mesh->begin(peer, tag, data, bytes, false);
    };
    transport.wait = [](void* self, void* message) { return static_cast<Handle*>(self)->mesh->wait(static_cast<Mesh::Message*>(message)); };
    transport.problem = [](void* self, char* text, size_t room) { static_cast<Handle*>(self)->mesh->problem(text, room); };
    transport.retain = [](void* self) { ++static_cast<Handle*>(self)->owners; };
    transport.release = [](void* self) {
      Handle* handle = static_cast<Handle*>(self);
      if (--handle->owners == 0) delete handle;
    };
    ++owners;
  }
};

void closeAtExit(void* handle) {
  static_cast<Handle*>(handle)->mesh->close("this process ends");
  static_cast<Handle*>(handle)->transport.release(handle);
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

constexpr int mostProcesses = 4096;

// openMesh(rank, size, host, milliseconds) → { mesh, transport, addresses }
Napi::Value openMesh(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  if (call.Length() != 4 || !call[0].IsNumber() || !call[1].IsNumber() || !call[2].IsString() || !call[3].IsNumber())
    return fail(env, "expected rank, size, host and a time-out");
  const int rank = call[0].As<Napi::Number>().Int32Value(), size = call[1].As<Napi::Number>().Int32Value();
  const int timeout = call[3].As<Napi::Number>().Int32Value();
  const std::string host = call[2].As<Napi::String>().Utf8Value();
  if (size < 1 || size > mostProcesses || rank < 0 || rank >= size || timeout < 1) return fail(env, "a rank, a size or a time-out that cannot be");
  Handle* handle = nullptr;
  std::vector<std::vector<char>> addresses;
  try {
    handle = new Handle(std::make_shared<Mesh>(rank, size, host, timeout));
    addresses = handle->mesh->addresses();
  } catch (const std::exception& error) {
    delete handle;
    return fail(env, "no connections can be taken at '" + host + "': " + wordsOf(error));
  }
  // With the environment the connections go, before the thread that may wait for them is joined.
  napi_add_env_cleanup_hook(env, closeAtExit, handle);
  Napi::External<Handle> mesh = Napi::External<Handle>::New(env, handle);
  napi_type_tag_object(env, mesh, &meshTag);
  Napi::External<Transport> transport = Napi::External<Transport>::New(env, &handle->transport);
  napi_type_tag_object(env, transport, &transportTag);
  Napi::Array list = Napi::Array::New(env, addresses.size());
  for (size_t i = 0; i < addresses.size(); ++i)
    list.Set(uint32_t(i), Napi::Buffer<char>::Copy(env, addresses[i].data(), addresses[i].size()));
  Napi::Object made = Napi::Object::New(env);
  made.Set("mesh", mesh);
  made.Set("transport", transport);
  made.Set("addresses", list);
  return made;
}

class Connecting : public Napi::AsyncWorker {
 public:
  Connecting(Napi::Env env, std::shared_ptr<Mesh> mesh, std::vector<std::vector<char>> addresses)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), mesh_(std::move(mesh)), addresses_(std::move(addresses)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }
  void Execute() override {
    const std::string problem = mesh_->connect(addresses_);
    if (!problem.empty()) SetError(problem);
  }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Mesh> mesh_;
  std::vector<std::vector<char>> addresses_;
};

// connectMesh(mesh, addresses) → Promise
Napi::Value connectMesh(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Handle* handle = handleOf(call);
  if (!handle || call.Length() != 2 || !call[1].IsArray()) return fail(env, "expected a mesh and addresses");
  const Napi::Array list = call[1].As<Napi::Array>();
  if (int(list.Length()) != handle->mesh->size()) return fail(env, "not one address for each process");
  const size_t own = handle->mesh->size() > 1 ? handle->mesh->addresses()[handle->mesh->rank() == 0 ? 1 : 0].size() : 0;
  std::vector<std::vector<char>> addresses;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value one = list.Get(i);
    if (!one.IsBuffer()) return fail(env, "an address that is no bytes");
    const Napi::Buffer<char> bytes = one.As<Napi::Buffer<char>>();
    // Gloo copies what it is given over a structure of its own.
    if (int(i) != handle->mesh->rank() && bytes.Length() != own) return fail(env, "an address of the wrong length");
    addresses.emplace_back(bytes.Data(), bytes.Data() + bytes.Length());
  }
  Connecting* worker = new Connecting(env, handle->mesh, std::move(addresses));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// closeMesh(mesh, why)
Napi::Value closeMesh(const Napi::CallbackInfo& call) {
  Handle* handle = handleOf(call);
  if (!handle || call.Length() != 2 || !call[1].IsString()) return fail(call.Env(), "expected a mesh and why");
  handle->mesh->close(call[1].As<Napi::String>().Utf8Value());
  return call.Env().Undefined();
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
