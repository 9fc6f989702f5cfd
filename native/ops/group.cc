// Operations over all processes of a group: sums along the fixed tree of a step's shards, and tensors that one process has and all want.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../runtime/transport.h"
#include "op.h"

namespace nodegrad::ops {
namespace {

// What the last operation of this thread failed of; empty: nothing.
thread_local std::string failure;

Refusal outcome(const Call&) { return failure.empty() ? Refusal{} : Refusal{failure.c_str()}; }

// Below this many bytes everybody sends everything to everybody: one journey, and no second one for the sum.
constexpr int64_t wholeBelow = 32768;
constexpr int64_t pieceBytes = 1 << 20;
constexpr int64_t leastAlignment = 16;  // elements, of where chunks begin

// A number that two messages share only when they are the same one: the operation, which part of it, and how long it is.
uint64_t tagOf(uint64_t operation, uint64_t part, uint64_t bytes) {
  uint64_t tag = operation * 0x9e3779b97f4a7c15ull + part;
  for (const uint64_t word : {part, bytes}) {
    tag ^= word + 0x9e3779b97f4a7c15ull + (tag << 12) + (tag >> 4);
    tag = (tag ^ tag >> 30) * 0xbf58476d1ce4e5b9ull;
    tag = (tag ^ tag >> 27) * 0x94d049bb133111ebull;
    tag ^= tag >> 31;
  }
  return tag;
}

// Messages under way, all of which are waited for.
class Messages {
 public:
  Messages(Channel& channel, uint64_t operation) : transport_(channel.transport()), operation_(operation) {}
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;
  ~Messages() { wait(); }
  void send(int peer, uint64_t part, void* data, int64_t bytes) {
    if (bytes > 0) add(transport_.send(transport_.context, peer, tagOf(operation_, part, uint64_t(bytes)), data, size_t(bytes)));
  }
  void receive(int peer, uint64_t part, void* data, int64_t bytes) {
    if (bytes > 0) add(transport_.receive(transport_.context, peer, tagOf(operation_, part, uint64_t(bytes)), data, size_t(bytes)));
  }
  // Whether all of them came through.
  bool wait() {
    for (void* const message : all_)
      if (!transport_.wait(transport_.context, message)) failed_ = true;
    all_.clear();
    if (failed_ && failure.empty()) {
      char text[512];
      transport_.problem(transport_.context, text, sizeof text);
      failure = text;
    }
    return !failed_;
  }

 private:
  void add(void* message) {
    if (message) all_.push_back(message);
    else failed_ = true;
  }
  const Transport& transport_;
  const uint64_t operation_;
  std::vector<void*> all_;
  bool failed_ = false;
};

// The channel of a call; null, and a failure, where it has been closed.
std::shared_ptr<Channel> channelOf(const Call& c) {
  failure.clear();
  std::shared_ptr<Channel> channel = channelAt(c.ints[0]);
  if (!channel) failure = "the process group has been closed";
  return channel;
}

// ---- group_sum: in place, the sum over a step's shards ----
//
// Operands: for each of `tensors` tensors the sums over the branches that this process has computed, of which the first takes the result; a
// process without any gives one all the same, whose contents do not count. Ints: channel, tensors, shards, rows.
//
// Shard i has the rows ⌊i·rows/shards⌋ up to the next one's first; a process of rank r computes the shards ⌊r·shards/size⌋ up to the next one's
// first. The tree: the first part of a range of shards is the largest power of two below its length (addInTree in lib/training/shards.ts). A
// branch that lies with one process travels as one sum. Each element is added up by one process, its owner, along the rest of the tree.

// A branch of the tree that one process has computed.
struct Branch {
  int64_t begin, end;
  int rank;
  int64_t place;  // among those of its process
};

struct Shards {
  int64_t count, rows, size;
  std::vector<Branch> branches;

