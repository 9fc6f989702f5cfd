// A recorded step: a flat list of operations over one arena, replayed without allocation and without JavaScript.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "../ops/op.h"

namespace nodegrad {

// Where an operand lives: in the arena (also inputs, which are copied there), or in memory that outlives the program.
struct Slot {
  bool external;
  DType dtype;
  int64_t length;  // elements
  int64_t offset;  // bytes into the arena, when not external
  void* data;      // external memory
};

// What goes into the arena before a step, or comes out of it afterwards. In blocks of several ports each starts at a multiple of 8.
struct Port {
  void* data;
  int64_t bytes;
};

class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  // Parses and checks the code that lib/program/encode.ts writes; see there for the format. Returns what is wrong, or ''.
  std::string build(const double* code, size_t length, const std::vector<Operand>& externals);
  // Runs all instructions once; inputs must already be in place. Returns what is wrong, or ''. `stop` is looked at between
  // instructions, and may be null.
  std::string run(const std::atomic<bool>* stop);

  const std::vector<Port>& inputs() const { return inputs_; }    // the step's arguments
  const std::vector<Port>& live() const { return live_; }        // numbers that change from step to step
  const std::vector<Port>& results() const { return results_; }
  int64_t liveBytes() const { return blockBytes(live_); }
  int64_t resultBytes() const { return blockBytes(results_); }

  // Copies a block of ports in or out.
  static void read(const std::vector<Port>&, const unsigned char* block);
  static void write(const std::vector<Port>&, unsigned char* block);

 private:
  struct Instruction {
    const Op* op;
    Call call;
    const int32_t* guard;  // the instruction runs where *guard == when; null: always
    int32_t when;
  };
  static int64_t blockBytes(const std::vector<Port>&);
  size_t workspaceBytes();

  std::vector<Slot> slots_;
  std::vector<Instruction> instructions_;
  std::vector<Operand> operands_;
  std::vector<int64_t> ints_;
  std::vector<double> reals_;
  std::vector<Port> inputs_, live_, results_;
  unsigned char* arena_ = nullptr;
  int64_t arenaBytes_ = 0;
  // Workspaces depend on the thread count and on which matrix product serves: what they were when the size was last worked out.
  int64_t preparedFor_ = -1;
  size_t workspaceBytes_ = 0;
};

}  // namespace nodegrad
