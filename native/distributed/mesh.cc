// Connections from this process to all others of a group, over Gloo's TCP transport.
#include "mesh.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include <gloo/transport/tcp/context.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/tcp/pair.h>
#include <gloo/transport/tcp/unbound_buffer.h>

namespace nodegrad::distributed {
namespace {

namespace tcp = gloo::transport::tcp;

// Beside the messages of operations, whose tags are hashes.
enum : uint64_t { helloTag = 1, proofTag = 2, verdictTag = 3 };

// What an exception of Gloo says, without the place in its source that it begins with.
std::string wordsOf(const std::exception& error) {
  std::string text = error.what();
  if (!text.empty() && text[0] == '[') {
    const size_t end = text.find("] ");
    if (end != std::string::npos) text = text.substr(end + 2);
  }
  return text;
}

// A pair that is given its connection, and whose failures stay its own. In Gloo's, each listens, and belongs to whoever connects first; what does
// not fit ends the process, by an exception on the thread that reads; and who waits for a message of which a part has come waits on when it ends.
class Pair final : public tcp::Pair {
 public:
  using tcp::Pair::Pair;

  void take(int fd) {
    std::lock_guard<std::mutex> lock(m_);
    tcp::Pair::changeState(CLOSED);  // listens no longer
    fd_ = fd;
    peer_ = tcp::Address::fromPeerName(fd);
    device_->registerDescriptor(fd_, EPOLLIN, this);
    changeState(CONNECTED);
  }
  void end(const std::string& why) {
    std::lock_guard<std::mutex> lock(m_);
    if (ex_ == nullptr && state_ != CLOSED) signalException(why);
  }
  void close() override { end("it was closed"); }
  bool hasEnded() {
    std::lock_guard<std::mutex> lock(m_);
    return ex_ != nullptr || state_ == CLOSED;
  }

  void handleEvents(int events) override {
    // Who holds the lock may wait for this thread.
    std::unique_lock<std::mutex> lock(m_, std::try_to_lock);
    if (!lock || state_ != CONNECTED || ex_ != nullptr) return;
    try {
      handleReadWrite(events);
    } catch (const std::exception& error) {
      if (ex_ == nullptr) signalException(wordsOf(error));
    }
  }

 protected:
  void changeState(state next) noexcept override {
    if (next == CLOSED && state_ == CONNECTED) {
      if (const gloo::NonOwningPtr<tcp::UnboundBuffer> half{rx_.ubuf}) half->abortWaitRecv();
      for (const tcp::Op& op : tx_)
        if (const gloo::NonOwningPtr<tcp::UnboundBuffer> waiting{op.ubuf}) waiting->abortWaitSend();
    }
    tcp::Pair::changeState(next);
  }
};

std::shared_ptr<tcp::Device> makeDevice() {
  // Some versions of Gloo listen here for others, of whom there are none.
  tcp::attr attributes("127.0.0.1");
  return std::dynamic_pointer_cast<tcp::Device>(tcp::CreateDevice(attributes));
}

}  // namespace

class Pairs final : public tcp::Context {
 public:
  Pairs(int rank, int size) : tcp::Context(makeDevice(), rank, size) {}
  std::unique_ptr<gloo::transport::Pair>& createPair(int peer) override {
    pairs_[size_t(peer)].reset(new Pair(this, device_.get(), peer, getTimeout()));
    return pairs_[size_t(peer)];
  }
  // Its pair with a process of the group; null where there is none.
  Pair* at(int peer) { return static_cast<Pair*>(pairs_[size_t(peer)].get()); }
};

Mesh::Mesh(int rank, int size, const std::string& host, const Key& key, int milliseconds, bool singleCopy)
    : rank_(rank), size_(size), timeout_(milliseconds), meeting_(host, key), singleCopy_(singleCopy) {}
Mesh::~Mesh() = default;
Mesh::Message::Message(std::shared_ptr<Mesh> mesh, int peer, uint64_t tag, void* data, size_t bytes, bool sends)
    : mesh(std::move(mesh)), peer(peer), tag(tag), data(data), bytes(bytes), sends(sends) {}
Mesh::Message::~Message() = default;

void Mesh::connect(const std::vector<Place>& places) {
  std::vector<int> sockets = meeting_.meet(rank_, places, int(timeout_.count()));
  std::vector<bool> isHere;
  for (const int socket : sockets) isHere.push_back(singleCopy_ && socket >= 0 && staysHere(socket));
  try {
    auto made = std::make_shared<Pairs>(rank_, size_);
    made->setTimeout(timeout_);
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) continue;
      const int atOnce = 1;
      ::setsockopt(sockets[size_t(peer)], IPPROTO_TCP, TCP_NODELAY, &atOnce, sizeof atOnce);
      made->createPair(peer);
      made->at(peer)->take(std::exchange(sockets[size_t(peer)], -1));
    }
    std::lock_guard<std::mutex> lock(mutex_);
    pairs_ = std::move(made);
  } catch (...) {
    for (const int socket : sockets)
      if (socket >= 0) ::close(socket);
    throw;
  }
  if (hasFailed()) throw std::runtime_error("it was ended");
  findNeighbours(isHere);
}