  Shards(int64_t count, int64_t rows, int64_t size) : count(count), rows(rows), size(size) { collect(0, count); }
  int64_t firstRow(int64_t shard) const { return shard * rows / count; }
  int64_t firstShard(int64_t rank) const { return rank * count / size; }
  static int64_t middle(int64_t begin, int64_t end) {
    int64_t half = 1;
    while (2 * half < end - begin) half *= 2;
    return begin + half;
  }
  bool isEmpty(int64_t begin, int64_t end) const { return firstRow(begin) == firstRow(end); }
  int64_t ownedBy(int rank) const {
    return std::count_if(branches.begin(), branches.end(), [&](const Branch& branch) { return branch.rank == rank; });
  }

 private:
  void collect(int64_t begin, int64_t end) {
    if (isEmpty(begin, end)) return;
    int rank = 0;
    while (firstShard(rank + 1) <= begin) ++rank;
    if (end <= firstShard(rank + 1)) return branches.push_back({begin, end, rank, ownedBy(rank)});
    collect(begin, middle(begin, end));
    collect(middle(begin, end), end);
  }
};

// A stretch of elements of one tensor.
struct Segment {
  int64_t tensor, offset, count;
};

class GroupSum {
 public:
  GroupSum(const Call& c, int rank, int size)
      : call_(c), tensors_(c.ints[1]), shards_(c.ints[2], c.ints[3], size), rank_(rank), size_(size), partials_(c.operandCount / tensors_),
        width_(int64_t(dtypeSize(c.operands[0].dtype))), mine_(shards_.ownedBy(rank)) {
    for (int64_t i = 0; i < tensors_; ++i) elements_ += tensorAt(i, 0).length;
    everywhere_ = elements_ * width_ < wholeBelow;
  }
  // Whether there are as many operands as branches.
  bool fits() const { return partials_ == std::max<int64_t>(mine_, 1); }
  size_t workspaceBytes() const {
    const int64_t own = chunkEnd(rank_) - chunkBegin(rank_);
    return size_t((partials_ * elements_ + (int64_t(shards_.branches.size()) - mine_ + 1) * own) * width_);
  }

  void run(Channel& channel) {
    if (size_ == 1 || elements_ == 0) return;
    const uint64_t operation = channel.nextOperation();
    const int64_t begin = chunkBegin(rank_), own = chunkEnd(rank_) - begin, others = int64_t(shards_.branches.size()) - mine_;
    unsigned char* const packed = static_cast<unsigned char*>(call_.workspace);
    unsigned char* const received = packed + partials_ * elements_ * width_;
    unsigned char* const result = received + others * own * width_;
    unsigned char* at = received;
    for (const Branch& branch : shards_.branches) {
      places_.push_back(branch.rank == rank_ ? nullptr : at);
      if (branch.rank != rank_) at += own * width_;
    }
    // Piece by piece: one is added up while the next ones travel, and its sum goes out at once.
    const int64_t pieces = piecesOf(rank_);
    std::vector<std::unique_ptr<Messages>> receives, sends;
    Messages results(channel, operation);
    for (int64_t piece = 0; piece < pieces; ++piece) {
      receives.push_back(std::make_unique<Messages>(channel, operation));
      const Range range = pieceOf(rank_, piece);
      for (size_t i = 0; i < shards_.branches.size(); ++i)
        if (shards_.branches[i].rank != rank_)
          receives.back()->receive(shards_.branches[i].rank, partOf(i, piece), places_[i] + (range.begin - begin) * width_, bytesOf(range));
    }
    int64_t most = pieces;
    for (int peer = 0; peer < size_; ++peer) most = std::max(most, piecesOf(peer));
    for (int64_t piece = 0; piece < most; ++piece) {
      sends.push_back(std::make_unique<Messages>(channel, operation));
      sendPiece(*sends.back(), piece, packed);
    }
    for (int64_t piece = 0; piece < most; ++piece) {
      if (piece < pieces) {
        const Range range = pieceOf(rank_, piece);
        if (!receives[size_t(piece)]->wait()) return;
        // What is sent from there has to be gone before the sum takes its place: of the own chunk, nothing is.
        sumRange(range, range.begin - begin);
        if (!everywhere_) {
          void* const sum = gathered(0, range, result + (range.begin - begin) * width_);
          for (int peer = 0; peer < size_; ++peer)
            if (peer != rank_) results.send(peer, partOf(shards_.branches.size() + size_t(rank_), piece), sum, bytesOf(range));
        }
      }
      if (everywhere_) continue;
      if (!sends[size_t(piece)]->wait()) return;
      for (int peer = 0; peer < size_; ++peer) {
        if (peer == rank_ || piece >= piecesOf(peer)) continue;
        const Range range = pieceOf(peer, piece);
        results.receive(peer, partOf(shards_.branches.size() + size_t(peer), piece), receivedAt(range, packed), bytesOf(range));
      }
    }
    if (everywhere_) return void(sends[0]->wait());
    if (!results.wait()) return;
    for (int peer = 0; peer < size_; ++peer)
      if (peer != rank_)
        for (int64_t piece = 0; piece < piecesOf(peer); ++piece) unpack(pieceOf(peer, piece), packed);
  }

