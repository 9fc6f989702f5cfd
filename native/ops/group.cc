// Operations over all processes of a group; native/group has how they are done.
#include "../group/group.h"

#include "op.h"

namespace nodegrad::ops {
namespace {

Refusal outcome(const Call&) {
  const char* const why = group::lastFailure();
  return why ? Refusal{why} : Refusal{};
}

constexpr const char* closed = "the process group has been closed";

// The channel of a call; null, and a failure, where it has been closed.
std::shared_ptr<Channel> channelOf(const Call& c) {
  std::shared_ptr<Channel> channel = channelAt(c.ints[0]);
  group::fail(channel ? "" : closed);
  return channel;
}

void* dataAt(const void* call, int64_t place) { return static_cast<const Call*>(call)->operands[place].data; }
int64_t lengthAt(const void* call, int64_t place) { return static_cast<const Call*>(call)->length(int(place)); }
int64_t bytesAt(const void* call, int64_t place) { return lengthAt(call, place) * int64_t(dtypeSize(static_cast<const Call*>(call)->operands[place].dtype)); }

void add(const void* call, void* left, void* right, int64_t count) {
  const DType dtype = static_cast<const Call*>(call)->operands[0].dtype;
  const Operand pair[] = {{left, count, dtype}, {right, count, dtype}};
  Call accumulate{dtype == DType::float64 ? dtype : DType::float32, pair, 2, nullptr, 0, nullptr, 0};
  accumulate.outputs = 1;
  accumulate.stored = dtype;
  opAt(int(OpCode::accumulate)).functions.run(accumulate);
}

// ---- group_sum: in place; ints: channel, tensors, shards, rows ----
// ---- group_reduce: the same to one process each; ints: besides, the owner of each tensor, whose memory alone is written ----

constexpr int sumInts = 4;

group::Sum sumOf(const Call& c) {
  const int64_t* const owners = c.intCount > sumInts ? c.ints + sumInts : nullptr;
  return {c.ints[1], c.operandCount / c.ints[1], dtypeSize(c.operands[0].dtype), c.ints[2], c.ints[3], owners};
}

void run_group_sum(const Call& c) {
  const std::shared_ptr<Channel> channel = channelOf(c);
  if (!channel) return;
  group::sum(*channel, sumOf(c), {&c, dataAt, lengthAt, add}, c.workspace);
}
const char* checkOwners(const int64_t* owners, int64_t count, const Channel& channel) {
  for (int64_t i = 0; i < count; ++i)
    if (owners[i] < 0 || owners[i] >= channel.size()) return "an owner that is not in the group";
  return nullptr;
}
const char* checkGroupSum(const Call& c) {
  if (c.ints[1] < 1 || c.ints[2] < 1 || c.ints[2] > 65536 || c.ints[3] < 1 || checkedProduct(c.ints[2], c.ints[3]) < 0) return "malformed attributes";
  const DType dtype = c.operands[0].dtype;
  if (dtype != DType::float32 && dtype != DType::float64 && dtype != DType::bfloat16) return "expected floating-point numbers";
  if (c.operandCount % c.ints[1] != 0) return "not as many partial sums of each tensor";
  const std::shared_ptr<Channel> channel = channelAt(c.ints[0]);
  if (!channel) return closed;
  if (channel->size() > c.ints[2]) return "fewer shards than processes";
  const int64_t partials = c.operandCount / c.ints[1];
  if (partials != group::partialsOf(*channel, c.ints[2], c.ints[3])) return "not as many partial sums as this process has branches of the tree";
  for (int i = 0; i < c.operandCount; ++i)
    if (c.length(i) != c.length(int(i / partials * partials))) return "partial sums of different lengths";
  return nullptr;
}
const char* checkGroupReduce(const Call& c) {
  if (c.intCount < sumInts || c.ints[1] != c.intCount - sumInts) return "malformed attributes";
  if (const char* const wrong = checkGroupSum(c)) return wrong;
  const std::shared_ptr<Channel> channel = channelAt(c.ints[0]);
  return channel ? checkOwners(c.ints + sumInts, c.ints[1], *channel) : closed;
}
size_t workspaceOfGroupSum(const Call& c) {
  const std::shared_ptr<Channel> channel = channelAt(c.ints[0]);
  return channel ? group::sumWorkspace(*channel, sumOf(c), {&c, dataAt, lengthAt, add}) : 0;
}

// ---- group_share: in place; ints: channel, then the owner of each operand ----

void run_group_share(const Call& c) {
  const std::shared_ptr<Channel> channel = channelOf(c);
  if (channel) group::share(*channel, {c.operandCount, c.ints + 1}, {&c, dataAt, bytesAt, nullptr}, c.workspace);
}
const char* checkGroupShare(const Call& c) {
  if (c.intCount != 1 + c.operandCount) return "malformed attributes";
  const std::shared_ptr<Channel> channel = channelAt(c.ints[0]);
  return channel ? checkOwners(c.ints + 1, c.operandCount, *channel) : closed;
}
size_t workspaceOfGroupShare(const Call& c) {
  int64_t bytes = 0;
  for (int i = 0; i < c.operandCount; ++i) bytes += bytesAt(&c, i);
  return size_t(bytes);
}

}  // namespace

extern const OpFunctions op_group_sum = {run_group_sum, checkGroupSum, workspaceOfGroupSum, nullptr, -1, outcome, true};
extern const OpFunctions op_group_reduce = {run_group_sum, checkGroupReduce, workspaceOfGroupSum, nullptr, -1, outcome, true};
extern const OpFunctions op_group_share = {run_group_share, checkGroupShare, workspaceOfGroupShare, nullptr, -1, outcome, true};

}  // namespace nodegrad::ops
