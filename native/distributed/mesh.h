// Connections from this process to all others of a group, over Gloo's TCP transport.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "meeting.h"
#include "neighbours.h"

namespace gloo::transport {
class UnboundBuffer;
}

namespace nodegrad::distributed {

class Pairs;

// Shared by JavaScript, the thread that connects, and messages under way.
class Mesh : public std::enable_shared_from_this<Mesh> {
 public:
  // Throws std::exception where nobody could connect to `host`. With `singleCopy` large messages of this machine's processes are read from their memory.
  Mesh(int rank, int size, const std::string& host, const Key& key, int milliseconds, bool singleCopy);
  ~Mesh();

  int rank() const { return rank_; }
  int size() const { return size_; }
  const Place& place() const { return meeting_.place(); }
  // Blocks until all are connected. Throws std::exception.
  void connect(const std::vector<Place>& places);
  // How many processes' memory is read.
  int neighbours() const { return neighbours_ ? neighbours_->count() : 0; }
  // Ends what is under way: whoever waits hears of it, here and in the other processes. What has been sent still arrives.
  void close(const std::string& why);

  struct Message {
    Message(std::shared_ptr<Mesh> mesh, int peer, uint64_t tag, void* data, size_t bytes, bool sends);
    ~Message();
    const std::shared_ptr<Mesh> mesh;
    const int peer;
    const uint64_t tag;
    void* const data;
    const size_t bytes;
    const bool sends;
    // null: of a neighbour.
    std::unique_ptr<gloo::transport::UnboundBuffer> buffer;
    std::unique_ptr<Neighbours::Sending> offer;
  };
  // null: it failed. The message is the caller's, who waits for it.
  Message* begin(int peer, uint64_t tag, void* data, size_t bytes, bool sends);
  // Takes the message.
  static bool wait(Message*);
  // What failed first.
  std::string problem();

 private:
  bool hasFailed() const { return failed_.load(); }
  void fail(const std::string& why);
  void findNeighbours(const std::vector<bool>& isHere);
  // Gives each of the others `out[peer]`; theirs.
  template <class T>
  std::vector<T> exchange(uint64_t tag, std::vector<T> out);
  // Whether it came through. Throws std::exception.
  bool finish(Message&);

  const int rank_, size_;
  const std::chrono::milliseconds timeout_;
  Meeting meeting_;
  std::shared_ptr<Pairs> pairs_;
  const bool singleCopy_;
  std::unique_ptr<Neighbours> neighbours_;
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::string problem_;
};

}  // namespace nodegrad::distributed
