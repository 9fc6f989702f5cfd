// The channels of the process, by number.
#include "transport.h"

#include <mutex>
#include <unordered_map>

namespace nodegrad {
namespace {

struct Channels {
  std::mutex mutex;
  std::unordered_map<int64_t, std::shared_ptr<Channel>> all;
  int64_t last = 0;
};

// Never destroyed: threads outlive main().
Channels& channels() {
  static Channels* const made = new Channels();
  return *made;
}

}  // namespace

int64_t addChannel(const Transport& transport) {
  Channels& known = channels();
  std::lock_guard<std::mutex> lock(known.mutex);
  known.all.emplace(++known.last, std::make_shared<Channel>(transport));
  return known.last;
}

void removeChannel(int64_t number) {
  std::shared_ptr<Channel> gone;  // it goes behind the lock
  Channels& known = channels();
  std::lock_guard<std::mutex> lock(known.mutex);
  const auto found = known.all.find(number);
  if (found == known.all.end()) return;
  gone = std::move(found->second);
  known.all.erase(found);
}

std::shared_ptr<Channel> channelAt(int64_t number) {
  Channels& known = channels();
  std::lock_guard<std::mutex> lock(known.mutex);
  const auto found = known.all.find(number);
  return found == known.all.end() ? nullptr : found->second;
}

}  // namespace nodegrad
