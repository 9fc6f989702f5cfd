// How processes of a group connect.
//
// The process of the higher rank connects, and says 48 bytes: `Greeting`. The other answers with 40: its own key, or zeros to one who is wrong here.
#include "meeting.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <list>
#include <stdexcept>
#include <utility>

namespace nodegrad::distributed {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::array<uint8_t, 8> magic = {'n', 'o', 'd', 'e', 'g', 'r', 'd', '2'};
constexpr Key refusal{};

struct Greeting {
  std::array<uint8_t, 8> magic;
  uint32_t from, to;  // ranks
  Key key;            // of the one who listens
};
struct Answer {
  std::array<uint8_t, 8> magic;
  Key key;  // of the one who connected
};
static_assert(sizeof(Greeting) == 48 && sizeof(Answer) == 40);

// So many who have not said who they are may wait, so long.
constexpr size_t mostStrangers = 128;
constexpr milliseconds patience{5000};
constexpr milliseconds betweenTries{50};

[[noreturn]] void failed(const std::string& what) { throw std::runtime_error(what); }
std::string reason(int error) { return std::strerror(error); }

// Takes the same time whatever is in them.
bool same(const Key& a, const Key& b) {
  uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= uint8_t(a[i] ^ b[i]);
  return difference == 0;
}

class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Not inherited by programs that this process starts: a connection ends with the process.
constexpr int ofOwn = SOCK_NONBLOCK | SOCK_CLOEXEC;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// The first address of a host, of a network interface here if it is to listen.
Address addressOf(const std::string& host, uint16_t port, bool listens) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (listens ? 0 : AI_NUMERICHOST);
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) failed(gai_strerror(error));
  Address address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.length = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

bool isAnyAddress(const Address& address) {
  if (address.storage.ss_family == AF_INET) return reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr.s_addr == INADDR_ANY;
  return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr);
}

// A few bytes each way: first sent, then received by the one who connects, the other way round by the one who listens.
class Talk {
 public:
  Talk(Socket socket, int peer) : socket_(std::move(socket)), peer_(peer), until_(Clock::now() + patience) {}
  enum class State { goesOn, done, lost };

  template <class T>
  void say(const T& message) {
    out_.assign(reinterpret_cast<const uint8_t*>(&message), reinterpret_cast<const uint8_t*>(&message + 1));
    sent_ = 0;
  }
  template <class T>
  void listenFor() {
    in_.resize(sizeof(T));
    received_ = 0;
  }
  template <class T>
  T heard() const {
    T message;
    std::memcpy(&message, in_.data(), sizeof message);
    return message;
  }
  bool hasSaid() const { return sent_ == out_.size(); }
  int peer() const { return peer_; }
  Clock::time_point until() const { return until_; }
  int fd() const { return socket_.fd(); }
  int release() { return socket_.release(); }
  pollfd wanted() const { return {socket_.fd(), short(hasSaid() ? POLLIN : POLLOUT), 0}; }

  // As far as it goes without waiting; `error` of what ended it, 0 where the other side hung up.
  State advance(int* error) {
    *error = 0;
    while (!hasSaid()) {
      const ssize_t n = ::send(socket_.fd(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
      if (n < 0) return stateAfter(errno, error);
      sent_ += size_t(n);
    }
    while (received_ < in_.size()) {
      const ssize_t n = ::recv(socket_.fd(), in_.data() + received_, in_.size() - received_, 0);
      if (n < 0) return stateAfter(errno, error);
      if (n == 0) return State::lost;
      received_ += size_t(n);
    }
    return State::done;
  }

 private:
  static State stateAfter(int error, int* said) {
    if (error == EAGAIN || error == EINTR || error == ENOTCONN) return State::goesOn;
    *said = error;
    return State::lost;
  }
  Socket socket_;
  int peer_;  // −1: somebody
  Clock::time_point until_;
  std::vector<uint8_t> out_, in_;
  size_t sent_ = 0, received_ = 0;
};

// What goes on in meet().
class Connecting {
 public:
  Connecting(int listener, int wake, const Place& own, int rank, const std::vector<Place>& places, int timeout)
      : listener_(listener), wake_(wake), own_(own), rank_(rank), places_(places), deadline_(Clock::now() + milliseconds(timeout)),
        timeout_(timeout), connected_(places.size()), tries_(size_t(rank), Clock::now()) {}

  std::vector<int> run() {
    for (;;) {
      beginToConnect();
      if (left_ == 0) break;
      const auto now = Clock::now();
      if (now >= deadline_) failed(whoIsMissing());
      wait();
      hearStrangers();
      advance();
    }
    std::vector<int> sockets;
    for (Socket& socket : connected_) sockets.push_back(socket.release());
    return sockets;
  }

 private:
  static constexpr Clock::time_point never = Clock::time_point::max();

  std::string who(int peer) const {
    const Place& place = places_[size_t(peer)];
    return "process " + std::to_string(peer) + " at " + place.host + ":" + std::to_string(place.port);
  }
  std::string whoIsMissing() const {
    const std::string within = " within " + std::to_string(timeout_) + " ms";
    for (int peer = 0; peer < rank_; ++peer)
      if (connected_[size_t(peer)].fd() < 0) return who(peer) + " did not answer" + within;
    int peer = rank_ + 1;
    while (connected_[size_t(peer)].fd() >= 0) ++peer;
    return "process " + std::to_string(peer) + " did not connect" + within;
  }

  void beginToConnect() {
    for (int peer = 0; peer < rank_; ++peer) {
      if (tries_[size_t(peer)] > Clock::now()) continue;
      tries_[size_t(peer)] = never;
      const Address address = addressOf(places_[size_t(peer)].host, places_[size_t(peer)].port, false);
      Socket socket(::socket(address.storage.ss_family, SOCK_STREAM | ofOwn, 0));
      if (socket.fd() < 0) failed("no socket for " + who(peer) + ": " + reason(errno));
      if (::connect(socket.fd(), address.get(), address.length) < 0 && errno != EINPROGRESS) failed(who(peer) + ": " + reason(errno));
      Talk& talk = talks_.emplace_back(std::move(socket), peer);
      talk.say(Greeting{magic, uint32_t(rank_), uint32_t(peer), places_[size_t(peer)].key});
      talk.listenFor<Answer>();
    }
  }

  void wait() {
    std::vector<pollfd> all = {{wake_, POLLIN, 0}};
    if (listener_ >= 0 && rests_ <= Clock::now()) all.push_back({listener_, POLLIN, 0});
    for (const Talk& talk : talks_) all.push_back(talk.wanted());
    const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now()).count();
    ::poll(all.data(), all.size(), int(std::clamp<int64_t>(left + 1, 0, betweenTries.count())));
    if (all[0].revents != 0) failed("it was ended");
  }

  void hearStrangers() {
    while (listener_ >= 0 && rests_ <= Clock::now()) {
      Socket socket(::accept4(listener_, nullptr, nullptr, ofOwn));
      if (socket.fd() < 0) {
        // Out of descriptors, for example: others may end soon.
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) rests_ = Clock::now() + betweenTries;
        return;
      }
      const auto isStranger = [](const Talk& talk) { return talk.peer() < 0; };
      if (size_t(std::count_if(talks_.begin(), talks_.end(), isStranger)) >= mostStrangers)
        talks_.erase(std::find_if(talks_.begin(), talks_.end(), isStranger));
      talks_.emplace_back(std::move(socket), -1).listenFor<Greeting>();
    }
  }

