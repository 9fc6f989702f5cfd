// Processes of this machine whose memory this one can read: whoever receives what they send makes the only copy, and nothing of it passes a socket.
#pragma once
#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace nodegrad::distributed {

struct Board;
struct Lane;
struct Entry;

// Each process has a board in memory that it shares with its neighbours: what it offers to each of them, and a bell that they ring when something is offered to
// it, or was taken from it.
class Neighbours {
 public:
  // What processes say to each other, by rank, when they are connected. First a question, and whether the connection stays on the machine.
  using Question = std::array<uint8_t, 16>;
  struct Hello {
    Question question;
    uint8_t isHere;
  };
  // Then where the other one finds its question in this process's memory, and its lane on this one's board.
  struct Proof {
    uint64_t process, question;
    int64_t board;  // a descriptor of that process
    uint64_t lane;
  };
  // At last whether it did.
  using Verdict = uint8_t;

  // `isHere`: of which ranks the connections stay on this machine. Throws std::exception.
  explicit Neighbours(std::vector<bool> isHere);
  ~Neighbours();
  Neighbours(const Neighbours&) = delete;
  Neighbours& operator=(const Neighbours&) = delete;
  const std::vector<Hello>& hello() const { return hello_; }
  std::vector<Proof> prove(const std::vector<Hello>& others);
  std::vector<Verdict> judge(const std::vector<Proof>& others);
  void agree(const std::vector<Verdict>& others);

  int count() const;
  bool has(int peer) const { return peers_[size_t(peer)].isNeighbour; }

  // A message that is offered: it stands where it is until it was taken, or this goes.
  class Sending {
   public:
    Sending(Neighbours& neighbours, int peer, uint64_t tag, const void* data, size_t bytes);
    ~Sending();
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;

   private:
    friend class Neighbours;
    Neighbours& neighbours_;
    const int peer_;
    const uint64_t tag_;
    const void* const data_;
    const size_t bytes_;
    Entry* entry_ = nullptr;  // while it stands on the board
    bool taken_ = false;
  };
  // What is wrong; empty: go on. Asked a few times a second by who waits.
  using Problem = std::function<std::string()>;
  // Until a message was taken, or is there and has been copied. Throw std::runtime_error.
  void waitFor(Sending&, const Problem&);
  void take(int peer, uint64_t tag, void* data, size_t bytes, const Problem&);

 private:
  struct Peer {
    bool mayBe = false, isNeighbour = false;
    pid_t process = 0;
    uint64_t question = 0;  // where this process's own stands there
    Board* board = nullptr;
    size_t boardBytes = 0;
    Lane *from = nullptr, *to = nullptr;
    std::deque<Sending*> waiting;   // for room on the lane
    std::vector<Sending*> standing;  // by entry
  };
  bool shows(const Peer&, const Question&) const;
  void open(Peer&, const Proof&);
  // What was taken makes room for what waits. Under the lock.
  void tidy(Peer&);
  Entry* find(const Peer&, uint64_t tag, size_t bytes) const;
  template <class Condition>
  void waitUntil(const Problem&, Condition&&);

  std::vector<Hello> hello_, others_;
  std::vector<Peer> peers_;
  Board* board_ = nullptr;
  size_t boardBytes_ = 0;
  int descriptor_ = -1;
  std::mutex mutex_;
};

// Whether a connection leads to the machine that it comes from.
bool staysHere(int socket);

}  // namespace nodegrad::distributed