void Mesh::findNeighbours(const std::vector<bool>& isHere) {
  auto found = std::make_unique<Neighbours>(isHere);
  found->agree(exchange(verdictTag, found->judge(exchange(proofTag, found->prove(exchange(helloTag, found->hello()))))));
  neighbours_ = std::move(found);
}

template <class T>
std::vector<T> Mesh::exchange(uint64_t tag, std::vector<T> out) {
  std::vector<T> in(out.size());
  std::vector<Message*> messages;
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank_) continue;
    messages.push_back(begin(peer, tag, &in[size_t(peer)], sizeof(T), false));
    messages.push_back(begin(peer, tag, &out[size_t(peer)], sizeof(T), true));
  }
  bool whole = true;
  for (Message* const message : messages) whole = message && wait(message) && whole;
  if (!whole) throw std::runtime_error(problem());
  return in;
}

void Mesh::close(const std::string& why) {
  fail(why);
  meeting_.cancel();
  std::shared_ptr<Pairs> pairs;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    pairs = pairs_;
  }
  for (int peer = 0; pairs && peer < size_; ++peer)
    if (peer != rank_) pairs->at(peer)->end(why);
}

Mesh::Message* Mesh::begin(int peer, uint64_t tag, void* data, size_t bytes, bool sends) {
  if (hasFailed()) return nullptr;
  try {
    auto message = std::make_unique<Message>(shared_from_this(), peer, tag, data, bytes, sends);
    if (neighbours_ && neighbours_->has(peer)) {
      if (sends) message->offer = std::make_unique<Neighbours::Sending>(*neighbours_, peer, tag, data, bytes);
      return message.release();
    }
    message->buffer = pairs_->createUnboundBuffer(data, bytes);
    if (sends) message->buffer->send(peer, tag);
    else message->buffer->recv(peer, tag);
    return message.release();
  } catch (const std::exception& error) {
    close("process " + std::to_string(peer) + " cannot be reached: " + wordsOf(error));
    return nullptr;
  }
}

bool Mesh::finish(Message& message) {
  if (message.buffer) return message.sends ? message.buffer->waitSend(timeout_) : message.buffer->waitRecv(timeout_);
  const auto deadline = std::chrono::steady_clock::now() + timeout_;
  const Neighbours::Problem problem = [&]() -> std::string {
    if (hasFailed() || pairs_->at(message.peer)->hasEnded()) return "the connection ended";
    return std::chrono::steady_clock::now() < deadline ? "" : "timed out after " + std::to_string(timeout_.count()) + " ms";
  };
  if (message.sends) neighbours_->waitFor(*message.offer, problem);
  else neighbours_->take(message.peer, message.tag, message.data, message.bytes, problem);
  return true;
}

bool Mesh::wait(Message* given) {
  const std::unique_ptr<Message> message(given);
  Mesh& mesh = *message->mesh;
  const auto what = [&] { return (message->sends ? "nothing could be sent to process " : "nothing came from process ") + std::to_string(message->peer); };
  try {
    if (mesh.finish(*message)) return !mesh.hasFailed();
    mesh.close(what() + ": the connection ended");
  } catch (const std::exception& error) {
    // What it has begun is not waited for: the memory is another's from now on.
    mesh.close(what() + ": " + wordsOf(error));
  }
  return false;
}

std::string Mesh::problem() {
  std::lock_guard<std::mutex> lock(mutex_);
  return problem_.empty() ? "the connection failed" : problem_;
}

void Mesh::fail(const std::string& why) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (problem_.empty()) problem_ = why;
  failed_.store(true);
}

}  // namespace nodegrad::distributed
