// Builds and replays a recorded step.
#include "program.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "../ops/gemm.h"
#include "../runtime/fpstate.h"
#include "../runtime/memory.h"
#include "../runtime/pool.h"
#include "../runtime/system.h"

namespace nodegrad {
namespace {

// Updates of optimizers scale and clear the gradients, which their signature counts among the inputs: 1, else 0.
int clearsGradients(const Op& op) { return std::string_view(op.signature).ends_with(":TD*") ? 1 : 0; }

constexpr int64_t maxArena = int64_t(1) << 40;
constexpr int64_t anyInteger = int64_t(1) << 53;
constexpr int64_t maxOperands = 65536, maxAttributes = 65536;

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

std::string textOf(const Op& op, const Refusal& refusal) {
  std::string text = std::string("[") + (refusal.caller ? refusal.caller : op.name) + "] " + refusal.what;
  if (!refusal.isIndex) return text;
  text += ' ' + std::to_string(refusal.value) + " at " + refusal.place + ' ' + std::to_string(refusal.position);
  if (refusal.high < refusal.low) return text + ", where there is nothing to choose from";
  return text + " lies outside " + std::to_string(refusal.low) + " … " + std::to_string(refusal.high) + ": indices count from 0";
}

Arena::~Arena() {
  freePages(data, size_t(bytes));
  if (ledger) ledger->bytes -= bytes;
}

Program::~Program() {
  freePages(ownArguments_, ownBytes_);
  account(-accounted_);
}

void Program::account(int64_t bytes) {
  accounted_ += bytes;
  ledger_->bytes += bytes;
}

int64_t Program::blockBytes(const std::vector<Port>& ports) {
  int64_t total = 0;
  for (const Port& port : ports) total += padded(port.bytes);
  return total;
}

void Program::readLive(const unsigned char* block) {
  for (const Port& port : live_) {
    if (port.bytes) std::memcpy(port.data, block, size_t(port.bytes));
    block += padded(port.bytes);
  }
}

void Program::writeResults(unsigned char* block) const {
  for (const Port& port : results_) {
    const void* from = port.argument < 0 ? port.data : bound_[size_t(port.argument)] + port.offset;
    if (port.bytes) std::memcpy(block, from, size_t(port.bytes));
    block += padded(port.bytes);
  }
}

void Program::bind(size_t argument, const void* data) {
  const unsigned char* base = static_cast<const unsigned char*>(data);
  if (bound_[argument] == base) return;
  bound_[argument] = base;
  for (const Use& use : uses_)
    if (size_t(use.argument) == argument) operands_[use.operand].data = const_cast<unsigned char*>(base) + use.offset;
}

bool Program::reserveArguments() {
  if (ownArguments_) return true;
  size_t total = 64;
  for (Port& port : inputs_) {
    port.offset = int64_t(total);
    total += (size_t(port.bytes) + 63) & ~size_t(63);
  }
  ownBytes_ = (total + 4095) & ~size_t(4095);
  ownArguments_ = static_cast<unsigned char*>(allocatePages(ownBytes_, 4096));
  if (ownArguments_) account(int64_t(total));
  return ownArguments_ != nullptr;
}

std::string Program::build(const double* code, size_t length, const std::vector<Operand>& externals, const Program* sibling) {
  Reader r{code, code + length};
  const int64_t arenaBytes = r.next(0, maxArena);
  const int64_t slotCount = r.next(0, 1 << 24);
  for (int64_t i = 0; i < slotCount && r.good; ++i) {
    Slot s{};
    s.place = Place(r.next(0, 2));
    s.dtype = DType(r.next(0, dtypeCount - 1));
    s.length = r.next(0, maxArena);
    const int64_t number = r.next(0, maxArena);
    s.offset = r.next(0, maxArena);
    const int64_t bytes = checkedProduct(s.length, dtypeSize(s.dtype));
    if (s.place == Place::external) {
      if (number >= int64_t(externals.size())) return "a slot names memory that was not given";
      const Operand& e = externals[size_t(number)];
      if (e.dtype != s.dtype || e.length != s.length) return "a slot does not fit its memory";
      s.data = e.data;
    } else if (s.place == Place::arena) {
      if (s.offset % dtypeSize(s.dtype) != 0 || bytes < 0 || s.offset > arenaBytes - bytes) return "a slot lies outside the arena";
    } else {
      if (bytes < 0 || s.offset % dtypeSize(s.dtype) != 0) return "a slot lies outside its argument";
      s.argument = int(number & 0x7fffffff);
    }
    slots_.push_back(s);
  }
  if (!r.good) return "malformed code";
  if (sibling && sibling->arena_->bytes >= arenaBytes) arena_ = sibling->arena_;
  if (!arena_) {
    const size_t hugePage = size_t(2) << 20, unit = arenaBytes >= int64_t(hugePage) ? hugePage : 4096;
    const size_t bytes = (size_t(arenaBytes) / unit + 1) * unit;
    // The system promises more than it has, and ends the process when it is touched.
    if (bytes > physicalMemory()) return "no memory for the arena";
    arena_ = std::make_shared<Arena>();
    arena_->data = static_cast<unsigned char*>(allocatePages(bytes, unit));
    if (!arena_->data) return "no memory for the arena";
    arena_->bytes = int64_t(bytes);
    arena_->ledger = ledger_;
    ledger_->bytes += arena_->bytes;
    adviseHugePages(arena_->data, bytes);
    touchPages(arena_->data, bytes);  // now, and not in the first step
  }
  for (Slot& s : slots_)
    if (s.place == Place::arena) s.data = arena_->data + s.offset;

  const auto readPorts = [&](std::vector<Port>& ports) {
    const int64_t count = r.next(0, 1 << 20);
    for (int64_t i = 0; i < count && r.good; ++i) {
      const int64_t slot = r.next(0, slotCount - 1);
      if (!r.good) return;
      const Slot& s = slots_[size_t(slot)];
      ports.push_back({s.data, s.length * dtypeSize(s.dtype), s.place == Place::argument ? s.argument : -1, s.offset});
    }
  };
  readPorts(inputs_);
  readPorts(live_);
  readPorts(results_);
  for (size_t i = 0; i < inputs_.size(); ++i)
    if (inputs_[i].argument != int(i) || inputs_[i].offset != 0) return "arguments must come in their order";
  for (const Port& port : live_)
    if (!port.data && port.bytes) return "a live input lies in an argument";
  for (const Slot& s : slots_)
    if (s.place == Place::argument &&
        (size_t(s.argument) >= inputs_.size() || s.offset > inputs_[size_t(s.argument)].bytes - s.length * dtypeSize(s.dtype)))
      return "a slot lies outside its argument";
  bound_.assign(inputs_.size(), nullptr);
  const int64_t count = r.next(0, 1 << 24);
  prelude_ = size_t(r.next(0, count));
  std::vector<size_t> first;  // of operands, integers, reals, by instruction
  for (int64_t i = 0; i < count && r.good; ++i) {
    Instruction in{};
    in.op = &opAt(int(r.next(0, opCount() - 1)));
    const int64_t guard = r.next(-1, slotCount - 1);
    in.when = int32_t(r.next(0, 1));
    in.asks = in.op->functions.guard != nullptr;
    in.early = r.next(0, 1) == 1 && in.asks;
    if (r.good && guard >= 0) {
      const Slot& s = slots_[size_t(guard)];
      if (s.dtype != DType::int32 || s.length != 1 || !s.data) return "a guard must be one int32";
      in.guard = static_cast<const int32_t*>(s.data);
    }
    first.insert(first.end(), {operands_.size(), ints_.size(), reals_.size()});
    const int64_t operandCount = r.next(1, maxOperands);
    for (int64_t k = 0; k < operandCount && r.good; ++k) {
      const int64_t slot = r.next(0, slotCount - 1);
      if (!r.good) break;
      const Slot& s = slots_[size_t(slot)];
      if (s.place == Place::argument) {
        uses_.push_back({operands_.size(), s.argument, s.offset});
        if (in.early && k == in.op->functions.guarded) in.asks = false;
      }
      operands_.push_back({s.place == Place::argument ? arena_->data : s.data, s.length, s.dtype});
    }
    const int64_t intCount = r.next(0, maxAttributes);
    for (int64_t k = 0; k < intCount && r.good; ++k) ints_.push_back(r.next(-anyInteger, anyInteger));
    const int64_t realCount = r.next(0, maxAttributes);
    for (int64_t k = 0; k < realCount && r.good; ++k) reals_.push_back(r.real());
    in.call.operandCount = int32_t(operandCount);
    in.call.intCount = int32_t(intCount);
    in.call.realCount = int32_t(realCount);
    instructions_.push_back(in);
  }
  if (!r.good || r.at != r.end) return "malformed code";
  // The vectors no longer grow: pointers into them stay.
  size_t use = 0;
  for (size_t i = 0; i < instructions_.size(); ++i) {
    Instruction& in = instructions_[i];
    in.call.operands = operands_.data() + first[3 * i];
    in.call.ints = ints_.data() + first[3 * i + 1];
    in.call.reals = reals_.data() + first[3 * i + 2];
    if (const char* problem = checkCall(*in.op, in.call)) return std::string("[") + in.op->name + "] " + problem;
    for (; use < uses_.size() && uses_[use].operand < first[3 * i] + size_t(in.call.operandCount); ++use)
      if (uses_[use].operand < first[3 * i] + size_t(in.call.outputs + clearsGradients(*in.op))) return "an operation writes into an argument";
    if (in.early) early_.push_back(i);
  }
  account(int64_t(slots_.size() * sizeof(Slot) + instructions_.size() * sizeof(Instruction) + operands_.size() * sizeof(Operand) +
                  uses_.size() * sizeof(Use) + (ints_.size() + reals_.size()) * 8));
  sendBeside();
  PinnedThreads pinnedThreads;
  PinnedGemm pinnedGemm;
  workspaceBytes();  // may open OpenBLAS, which is no work for the driver's thread: it sets an environment variable
  return "";
}

// What waits for other processes goes to the companion, where something else is to be done before its operands are touched again.
void Program::sendBeside() {
  std::vector<bool> isArgument(operands_.size());
  for (const Use& use : uses_) isArgument[use.operand] = true;
  const auto touches = [&](const Instruction& in, const Operand& memory) {
    const auto* const begin = static_cast<const unsigned char*>(memory.data);
    const auto* const end = begin + memory.length * dtypeSize(memory.dtype);
    const auto* const guard = reinterpret_cast<const unsigned char*>(in.guard);
    if (guard && guard < end && begin < guard + sizeof(int32_t)) return true;
    for (int i = 0; i < in.call.operandCount; ++i) {
      const Operand& other = in.call.operands[i];
      const auto* const at = static_cast<const unsigned char*>(other.data);
      if (!isArgument[size_t(&other - operands_.data())] && at < end && begin < at + other.length * dtypeSize(other.dtype)) return true;
    }
    return false;
  };
  for (size_t at = 0; at < instructions_.size(); ++at) {
    Instruction& in = instructions_[at];
    if (!in.op->functions.waits) continue;
    size_t next = at + 1;
    const auto isNeeded = [&](const Instruction& later) {
      for (int i = 0; i < in.call.operandCount; ++i)
        if (touches(later, in.call.operands[i])) return true;
      return false;
    };
    while (next < instructions_.size() && !isNeeded(instructions_[next])) ++next;
    in.beside = next > at + 1;
    if (!in.beside) in.awaits = beside_;
    else if (++beside_, next < instructions_.size()) instructions_[next].awaits = beside_;
  }
}

size_t Program::workspaceBytes() {
  const int64_t now = threads() * 8 + int(gemmChoice()) * 2 + reproducible();
  if (now != preparedFor_) {
    workspaceBytes_ = besideBytes_ = 0;
    for (const Instruction& in : instructions_) {
      if (!in.op->functions.workspace) continue;
      size_t& most = in.beside ? besideBytes_ : workspaceBytes_;
      most = std::max(most, in.op->functions.workspace(in.call));
    }
    preparedFor_ = now;
  }
  return workspaceBytes_;
}

bool Program::refuses(const Instruction& in, Problem* problem) const {
  const Refusal refusal = in.op->functions.guard(in.call);
  if (!refusal.what) return false;
  *problem = {textOf(*in.op, refusal), refusal};
  return true;
}

namespace {

// Whatever ends a run, what its companion has begun is waited for.
struct Finish {
  Companion* companion;
  ~Finish() {
    if (companion) companion->finish();
  }
};

}  // namespace

// What may refuse a step is asked before anything is written that stays, where it depends on nothing that the step has to compute first
// but the prelude.
Problem Program::run(const std::atomic<bool>* stop) {
  const auto begin = std::chrono::steady_clock::now();
  FpState guard;
  PinnedThreads pinnedThreads;
  PinnedGemm pinnedGemm;
  size_t bytes = workspaceBytes();
  // Where no thread can be had, this one does all.
  const bool accompanied = beside_ > 0 && companion_.prepare(beside_, besideBytes_);
  const Finish finish{accompanied ? &companion_ : nullptr};
  if (!accompanied) bytes = std::max(bytes, besideBytes_);
  void* workspace = bytes > 0 ? scratch(bytes) : nullptr;
  Problem problem;
  if (bytes > 0 && !workspace) {
    problem.text = "no memory for the workspace";
    return problem;
  }
  size_t awaited = 0;
  const auto await = [&](size_t count) {
    if (!accompanied || count <= awaited) return true;
    awaited = count;
    const Op* failed;
    if (companion_.wait(count, &failed, &problem.refusal)) return true;
    problem.text = textOf(*failed, problem.refusal);
    return false;
  };
  for (size_t i = 0; i <= instructions_.size(); ++i) {
    if (i == prelude_)
      for (const size_t at : early_)
        if (instructions_[at].runs() && refuses(instructions_[at], &problem)) return problem;
    if (i == instructions_.size()) {
      if (!await(beside_)) return problem;
      break;
    }
    if (stop && stop->load(std::memory_order_relaxed)) {
      problem.text = "stopped";
      return problem;
    }
    Instruction& in = instructions_[i];
    if (!await(in.awaits)) return problem;
    const bool runs = in.runs();
    const bool beside = accompanied && in.beside;
    if (beside) companion_.begin(*in.op, in.call, runs);
    if (!runs || beside) continue;
    if (in.asks && refuses(in, &problem)) return problem;
    in.call.workspace = workspace;
    in.op->functions.run(in.call);
    if (!in.op->functions.outcome) continue;
    const Refusal refusal = in.op->functions.outcome(in.call);
    if (!refusal.what) continue;
    problem = {textOf(*in.op, refusal), refusal};
    return problem;
  }
  const auto taken = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count();
  duration_.store(duration() == 0 ? int64_t(taken) : (duration() + int64_t(taken)) / 2, std::memory_order_relaxed);
  return problem;
}

}  // namespace nodegrad
