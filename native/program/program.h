// A recorded step: a flat list of operations over one arena, replayed without allocation and without JavaScript.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../ops/op.h"
#include "companion.h"

namespace nodegrad {

// Where an operand lives: in the arena, in memory that outlives the program, or in an argument, which is read where it lies.
enum class Place : int32_t { arena, external, argument };
struct Slot {
  Place place;
  DType dtype;
  int64_t length;  // elements
  int argument;    // its number
  int64_t offset;  // bytes into the argument
  void* data;      // null in an argument
};

// A stretch of memory that goes into a step or comes out of it. In blocks of several ports each starts at a multiple of 8.
struct Port {
  void* data;
  int64_t bytes;
  int argument;    // result: the argument that it is a part of, or −1
  int64_t offset;  // bytes into that argument
};

// Why a run ended: in words, and where it was an index also in numbers.
struct Problem {
  std::string text;
  Refusal refusal;
};

// A refusal in words.
std::string textOf(const Op&, const Refusal&);

// How much memory programs hold, of which the owner of their handles would otherwise know nothing.
struct Ledger {
  std::atomic<int64_t> bytes{0};
};

// The memory of temporaries. Programs of one step share it: they never run at the same time.
struct Arena {
  unsigned char* data = nullptr;
  int64_t bytes = 0;
  int jobs = 0;                  // queued or under way; for the thread that queues them
  const void* driver = nullptr;  // where they are
  std::shared_ptr<Ledger> ledger;
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();
};

class Program {
 public:
  explicit Program(std::shared_ptr<Ledger> ledger) : ledger_(std::move(ledger)) {}
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  // Parses and checks the code that lib/program/encode.ts writes; see there for the format. Returns what is wrong, or ''.
  // `sibling`: another program of the same step, or null.
  std::string build(const double* code, size_t length, const std::vector<Operand>& externals, const Program* sibling);
  // Says where an argument lies during the next run; nothing writes to it.
  void bind(size_t argument, const void* data);
  // Memory of the program's own for arguments that have to be put together; made when it is first asked for.
  bool reserveArguments();
  unsigned char* argumentMemory(size_t argument) const { return ownArguments_ + inputs_[argument].offset; }
  // Runs all instructions once; arguments are bound, live inputs in place. Returns what is wrong, or an empty text. `stop` is looked at
  // between instructions, and may be null.
  Problem run(const std::atomic<bool>* stop);
  // How long a run takes of late, in nanoseconds; 0 before the first.
  int64_t duration() const { return duration_.load(std::memory_order_relaxed); }

  Arena& arena() const { return *arena_; }
  const std::vector<Port>& inputs() const { return inputs_; }    // the step's arguments
  const std::vector<Port>& live() const { return live_; }        // numbers that change from step to step
  const std::vector<Port>& results() const { return results_; }
  // Bytes of a stretch in a block.
  static int64_t padded(int64_t bytes) { return (bytes + 7) & ~int64_t(7); }
  int64_t liveBytes() const { return blockBytes(live_); }
  int64_t resultBytes() const { return blockBytes(results_); }

  void readLive(const unsigned char* block);
  void writeResults(unsigned char* block) const;

 private:
  struct Instruction {
    const Op* op;
    Call call;
    const int32_t* guard;  // the instruction runs where *guard == when; null: always
    int32_t when;
    bool early;  // what its operation asks of contents is asked behind the prelude,
    bool asks;   // and again before it runs, where that may have been written meanwhile
    bool beside;    // the companion runs it
    size_t awaits;  // so many of its instructions have to be done before
    bool runs() const { return !guard || *guard == when; }
  };
  // An operand that is a part of an argument.
  struct Use {
    size_t operand;
    int argument;
    int64_t offset;
  };
  static int64_t blockBytes(const std::vector<Port>&);
  void account(int64_t bytes);
  bool refuses(const Instruction&, Problem*) const;
  void sendBeside();
  size_t workspaceBytes();

  std::vector<Slot> slots_;
  std::vector<Instruction> instructions_;
  size_t prelude_ = 0;  // instructions that only make what is asked before all others run
  std::vector<size_t> early_;
  std::vector<Operand> operands_;
  std::vector<int64_t> ints_;
  std::vector<double> reals_;
  std::vector<Port> inputs_, live_, results_;
  std::vector<Use> uses_;
  std::vector<const unsigned char*> bound_;
  unsigned char* ownArguments_ = nullptr;
  size_t ownBytes_ = 0;
  std::shared_ptr<Arena> arena_;
  std::shared_ptr<Ledger> ledger_;
  int64_t accounted_ = 0;
  // Workspaces depend on the thread count and on which matrix product serves: what they were when the size was last worked out.
  int64_t preparedFor_ = -1;
  size_t workspaceBytes_ = 0;
  std::atomic<int64_t> duration_{0};
  size_t beside_ = 0, besideBytes_ = 0;  // how many instructions the companion runs, and the largest of their workspaces
  Companion companion_;
};

}  // namespace nodegrad
