// Messages of one operation under way between the processes of a group, all of which are waited for.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "transport.h"

namespace nodegrad::group {

// What the last operation of this thread failed of; empty: nothing.
inline thread_local std::string failure;

// A number that two messages share only when they are the same one: the operation, which part of it, and how long it is.
inline uint64_t tagOf(uint64_t operation, uint64_t part, uint64_t bytes) {
  uint64_t tag = operation * 0x9e3779b97f4a7c15ull + part;
  for (const uint64_t word : {part, bytes}) {
    tag ^= word + 0x9e3779b97f4a7c15ull + (tag << 12) + (tag >> 4);
    tag = (tag ^ tag >> 30) * 0xbf58476d1ce4e5b9ull;
    tag = (tag ^ tag >> 27) * 0x94d049bb133111ebull;
    tag ^= tag >> 31;
  }
  return tag;
}

// Messages under way, all of which are waited for.
class Messages {
 public:
  Messages(Channel& channel, uint64_t operation) : channel_(channel), transport_(channel.transport()), operation_(operation) {}
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;
  ~Messages() { wait(); }
  void send(int peer, uint64_t part, void* data, int64_t bytes) {
    channel_.countSent(bytes);
    if (bytes > 0) add(sends_, transport_.send(transport_.context, peer, tagOf(operation_, part, uint64_t(bytes)), data, size_t(bytes)));
  }
  void receive(int peer, uint64_t part, void* data, int64_t bytes) {
    if (bytes > 0) add(receives_, transport_.receive(transport_.context, peer, tagOf(operation_, part, uint64_t(bytes)), data, size_t(bytes)));
  }
  // Whether all of them came through.
  bool wait() {
    for (std::vector<void*>* const messages : {&receives_, &sends_}) {
      for (void* const message : *messages)
        if (!transport_.wait(transport_.context, message)) failed_ = true;
      messages->clear();
    }
    if (failed_ && failure.empty()) {
      char text[512];
      transport_.problem(transport_.context, text, sizeof text);
      failure = text;
    }
    return !failed_;
  }

 private:
  void add(std::vector<void*>& messages, void* message) {
    if (message) messages.push_back(message);
    else failed_ = true;
  }
  Channel& channel_;
  const Transport& transport_;
  const uint64_t operation_;
  std::vector<void*> receives_, sends_;
  bool failed_ = false;
};

}  // namespace nodegrad::group
