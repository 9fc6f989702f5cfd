// The channels of the process, by number.
#include "transport.h"

#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace nodegrad {
namespace {

struct Known {
  std::shared_ptr<Channel> channel;
  const void* environment;
};

struct Channels {
  std::mutex mutex;
  std::unordered_map<int64_t, Known> all;
  int64_t last = 0;
};

// Never destroyed: threads outlive main().
Channels& channels() {
  static Channels* const made = new Channels();
  return *made;
}

}  // namespace

int64_t addChannel(const Transport& transport, const void* environment) {
  Channels& known = channels();
  std::lock_guard<std::mutex> lock(known.mutex);
  known.all.emplace(++known.last, Known{std::make_shared<Channel>(transport), environment});
  return known.last;
}

void removeChannel(int64_t number) {
  std::shared_ptr<Channel> gone;  // it goes behind the lock
  Channels& known = channels();
  std::lock_guard<std::mutex> lock(known.mutex);
  const auto found = known.all.find(number);
  if (found == known.all.end()) return;
  gone = std::move(found->second.channel);
  known.all.erase(found);
}

void endChannels(const void* environment) {
  std::vector<std::shared_ptr<Channel>> gone;
  {
    Channels& known = channels();
    std::lock_guard<std::mutex> lock(known.mutex);
    std::erase_if(known.all, [&](auto& entry) {
      if (entry.second.environment != environment) return false;
      gone.push_back(std::move(entry.second.channel));
      return true;
    });
  }
  for (const std::shared_ptr<Channel>& channel : gone) channel->transport().close(channel->transport().context, "this process ends");
}

std::shared_ptr<Channel> channelAt(int64_t number) {
  Channels& known = channels();
  std::lock_guard<std::mutex> lock(known.mutex);
  const auto found = known.all.find(number);
  return found == known.all.end() ? nullptr : found->second.channel;
}

}  // namespace nodegrad
