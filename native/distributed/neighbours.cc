// Processes of this machine whose memory this one can read: whoever receives what they send makes the only copy, and nothing of it passes a socket.
#include "neighbours.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace nodegrad::distributed {

// Nobody else writes to `state` but: the sender free → offered → withdrawn, and taken → free; the receiver offered → taken.
struct alignas(64) Entry {
  enum : uint32_t { free, offered, taken, withdrawn };
  std::atomic<uint32_t> state;
  uint64_t tag, data, bytes;
};
// From one process to another.
struct Lane {
  static constexpr uint32_t room = 64;
  alignas(64) std::atomic<uint32_t> used;  // entries that were ever offered: the first ones
  Entry entries[room];
};
struct Board {
  alignas(64) std::atomic<uint32_t> bell;
  std::atomic<uint32_t> listeners;
  static size_t bytesOf(size_t lanes) { return sizeof(Board) + lanes * sizeof(Lane); }
  Lane* lane(size_t number) { return reinterpret_cast<Lane*>(this + 1) + number; }
};
static_assert(sizeof(Board) % alignof(Lane) == 0 && std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);

namespace {

// How long somebody waits who nobody wakes, until he looks whether the other one is still there.
constexpr timespec betweenLooks{0, 20'000'000};
// Linux copies no more at once.
constexpr size_t mostBytes = size_t(1) << 30;

long futex(std::atomic<uint32_t>* word, int operation, uint32_t value, const timespec* timeout) {
  return ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), operation, value, timeout, nullptr, 0);
}

void ring(Board& board) {
  board.bell.fetch_add(1);
  if (board.listeners.load() > 0) futex(&board.bell, FUTEX_WAKE, INT_MAX, nullptr);
}

// Copies memory of a process. What is wrong; empty: nothing.
std::string readMemory(pid_t process, uint64_t from, void* to, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    const size_t next = std::min(bytes - done, mostBytes);
    const iovec here{static_cast<char*>(to) + done, next}, there{reinterpret_cast<void*>(uintptr_t(from + done)), next};
    const ssize_t read = ::process_vm_readv(process, &here, 1, &there, 1, 0);
    if (read <= 0) return read < 0 ? std::strerror(errno) : "nothing is there";
    done += size_t(read);
  }
  return "";
}

void* mapped(int descriptor, size_t bytes) {
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

bool staysHere(int socket) {
  sockaddr_storage own{}, other{};
  socklen_t ownLength = sizeof own, otherLength = sizeof other;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &ownLength) < 0) return false;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&other), &otherLength) < 0 || own.ss_family != other.ss_family) return false;
  if (own.ss_family == AF_INET)
    return reinterpret_cast<const sockaddr_in&>(own).sin_addr.s_addr == reinterpret_cast<const sockaddr_in&>(other).sin_addr.s_addr;
  return IN6_ARE_ADDR_EQUAL(&reinterpret_cast<const sockaddr_in6&>(own).sin6_addr, &reinterpret_cast<const sockaddr_in6&>(other).sin6_addr);
}

Neighbours::Neighbours(std::vector<bool> isHere) : hello_(isHere.size()), peers_(isHere.size()) {
  for (size_t peer = 0; peer < isHere.size(); ++peer) {
    Hello& hello = hello_[peer];
    hello.isHere = isHere[peer];
    if (::getrandom(hello.question.data(), hello.question.size(), 0) != ssize_t(hello.question.size())) throw std::runtime_error("the system gives no random bytes");
  }
}

