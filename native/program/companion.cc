// The thread beside the one that replays a program; it sleeps while there is nothing to do.
#include "companion.h"

#include <condition_variable>
#include <mutex>

#include "../runtime/fpstate.h"
#include "../runtime/memory.h"
#include "../runtime/pool.h"
#include "../runtime/system.h"

namespace nodegrad {

struct Companion::State {
  struct Given {
    const Op* op;
    Call call;
    bool runs;
  };
  std::mutex mutex;
  std::condition_variable wake, isDone;
  std::vector<Given> given;  // those of this run
  size_t done = 0, workspaceBytes = 0;
  unsigned control = 0;  // of floating-point arithmetic: as the caller computes
  const Op* failed = nullptr;
  Refusal failure;
  bool stops = false, running = false;
  pthread_t thread;

  // What an operation says of its failure lies in memory of this thread, until the next one.
  void perform(Given& next) {
    FpState guard(control);
    next.call.workspace = workspaceBytes > 0 ? scratch(workspaceBytes) : nullptr;
    Refusal refusal;
    if (workspaceBytes > 0 && !next.call.workspace) refusal.what = "no memory for the workspace";
    else {
      next.op->functions.run(next.call);
      if (next.op->functions.outcome) refusal = next.op->functions.outcome(next.call);
    }
    if (!refusal.what) return;
    failure = refusal;
    failed = next.op;
  }

  void loop() {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stops || done < given.size(); });
      if (stops) return;
      Given& next = given[done];  // stays where it is: there is room for all
      if (next.runs && !failed) {
        lock.unlock();
        perform(next);
        lock.lock();
      }
      ++done;
      isDone.notify_all();
    }
  }
};

Companion::Companion() : state_(new State()) {}

Companion::~Companion() {
  if (!state_->running) return;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stops = true;
    state_->wake.notify_all();
  }
  pthread_join(state_->thread, nullptr);
}

bool Companion::prepare(size_t calls, size_t workspaceBytes) {
  State& s = *state_;
  std::lock_guard<std::mutex> lock(s.mutex);  // a thread that sleeps may wake for no reason, and look
  s.given.reserve(calls);
  s.workspaceBytes = workspaceBytes;
  s.control = FpState::control();
  if (s.running) return true;
  const auto main = [](void* state) -> void* {
    nameThread("nodegrad group");
    touchStack();
    computeAlone();
    static_cast<State*>(state)->loop();
    return nullptr;
  };
  return s.running = startThread(&s.thread, main, &s);
}

void Companion::begin(const Op& op, const Call& call, bool runs) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->given.push_back({&op, call, runs});
  state_->wake.notify_one();
}

bool Companion::wait(size_t count, const Op** failed, Refusal* failure) {
  State& s = *state_;
  std::unique_lock<std::mutex> lock(s.mutex);
  s.isDone.wait(lock, [&] { return s.done >= count; });
  if (!s.failed) return true;
  *failed = s.failed;
  *failure = s.failure;
  return false;
}

void Companion::finish() {
  State& s = *state_;
  std::unique_lock<std::mutex> lock(s.mutex);
  s.isDone.wait(lock, [&] { return s.done == s.given.size(); });
  s.given.clear();
  s.done = 0;
  s.failed = nullptr;
}

}  // namespace nodegrad
