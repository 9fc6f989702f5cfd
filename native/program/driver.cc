// The driver thread: spins briefly while steps keep coming, then parks.
#include "driver.h"

#include <sched.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <vector>

#include "../runtime/memory.h"
#include "../runtime/pool.h"
#include "../runtime/system.h"

namespace nodegrad {

Bytes::~Bytes() { release(); }

void Bytes::release() {
  freePages(data_, size_);
  ledger_->bytes -= int64_t(size_);
  data_ = nullptr;
  size_ = 0;
}

unsigned char* Bytes::reserve(size_t bytes) {
  if (bytes <= size_ && data_) return data_;
  const size_t size = (bytes + 4096) / 4096 * 4096;
  release();
  data_ = static_cast<unsigned char*>(allocatePages(size, 4096));
  if (!data_) return nullptr;
  size_ = size;
  ledger_->bytes += int64_t(size);
  return data_;
}

namespace {

// Rows that follow each other are read where they lie, others are copied side by side. A row that another thread changed after the
// check stays inside of the memory.
const unsigned char* gather(unsigned char* to, const Source& source, const int32_t* rows, int64_t batch) {
  const int64_t first = indexBelow(rows, source.rows);
  int64_t i = 1;
  while (i < batch && rows[i] == first + i) ++i;
  if (i == batch && first + batch <= source.rows) return source.base + first * source.rowBytes;
  unsigned char* at = to;
  for (i = 0; i < batch; ++i, at += source.rowBytes)
    std::memcpy(at, source.base + indexBelow(rows + i, source.rows) * source.rowBytes, size_t(source.rowBytes));
  return to;
}

}  // namespace

void runJob(Job& job, const std::atomic<bool>* stop, Pause* pause) {
  Program& program = *job.program;
  const int64_t liveBytes = program.liveBytes(), resultBytes = program.resultBytes();
  for (job.done = 0; job.done < job.steps; ++job.done) {
    if (pause) pause->between();
    const unsigned char* argument = job.arguments;
    for (size_t i = 0; argument && i < program.inputs().size(); ++i) {
      program.bind(i, argument);
      argument += Program::padded(program.inputs()[i].bytes);
    }
    for (int i = 0; i < job.sourceCount; ++i)
      program.bind(size_t(i), gather(program.argumentMemory(size_t(i)), job.sources[i], job.rows + job.done * job.batch, job.batch));
    if (job.live) program.readLive(job.live + job.done * liveBytes);
    job.problem = program.run(stop);
    if (!job.problem.text.empty()) return;
    if (job.results) program.writeResults(job.results + job.done * resultBytes);
  }
}

struct Driver::State final : Pause {
  Done done;
  void* context;
  std::mutex mutex;  // of the queue
  std::condition_variable wake;
  Job* first = nullptr;
  Job* last = nullptr;
  std::atomic<int> waiting{0};  // jobs in the queue, for spinning without the lock
  std::atomic<bool> stop{false};
  std::mutex stepping;  // held while a step runs
  std::atomic<int> holders{0};
  std::vector<int> failedStreams;
  pthread_t thread;
  bool running = false;

  Job* take() {
    // Longer than JavaScript takes from one awaited step to the next.
    for (int spins = 0; spins < 4000 && waiting.load(std::memory_order_acquire) == 0 && !stop.load(std::memory_order_relaxed); ++spins)
      relax(spins);
    std::unique_lock<std::mutex> lock(mutex);
    wake.wait(lock, [&] { return stop.load() || first; });
    Job* job = first;
    if (job) {
      first = job->next;
      waiting.fetch_sub(1, std::memory_order_relaxed);
    }
    return job;
  }

  // Lets whoever waits in hold() have its turn. `stepping` is held on entry and on return.
  void between() override {
    if (holders.load() == 0) return;
    stepping.unlock();
    while (holders.load() > 0 && !stop.load(std::memory_order_relaxed)) sched_yield();
    stepping.lock();
  }

  void perform(Job* job) {
    const auto hasFailed = [&] { return std::find(failedStreams.begin(), failedStreams.end(), job->stream) != failedStreams.end(); };
    if (stop.load()) job->problem.text = "stopped";
    else if (job->stream != 0 && hasFailed()) job->problem.text = "not run: an earlier step failed";
    else if (!running) runJob(*job, nullptr, nullptr);  // on the caller's thread, which nobody holds up
    else {
      std::lock_guard<std::mutex> lock(stepping);
      runJob(*job, &stop, this);
    }
    if (!job->problem.text.empty() && job->stream != 0 && !hasFailed()) failedStreams.push_back(job->stream);
    done(context, job);
  }

  void loop() {
    while (Job* job = take()) perform(job);
  }
};

Driver::Driver(Done done, void* context) : state_(new State()) {
  state_->done = done;
  state_->context = context;
  const auto main = [](void* state) -> void* {
    nameThread("nodegrad driver");
    touchStack();
    static_cast<State*>(state)->loop();
    return nullptr;
  };
  state_->running = startThread(&state_->thread, main, state_.get());
}

Driver::~Driver() {
  state_->stop.store(true);
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->wake.notify_all();
  }
  if (state_->running) pthread_join(state_->thread, nullptr);
}

void Driver::push(Job* job) {
  if (!state_->running) return state_->perform(job);  // no thread could be had: the caller's has to do
  job->next = nullptr;
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->first) state_->last->next = job;
  else state_->first = job;
  state_->last = job;
  state_->waiting.fetch_add(1, std::memory_order_release);
  state_->wake.notify_one();
}

void Driver::hold() {
  state_->holders.fetch_add(1);
  state_->stepping.lock();
}

void Driver::release() {
  state_->stepping.unlock();
  state_->holders.fetch_sub(1);
}

}  // namespace nodegrad
