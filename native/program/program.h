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

// What goes into the arena before a step, or comes out of it afterwards.
struct Port {
  int slot;
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

  void* dataOf(int slot) const;
  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }

 private:
  struct Instruction {
    const Op* op;
    Call call;
    size_t firstOperand, firstInt, firstReal;
    std::vector<int> slots;
  };
  std::vector<Slot> slots_;
  std::vector<Instruction> instructions_;
  std::vector<Operand> operands_;
  std::vector<int64_t> ints_;
  std::vector<double> reals_;
  std::vector<Port> inputs_, outputs_;
  unsigned char* arena_ = nullptr;
  int64_t arenaBytes_ = 0;
};

}  // namespace nodegrad