 private:
  const Operand& tensorAt(int64_t tensor, int64_t partial) const { return call_.operands[tensor * partials_ + partial]; }
  unsigned char* bytesAt(int64_t tensor, int64_t partial, int64_t offset) const {
    return static_cast<unsigned char*>(tensorAt(tensor, partial).data) + offset * width_;
  }
  // Which elements a process adds up, of all tensors one behind the other.
  int64_t chunkBegin(int rank) const { return everywhere_ ? 0 : rank * elements_ / size_ / leastAlignment * leastAlignment; }
  int64_t chunkEnd(int rank) const { return everywhere_ || rank == size_ - 1 ? elements_ : chunkBegin(rank + 1); }

  std::vector<Segment> segmentsOf(int64_t begin, int64_t end) const {
    std::vector<Segment> segments;
    int64_t first = 0;
    for (int64_t i = 0; i < tensors_ && first < end; ++i) {
      const int64_t length = tensorAt(i, 0).length, from = std::max(begin, first), to = std::min(end, first + length);
      if (from < to) segments.push_back({i, from - first, to - from});
      first += length;
    }
    return segments;
  }

  // A chunk in pieces that stay in the caches while they are added up.
  struct Range {
    int64_t begin, end;
  };
  int64_t bytesOf(const Range& range) const { return (range.end - range.begin) * width_; }
  int64_t perPiece() const { return everywhere_ ? std::max<int64_t>(elements_, 1) : pieceBytes / width_; }
  int64_t piecesOf(int rank) const { return tilesOf(chunkEnd(rank) - chunkBegin(rank), perPiece()); }
  Range pieceOf(int rank, int64_t piece) const {
    const int64_t begin = chunkBegin(rank) + piece * perPiece();
    return {begin, std::min(begin + perPiece(), chunkEnd(rank))};
  }
  static uint64_t partOf(size_t what, int64_t piece) { return uint64_t(piece) << 32 | what; }

