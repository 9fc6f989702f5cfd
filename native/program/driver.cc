// The driver thread: spins briefly while steps keep coming, then parks.
#include "driver.h"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>

#include "../runtime/pool.h"

namespace nodegrad {

void runJob(Job& job, const std::atomic<bool>* stop) {
  Program& program = *job.program;
  size_t at = 0;
  for (const Port& port : program.inputs()) {
    if (port.bytes) std::memcpy(program.dataOf(port.slot), job.inputs.data() + at, size_t(port.bytes));
    at += size_t(port.bytes);
  }
  job.problem = program.run(stop);
  if (!job.problem.empty()) return;
  size_t total = 0;
  for (const Port& port : program.outputs()) total += size_t(port.bytes);
  job.outputs.resize(total);
  at = 0;
  for (const Port& port : program.outputs()) {
    if (port.bytes) std::memcpy(job.outputs.data() + at, program.dataOf(port.slot), size_t(port.bytes));
    at += size_t(port.bytes);
  }
}

struct Driver::State {
  std::function<void(std::unique_ptr<Job>)> done;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::unique_ptr<Job>> queue;
  std::atomic<int> waiting{0};  // jobs in the queue, for spinning without the lock
  std::atomic<bool> stop{false};
  pthread_t thread;
  bool running = false;

  std::unique_ptr<Job> take() {
    // About 100 µs: longer than JavaScript takes from one awaited step to the next.
    for (int spins = 0; spins < 4000 && waiting.load(std::memory_order_acquire) == 0 && !stop.load(std::memory_order_relaxed); ++spins)
      relax();
    std::unique_lock<std::mutex> lock(mutex);
    wake.wait(lock, [&] { return stop.load() || !queue.empty(); });
    if (queue.empty()) return nullptr;
    std::unique_ptr<Job> job = std::move(queue.front());
    queue.pop_front();
    waiting.fetch_sub(1, std::memory_order_relaxed);
    return job;
  }

  void loop() {
    while (std::unique_ptr<Job> job = take()) {
      if (stop.load()) job->problem = "stopped";
      else runJob(*job, &stop);
      done(std::move(job));
    }
  }
};

Driver::Driver(std::function<void(std::unique_ptr<Job>)> done) : state_(new State()) {
  state_->done = std::move(done);
  // Signals belong to Node.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  state_->running = pthread_create(&state_->thread, nullptr, [](void* state) -> void* {
    static_cast<State*>(state)->loop();
    return nullptr;
  }, state_.get()) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Driver::~Driver() {
  state_->stop.store(true);
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->wake.notify_all();
  }
  if (state_->running) pthread_join(state_->thread, nullptr);
}

void Driver::push(std::unique_ptr<Job> job) {
  if (!state_->running) {  // no thread could be had: the caller's has to do
    runJob(*job, nullptr);
    state_->done(std::move(job));
    return;
  }
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->queue.push_back(std::move(job));
  state_->waiting.fetch_add(1, std::memory_order_release);
  state_->wake.notify_one();
}

}  // namespace nodegrad
