// One thread per environment that trains: takes steps off a queue and replays them, so that Node's event loop stays free.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "program.h"

namespace nodegrad {

// A step under way. Inputs are copied in when it is queued, results are copied out when it is done: the arena belongs to the driver.
struct Job {
  std::shared_ptr<Program> program;
  std::vector<unsigned char> inputs, outputs;
  std::string problem;
  void* owner = nullptr;  // what the binding needs to settle the promise
};

class Driver {
 public:
  // `done` is called on the driver's thread, once for each job, in order.
  explicit Driver(std::function<void(std::unique_ptr<Job>)> done);
  ~Driver();  // stops between two instructions, joins; jobs still queued come back through `done` with the problem "stopped"
  void push(std::unique_ptr<Job>);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Copies inputs in, runs, copies results out; for the driver, and for the calling thread in step.sync().
void runJob(Job&, const std::atomic<bool>* stop);

}  // namespace nodegrad