  // Elements of one of the sums in one stretch: where they lie, or copied to `room`.
  void* gathered(int64_t partial, const Range& range, unsigned char* room) const {
    const std::vector<Segment> segments = segmentsOf(range.begin, range.end);
    if (segments.size() == 1) return bytesAt(segments[0].tensor, partial, segments[0].offset);
    unsigned char* at = room;
    for (const Segment& s : segments) {
      std::memcpy(at, bytesAt(s.tensor, partial, s.offset), size_t(s.count * width_));
      at += s.count * width_;
    }
    return room;
  }
  void sendPiece(Messages& sends, int64_t piece, unsigned char* room) const {
    for (size_t i = 0; i < shards_.branches.size(); ++i) {
      const Branch& branch = shards_.branches[i];
      if (branch.rank != rank_) continue;
      void* data = nullptr;
      for (int peer = 0; peer < size_; ++peer) {
        if (peer == rank_ || piece >= piecesOf(peer)) continue;
        const Range range = pieceOf(peer, piece);
        if (!everywhere_ || !data) data = gathered(branch.place, range, room + (branch.place * elements_ + range.begin) * width_);
        sends.send(peer, partOf(i, piece), data, bytesOf(range));
      }
    }
  }
  void* receivedAt(const Range& range, unsigned char* room) const {
    const std::vector<Segment> segments = segmentsOf(range.begin, range.end);
    if (segments.size() == 1) return bytesAt(segments[0].tensor, 0, segments[0].offset);
    return room + range.begin * width_;
  }
  void unpack(const Range& range, unsigned char* room) const {
    const std::vector<Segment> segments = segmentsOf(range.begin, range.end);
    if (segments.size() == 1) return;
    const unsigned char* at = room + range.begin * width_;
    for (const Segment& s : segments) {
      std::memcpy(bytesAt(s.tensor, 0, s.offset), at, size_t(s.count * width_));
      at += s.count * width_;
    }
  }

  void sumRange(const Range& range, int64_t done) const {
    for (const Segment& segment : segmentsOf(range.begin, range.end)) {
      unsigned char* const sum = sumTree(0, shards_.count, segment, done);
      unsigned char* const to = bytesAt(segment.tensor, 0, segment.offset);
      if (sum != to) std::memcpy(to, sum, size_t(segment.count * width_));
      done += segment.count;
    }
  }
  // The sum of a range of shards, for the elements of a segment that begins `done` elements behind the chunk's first. It stands in the memory of
  // the range's first branch.
  unsigned char* sumTree(int64_t begin, int64_t end, const Segment& segment, int64_t done) const {
    if (shards_.isEmpty(begin, end)) return nullptr;
    for (size_t i = 0; i < shards_.branches.size(); ++i) {
      const Branch& branch = shards_.branches[i];
      if (branch.begin != begin || branch.end != end) continue;
      return branch.rank == rank_ ? bytesAt(segment.tensor, branch.place, segment.offset) : places_[i] + done * width_;
    }
    const int64_t middle = Shards::middle(begin, end);
    unsigned char* const left = sumTree(begin, middle, segment, done);
    unsigned char* const right = sumTree(middle, end, segment, done);
    if (!left || !right) return left ? left : right;
    const Operand pair[] = {{left, segment.count, call_.operands[0].dtype}, {right, segment.count, call_.operands[0].dtype}};
    Call add{call_.dtype, pair, 2, nullptr, 0, nullptr, 0};
    add.outputs = 1;
    add.stored = call_.operands[0].dtype;
    add.dtype = call_.dtype == DType::bfloat16 ? DType::float32 : call_.dtype;
    opAt(int(OpCode::accumulate)).functions.run(add);
    return left;
  }