  void advance() {
    for (auto at = talks_.begin(); at != talks_.end();) {
      int error;
      const Talk::State state = at->advance(&error);
      const bool ends = state == Talk::State::lost || (state == Talk::State::done && (at->peer() >= 0 ? hearAnswer(*at) : hearGreeting(*at)));
      if (state == Talk::State::lost && at->peer() >= 0) {
        if (error == ECONNREFUSED) failed("nobody listens at the address of " + who(at->peer()) + ": has it ended, or is the address of an earlier run?");
        if (error != 0 && error != ECONNRESET && error != EPIPE) failed(who(at->peer()) + ": " + reason(error));
        tries_[size_t(at->peer())] = Clock::now() + betweenTries;  // crowded out by strangers
      }
      const bool isLate = at->peer() < 0 && Clock::now() >= at->until();
      at = ends || isLate ? talks_.erase(at) : std::next(at);
    }
  }

  void connect(int peer, Talk& talk) {
    connected_[size_t(peer)] = Socket(talk.release());
    --left_;
  }
  // Whether the talk is over, in both.
  bool hearAnswer(Talk& talk) {
    const Answer answer = talk.heard<Answer>();
    if (answer.magic != magic || !same(answer.key, own_.key)) failed(who(talk.peer()) + " is of another group, or of another version of nodegrad");
    connect(talk.peer(), talk);
    return true;
  }
  bool hearGreeting(Talk& talk) {
    const Greeting greeting = talk.heard<Greeting>();
    if (greeting.magic != magic) return true;
    const bool fits = greeting.to == uint32_t(rank_) && greeting.from > greeting.to && greeting.from < places_.size() &&
                      same(greeting.key, own_.key) && connected_[greeting.from].fd() < 0;
    talk.say(Answer{magic, fits ? places_[greeting.from].key : refusal});
    int error;
    // So few bytes have room in any socket's buffer.
    if (talk.advance(&error) == Talk::State::done && fits) connect(int(greeting.from), talk);
    return true;
  }

  const int listener_, wake_;
  const Place& own_;
  const int rank_;
  const std::vector<Place>& places_;
  const Clock::time_point deadline_;
  const int timeout_;
  std::vector<Socket> connected_;
  std::vector<Clock::time_point> tries_;  // when each of those of a lower rank is connected to
  Clock::time_point rests_ = Clock::time_point::min();
  std::list<Talk> talks_;
  size_t left_ = places_.size() - 1;
};

}  // namespace

Meeting::Meeting(const std::string& host, const Key& key) {
  const Address address = addressOf(host, 0, true);
  if (isAnyAddress(address)) failed("others need an address that leads here, not the one that stands for all");
  Socket listener(::socket(address.storage.ss_family, SOCK_STREAM | ofOwn, 0));
  if (listener.fd() < 0 || ::bind(listener.fd(), address.get(), address.length) < 0 || ::listen(listener.fd(), SOMAXCONN) < 0)
    failed(reason(errno));
  Address bound;
  bound.length = sizeof bound.storage;
  char digits[NI_MAXHOST], port[NI_MAXSERV];
  if (::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.length) < 0) failed(reason(errno));
  const int error = getnameinfo(bound.get(), bound.length, digits, sizeof digits, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  if (error != 0) failed(gai_strerror(error));
  place_ = {digits, uint16_t(std::stoi(port)), key};
  wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_ < 0) failed(reason(errno));
  listener_ = listener.release();
}

Meeting::~Meeting() {
  if (listener_ >= 0) ::close(listener_);
  if (wake_ >= 0) ::close(wake_);
}

std::vector<int> Meeting::meet(int rank, const std::vector<Place>& places, int timeout) {
  std::vector<int> sockets = Connecting(listener_, wake_, place_, rank, places, timeout).run();
  ::close(std::exchange(listener_, -1));
  return sockets;
}

void Meeting::cancel() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
}

}  // namespace nodegrad::distributed
