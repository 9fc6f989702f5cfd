// How operations reach the other processes of a group: functions that a second addon hands over, so that this one links no network.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace nodegrad {

// Shared by both addons, which may be of different builds: plain C, and the version says which fields there are.
struct Transport {
  static constexpr int32_t currentVersion = 1;
  int32_t version;
  int32_t rank, size;
  void* context;
  // Begin to move `bytes` to or from the process of rank `peer`. Both sides say the same tag, and no two messages of one step have the same. The
  // memory stays as it is until wait() has been called, which has to be in any case. nullptr: it failed.
  void* (*send)(void* context, int32_t peer, uint64_t tag, void* data, size_t bytes);
  void* (*receive)(void* context, int32_t peer, uint64_t tag, void* data, size_t bytes);
  // Until the message is through, or has failed: false. Nothing touches its memory any more then. What is sent may be through only when the other side
  // waits for it: of messages that both sides begin, those that are received are waited for first.
  bool (*wait)(void* context, void* message);
  // Fails what is under way, and what begins later. From any thread.
  void (*close)(void* context, const char* why);
  // What failed, to `text`, with a zero at its end.
  void (*problem)(void* context, char* text, size_t room);
  // One more, and one fewer, that use the context: with the last it goes.
  void (*retain)(void* context);
  void (*release)(void* context);
};

// What marks an External that holds a Transport.
constexpr uint64_t transportTagLow = 0x6e6f646567726164ull, transportTagHigh = 0x7472616e73703031ull;

// A group of processes as operations use it.
class Channel {
 public:
  explicit Channel(const Transport& transport) : transport_(transport) { transport_.retain(transport_.context); }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() { transport_.release(transport_.context); }
  const Transport& transport() const { return transport_; }
  int rank() const { return transport_.rank; }
  int size() const { return transport_.size; }
  // A number for the next operation: the same in all processes, because all run the same operations.
  uint64_t nextOperation() { return operations_++; }
  // Bytes that operations of this process have sent.
  int64_t bytesSent() const { return sent_.load(std::memory_order_relaxed); }
  void countSent(int64_t bytes) { sent_.fetch_add(bytes, std::memory_order_relaxed); }

 private:
  Transport transport_;
  uint64_t operations_ = 0;
  std::atomic<int64_t> sent_{0};
};

// Operations name a channel by its number, from 1. It belongs to an environment of Node.js, whose threads may wait in it.
int64_t addChannel(const Transport&, const void* environment);
void removeChannel(int64_t number);
// Closes and removes those of an environment that ends.
void endChannels(const void* environment);
// null: it has been removed, or never was.
std::shared_ptr<Channel> channelAt(int64_t number);

}  // namespace nodegrad
