// How processes of a group connect: everybody listens, and who connects shows the key that the one who listens has put in the store.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace nodegrad::distributed {

using Key = std::array<uint8_t, 32>;

// Where a process is reached, as it says in the store.
struct Place {
  std::string host;  // an address in digits
  uint16_t port = 0;
  Key key{};
};

// One process's part in it. Strangers who connect are heard out for a while, whatever they send, and dropped: nothing of it reaches Gloo.
class Meeting {
 public:
  // Listens at an address of `host`. Throws std::runtime_error.
  Meeting(const std::string& host, const Key& key);
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  const Place& place() const { return place_; }
  // Blocks until this process, of `rank`, is connected to all of `places` but its own: their sockets by rank, −1 for its own. Listens no longer
  // then. Throws std::runtime_error, which says what is wrong with whom.
  std::vector<int> meet(int rank, const std::vector<Place>& places, int milliseconds);
  // Ends meet(), now or when it begins. From any thread.
  void cancel();

 private:
  Place place_;
  int listener_ = -1, wake_ = -1;
};

}  // namespace nodegrad::distributed