Neighbours::~Neighbours() {
  for (Peer& peer : peers_)
    if (peer.board) ::munmap(peer.board, peer.boardBytes);
  if (board_) ::munmap(board_, boardBytes_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::vector<Neighbours::Proof> Neighbours::prove(const std::vector<Hello>& others) {
  others_ = others;
  uint64_t lanes = 0;
  std::vector<Proof> proofs(peers_.size());
  for (size_t peer = 0; peer < peers_.size(); ++peer) {
    peers_[peer].mayBe = hello_[peer].isHere && others_[peer].isHere;
    proofs[peer] = {uint64_t(::getpid()), uint64_t(reinterpret_cast<uintptr_t>(others_[peer].question.data())), -1, lanes};
    if (peers_[peer].mayBe) ++lanes;
  }
  if (lanes == 0) return proofs;
  // Where the system lets parents alone read a process (Yama), those that this one's parent has started may; of process 1 everybody may be a child.
  if (const pid_t parent = ::getppid(); parent > 1) ::prctl(PR_SET_PTRACER, parent, 0, 0, 0);
  boardBytes_ = Board::bytesOf(lanes);
  descriptor_ = ::memfd_create("nodegrad", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor_ < 0 || ::ftruncate(descriptor_, off_t(boardBytes_)) < 0) return proofs;
  // Nobody can take it away from under those who look at it.
  ::fcntl(descriptor_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  board_ = static_cast<Board*>(mapped(descriptor_, boardBytes_));
  for (size_t peer = 0; board_ && peer < peers_.size(); ++peer) {
    if (!peers_[peer].mayBe) continue;
    proofs[peer].board = descriptor_;
    peers_[peer].to = board_->lane(proofs[peer].lane);
    peers_[peer].standing.resize(Lane::room);
  }
  return proofs;
}

// The process may have ended, and its number be another one's.
bool Neighbours::shows(const Peer& peer, const Question& question) const {
  Question found{};
  return readMemory(peer.process, peer.question, found.data(), found.size()).empty() && found == question;
}

std::vector<Neighbours::Verdict> Neighbours::judge(const std::vector<Proof>& others) {
  std::vector<Verdict> verdicts(peers_.size());
  for (size_t rank = 0; rank < peers_.size(); ++rank) {
    Peer& peer = peers_[rank];
    if (!peer.mayBe || !peer.to || others[rank].board < 0) continue;
    peer.process = pid_t(others[rank].process);
    peer.question = others[rank].question;
    if (shows(peer, hello_[rank].question)) open(peer, others[rank]);
    verdicts[rank] = peer.from != nullptr;
  }
  return verdicts;
}

void Neighbours::open(Peer& peer, const Proof& proof) {
  const std::string path = "/proc/" + std::to_string(peer.process) + "/fd/" + std::to_string(proof.board);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  struct stat about;
  const int seals = ::fcntl(descriptor, F_GET_SEALS);
  if (seals >= 0 && (seals & F_SEAL_SHRINK) && ::fstat(descriptor, &about) == 0 && proof.lane < peers_.size() &&
      size_t(about.st_size) >= Board::bytesOf(proof.lane + 1)) {
    peer.boardBytes = size_t(about.st_size);
    peer.board = static_cast<Board*>(mapped(descriptor, peer.boardBytes));
    if (peer.board) peer.from = peer.board->lane(proof.lane);
  }
  ::close(descriptor);
}

void Neighbours::agree(const std::vector<Verdict>& others) {
  for (size_t peer = 0; peer < peers_.size(); ++peer) peers_[peer].isNeighbour = peers_[peer].from && others[peer];
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

int Neighbours::count() const {
  return int(std::count_if(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.isNeighbour; }));
}

Neighbours::Sending::Sending(Neighbours& neighbours, int peer, uint64_t tag, const void* data, size_t bytes)
    : neighbours_(neighbours), peer_(peer), tag_(tag), data_(data), bytes_(bytes) {
  std::lock_guard<std::mutex> lock(neighbours.mutex_);
  Peer& to = neighbours.peers_[size_t(peer)];
  to.waiting.push_back(this);
  neighbours.tidy(to);
}

Neighbours::Sending::~Sending() {
  std::lock_guard<std::mutex> lock(neighbours_.mutex_);
  if (taken_) return;
  Peer& to = neighbours_.peers_[size_t(peer_)];
  to.waiting.erase(std::remove(to.waiting.begin(), to.waiting.end(), this), to.waiting.end());
  if (!entry_) return;
  // Who copies it just now finds that it did not stand to the end. The entry is not used again.
  uint32_t state = Entry::offered;
  entry_->state.compare_exchange_strong(state, Entry::withdrawn);
  to.standing[size_t(entry_ - to.to->entries)] = nullptr;
}

void Neighbours::tidy(Peer& peer) {
  Lane& lane = *peer.to;
  const uint32_t used = lane.used.load();
  bool offers = false;
  for (uint32_t i = 0; i < std::min(used + 1, Lane::room); ++i) {
    Entry& entry = lane.entries[i];
    Sending*& standing = peer.standing[i];
    if (standing && entry.state.load() == Entry::taken) {
      standing->taken_ = true;
      standing->entry_ = nullptr;
      standing = nullptr;
      entry.state.store(Entry::free);
    }
    if (peer.waiting.empty() || standing || entry.state.load() != Entry::free) continue;
    standing = peer.waiting.front();
    peer.waiting.pop_front();
    standing->entry_ = &entry;
    entry.tag = standing->tag_;
    entry.data = uint64_t(reinterpret_cast<uintptr_t>(standing->data_));
    entry.bytes = standing->bytes_;
    entry.state.store(Entry::offered);
    if (i == used) lane.used.store(i + 1);
    offers = true;
  }
  if (offers) ring(*peer.board);
}

template <class Condition>
void Neighbours::waitUntil(const Problem& problem, Condition&& isSo) {
  for (;;) {
    const uint32_t heard = board_->bell.load();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (Peer& peer : peers_)
        if (peer.isNeighbour) tidy(peer);
    }
    if (isSo()) return;
    const std::string why = problem();
    if (!why.empty()) throw std::runtime_error(why);
    board_->listeners.fetch_add(1);
    futex(&board_->bell, FUTEX_WAIT, heard, &betweenLooks);
    board_->listeners.fetch_sub(1);
  }
}

void Neighbours::waitFor(Sending& sending, const Problem& problem) {
  waitUntil(problem, [&] {
    std::lock_guard<std::mutex> lock(mutex_);
    return sending.taken_;
  });
}

Entry* Neighbours::find(const Peer& peer, uint64_t tag, size_t bytes) const {
  const uint32_t used = std::min(peer.from->used.load(), Lane::room);
  for (uint32_t i = 0; i < used; ++i) {
    Entry& entry = peer.from->entries[i];
    if (entry.state.load() == Entry::offered && entry.tag == tag && entry.bytes == bytes) return &entry;
  }
  return nullptr;
}

void Neighbours::take(int from, uint64_t tag, void* data, size_t bytes, const Problem& problem) {
  const Peer& peer = peers_[size_t(from)];
  Entry* entry = nullptr;
  waitUntil(problem, [&] { return (entry = find(peer, tag, bytes)) != nullptr; });
  const std::string why = readMemory(peer.process, entry->data, data, bytes);
  if (!why.empty()) throw std::runtime_error("its memory cannot be read: " + why);
  uint32_t state = Entry::offered;
  if (!shows(peer, hello_[size_t(from)].question) || !entry->state.compare_exchange_strong(state, Entry::taken)) throw std::runtime_error("it gave up");
  ring(*peer.board);
}

}  // namespace nodegrad::distributed
