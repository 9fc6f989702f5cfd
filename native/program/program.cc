// Builds and replays a recorded step.
#include "program.h"

#include <cstdlib>

#include "../runtime/fpstate.h"
#include "../runtime/memory.h"
#include "../runtime/pool.h"

namespace nodegrad {
namespace {

constexpr int64_t maxArena = int64_t(1) << 40;
constexpr int64_t anyInteger = int64_t(1) << 53;
constexpr int64_t maxOperands = 64, maxAttributes = 256;

// Reads whole numbers off the code; the first that is none, or out of range, ends the reading.
struct Reader {
  const double* at;
  const double* end;
  bool good = true;

  int64_t next(int64_t low, int64_t high) {
    if (at == end || !(*at >= double(low) && *at <= double(high)) || double(int64_t(*at)) != *at) {
      good = false;
      return low;
    }
    return int64_t(*at++);
  }
  double real() {
    if (at == end) {
      good = false;
      return 0;
    }
    return *at++;
  }
};

}  // namespace

Program::~Program() { std::free(arena_); }

void* Program::dataOf(int slot) const {
  const Slot& s = slots_[size_t(slot)];
  return s.external ? s.data : arena_ + s.offset;
}

std::string Program::build(const double* code, size_t length, const std::vector<Operand>& externals) {
  Reader r{code, code + length};
  arenaBytes_ = r.next(0, maxArena);
  const int64_t slotCount = r.next(0, 1 << 24);
  for (int64_t i = 0; i < slotCount && r.good; ++i) {
    Slot s{};
    s.external = r.next(0, 1) != 0;
    s.dtype = DType(r.next(0, dtypeCount - 1));
    s.length = r.next(0, maxArena);
    const int64_t place = r.next(0, maxArena);
    if (s.external) {
      if (place >= int64_t(externals.size())) return "a slot names memory that was not given";
      const Operand& e = externals[size_t(place)];
      if (e.dtype != s.dtype || e.length != s.length) return "a slot does not fit its memory";
      s.data = e.data;
    } else {
      const int64_t bytes = checkedProduct(s.length, dtypeSize(s.dtype));
      if (place % 4 != 0 || bytes < 0 || place > arenaBytes_ - bytes) return "a slot lies outside the arena";
      s.offset = place;
    }
    slots_.push_back(s);
  }
  const auto readPorts = [&](std::vector<Port>& ports) {
    const int64_t count = r.next(0, 1 << 20);
    for (int64_t i = 0; i < count && r.good; ++i) {
      const int slot = int(r.next(0, slotCount - 1));
      if (!r.good) return;
      ports.push_back({slot, slots_[size_t(slot)].length * dtypeSize(slots_[size_t(slot)].dtype)});
    }
  };
  readPorts(inputs_);
  readPorts(outputs_);
  const int64_t count = r.next(0, 1 << 24);
  for (int64_t i = 0; i < count && r.good; ++i) {
    Instruction in{};
    in.op = &opAt(int(r.next(0, opCount() - 1)));
    const int64_t operandCount = r.next(1, maxOperands);
    in.firstOperand = operands_.size();
    for (int64_t k = 0; k < operandCount && r.good; ++k) {
      const int64_t slot = r.next(0, slotCount - 1);
      if (!r.good) break;
      in.slots.push_back(int(slot));
      operands_.push_back({nullptr, slots_[size_t(slot)].length, slots_[size_t(slot)].dtype});
    }
    const int64_t intCount = r.next(0, maxAttributes);
    in.firstInt = ints_.size();
    for (int64_t k = 0; k < intCount && r.good; ++k) ints_.push_back(r.next(-anyInteger, anyInteger));
    const int64_t realCount = r.next(0, maxAttributes);
    in.firstReal = reals_.size();
    for (int64_t k = 0; k < realCount && r.good; ++k) reals_.push_back(r.real());
    in.call.operandCount = int32_t(operandCount);
    in.call.intCount = int32_t(intCount);
    in.call.realCount = int32_t(realCount);
    instructions_.push_back(in);
  }
  if (!r.good || r.at != r.end) return "malformed code";
  const size_t hugePage = size_t(2) << 20, unit = arenaBytes_ >= int64_t(hugePage) ? hugePage : 4096;
  const size_t bytes = (size_t(arenaBytes_) / unit + 1) * unit;
  arena_ = static_cast<unsigned char*>(std::aligned_alloc(unit, bytes));
  if (!arena_) return "no memory for the arena";
  adviseHugePages(arena_, bytes);
  // The vectors no longer grow: pointers into them stay.
  for (Instruction& in : instructions_) {
    for (size_t k = 0; k < in.slots.size(); ++k) operands_[in.firstOperand + k].data = dataOf(in.slots[k]);
    in.call.operands = operands_.data() + in.firstOperand;
    in.call.ints = ints_.data() + in.firstInt;
    in.call.reals = reals_.data() + in.firstReal;
    if (const char* problem = checkCall(*in.op, in.call)) return std::string("[") + in.op->name + "] " + problem;
  }
  return "";
}

std::string Program::run(const std::atomic<bool>* stop) {
  FpState guard;
  PinnedThreads pinned;
  // Workspaces depend on the thread count and on which matrix product serves; either may have changed since the last step.
  size_t most = 0;
  for (const Instruction& in : instructions_) {
    if (!in.op->functions.workspace) continue;
    const size_t bytes = in.op->functions.workspace(in.call);
    if (bytes > most) most = bytes;
  }
  void* workspace = most > 0 ? scratch(most) : nullptr;
  if (most > 0 && !workspace) return "no memory for the workspace";
  for (Instruction& in : instructions_) {
    if (stop && stop->load(std::memory_order_relaxed)) return "stopped";
    if (in.op->functions.guard)
      if (const char* problem = in.op->functions.guard(in.call)) return std::string("[") + in.op->name + "] " + problem;
    in.call.workspace = workspace;
    in.op->functions.run(in.call);
  }
  return "";
}

}  // namespace nodegrad