  const Call& call_;
  const int64_t tensors_;
  const Shards shards_;
  const int rank_, size_;
  const int64_t partials_, width_, mine_;
  int64_t elements_ = 0;
  bool everywhere_ = false;
  std::vector<unsigned char*> places_;  // of the branches of others
};

void run_group_sum(const Call& c) {
  const std::shared_ptr<Channel> channel = channelOf(c);
  if (!channel) return;
  GroupSum sum(c, channel->rank(), channel->size());
  if (!sum.fits()) failure = "the shards of this process changed while a step ran";
  else sum.run(*channel);
}
const char* checkGroupSum(const Call& c) {
  if (c.intCount != 4 || c.ints[1] < 1 || c.ints[2] < 1 || c.ints[2] > 65536 || c.ints[3] < 1 || checkedProduct(c.ints[2], c.ints[3]) < 0)
    return "malformed attributes";
  if (c.operands[0].dtype != DType::float32 && c.operands[0].dtype != DType::float64 && c.operands[0].dtype != DType::bfloat16)
    return "expected floating-point numbers";
  if (c.operandCount % c.ints[1] != 0) return "not as many partial sums of each tensor";
  const std::shared_ptr<Channel> channel = channelAt(c.ints[0]);
  if (!channel) return "the process group has been closed";
  if (channel->size() > c.ints[2]) return "fewer shards than processes";
  const GroupSum sum(c, channel->rank(), channel->size());
  if (!sum.fits()) return "not as many partial sums as this process has branches of the tree";
  const int64_t partials = c.operandCount / c.ints[1];
  for (int i = 0; i < c.operandCount; ++i)
    if (c.length(i) != c.length(int(i / partials * partials))) return "partial sums of different lengths";
  return nullptr;
}
size_t workspaceOfGroupSum(const Call& c) {
  const std::shared_ptr<Channel> channel = channelAt(c.ints[0]);
  return channel ? GroupSum(c, channel->rank(), channel->size()).workspaceBytes() : 0;
}

// ---- group_share: in place, each tensor as its owner has it. Ints: channel, then the owner of each operand ----

int64_t bytesOf(const Operand& operand) { return operand.length * int64_t(dtypeSize(operand.dtype)); }

void run_group_share(const Call& c) {
  const std::shared_ptr<Channel> channel = channelOf(c);
  if (!channel || channel->size() == 1) return;
  Messages messages(*channel, channel->nextOperation());
  unsigned char* at = static_cast<unsigned char*>(c.workspace);
  const auto forOwned = [&](int owner, auto&& body) {
    for (int i = 0; i < c.operandCount; ++i)
      if (c.ints[1 + i] == owner) body(c.operands[i]);
  };
  std::vector<unsigned char*> blocks;
  for (int owner = 0; owner < channel->size(); ++owner) {
    unsigned char* const block = at;
    blocks.push_back(block);
    forOwned(owner, [&](const Operand& operand) {
      if (owner == channel->rank() && bytesOf(operand) > 0) std::memcpy(at, operand.data, size_t(bytesOf(operand)));
      at += bytesOf(operand);
    });
    if (owner != channel->rank()) messages.receive(owner, uint64_t(owner), block, at - block);
    else
      for (int peer = 0; peer < channel->size(); ++peer)
        if (peer != owner) messages.send(peer, uint64_t(owner), block, at - block);
  }
  if (!messages.wait()) return;
  for (int owner = 0; owner < channel->size(); ++owner) {
    if (owner == channel->rank()) continue;
    const unsigned char* from = blocks[size_t(owner)];
    forOwned(owner, [&](const Operand& operand) {
      if (bytesOf(operand) > 0) std::memcpy(operand.data, from, size_t(bytesOf(operand)));
      from += bytesOf(operand);
    });
  }
}
const char* checkGroupShare(const Call& c) {
  if (c.intCount != 1 + c.operandCount) return "malformed attributes";
  const std::shared_ptr<Channel> channel = channelAt(c.ints[0]);
  if (!channel) return "the process group has been closed";
  for (int i = 1; i < c.intCount; ++i)
    if (c.ints[i] < 0 || c.ints[i] >= channel->size()) return "an owner that is not in the group";
  return nullptr;
}
size_t workspaceOfGroupShare(const Call& c) {
  int64_t bytes = 0;
  for (int i = 0; i < c.operandCount; ++i) bytes += bytesOf(c.operands[i]);
  return size_t(bytes);
}

}  // namespace

extern const OpFunctions op_group_sum = {run_group_sum, checkGroupSum, workspaceOfGroupSum, nullptr, -1, outcome};
extern const OpFunctions op_group_share = {run_group_share, checkGroupShare, workspaceOfGroupShare, nullptr, -1, outcome};

}  // namespace nodegrad::ops
