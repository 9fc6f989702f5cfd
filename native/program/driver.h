// One thread per environment that trains: takes runs of steps off a queue and replays them, so that Node's event loop stays free.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "program.h"

namespace nodegrad {

// Memory that only grows, so that a job used again allocates nothing.
class Bytes {
 public:
  explicit Bytes(std::shared_ptr<Ledger> ledger) : ledger_(std::move(ledger)) {}
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes();
  unsigned char* reserve(size_t bytes);  // nullptr when there is no memory
  size_t size() const { return size_; }

 private:
  void release();
  std::shared_ptr<Ledger> ledger_;
  unsigned char* data_ = nullptr;
  size_t size_ = 0;
};

constexpr int maxSources = 16;

// Where a run of several steps finds an argument: rows of memory that nothing can take away (a SharedArrayBuffer).
struct Source {
  const unsigned char* base;
  int64_t rows;      // in that memory
  int64_t rowBytes;
};

// Steps under way. A single step brings copies of its arguments in `arguments`; a run of several gathers them by index.
struct Job {
  explicit Job(std::shared_ptr<Ledger> ledger) : own(std::move(ledger)) {}
  std::shared_ptr<Program> program;
  int64_t steps = 1;
  int stream = 0;  // jobs of one stream: when one fails, those that wait behind it do not run; 0: none
  const unsigned char* arguments = nullptr;
  Source sources[maxSources];
  int sourceCount = 0;
  const int32_t* rows = nullptr;  // indices, `batch` for each step
  int64_t batch = 0;
  const unsigned char* live = nullptr;  // a block for each step
  unsigned char* results = nullptr;     // likewise
  Bytes own;
  // The outcome.
  int64_t done = 0;  // whole steps
  Problem problem;
  Job* next = nullptr;
};

class Driver {
 public:
  // `done` is called on the driver's thread, once for each job, in order.
  using Done = void (*)(void* context, Job*);
  Driver(Done done, void* context);
  ~Driver();  // stops between two instructions, joins; jobs still queued come back through `done` with the problem "stopped"
  void push(Job*);
  // Between hold() and release() no step runs: what stays is that of whole steps. hold() waits for at most one step.
  void hold();
  void release();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs a job's steps, looking between them whether to go on; for the driver, and for the calling thread in step.sync().
struct Pause {
  virtual void between() = 0;
};
void runJob(Job&, const std::atomic<bool>* stop, Pause* pause);

}  // namespace nodegrad
