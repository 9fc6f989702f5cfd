// The thread beside the one that replays a program: sums over other processes travel on it while the program computes on.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "../ops/op.h"

namespace nodegrad {

// Runs calls one after the other, in the order in which they were given. What went wrong in one ends those behind it, too.
class Companion {
 public:
  Companion();
  Companion(const Companion&) = delete;
  Companion& operator=(const Companion&) = delete;
  ~Companion();  // nothing is under way

  // Room for so many calls, each with a workspace of at most so many bytes. False where no thread can be had.
  bool prepare(size_t calls, size_t workspaceBytes);
  // The next call begins as soon as those before it are done. Its operands are its own until it has been waited for. One that does not run counts all
  // the same.
  void begin(const Op&, const Call&, bool runs);
  // Until the first `count` calls are done. False where one of them failed: `failure`, of the operation `failed`, which stay until the next one begins.
  bool wait(size_t count, const Op** failed, Refusal* failure);
  // All of them, whatever they come to. The next one is the first then.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nodegrad
