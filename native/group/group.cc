// The algorithms: who sends what to whom, and who adds it up.
#include "group.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "messages.h"

namespace nodegrad::group {
namespace {

// Below this many bytes everybody sends everything to everybody: one journey, and no second one for the sum.
constexpr int64_t wholeBelow = 32768;
constexpr int64_t pieceBytes = 1 << 20;
// So many pieces of others are expected at once: each takes the place of one that has been added up.
constexpr int64_t expected = 4;
constexpr int64_t leastAlignment = 16;  // elements, of where chunks begin

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
  GroupSum(const Channel& channel, const Sum& what, const Operands& operands)
      : operands_(operands), tensors_(what.tensors), shards_(what.shards, what.rows, channel.size()), rank_(channel.rank()), size_(channel.size()),
        partials_(what.partials), width_(what.width), mine_(shards_.ownedBy(rank_)), isForAll_(!what.owners) {
    for (int64_t i = 0; i < tensors_; ++i) elements_ += lengthOf(i);
    everywhere_ = isForAll_ && elements_ * width_ < wholeBelow;
    if (isForAll_) {
      for (int64_t i = 0; i < tensors_; ++i) order_.push_back(i);
      for (int rank = 0; rank <= size_; ++rank) cuts_.push_back(rank == size_ ? elements_ : rank * elements_ / size_ / leastAlignment * leastAlignment);
      return;
    }
    int64_t end = 0;
    for (int rank = 0; rank <= size_; ++rank) {
      cuts_.push_back(end);
      for (int64_t i = 0; i < tensors_; ++i) {
        if (what.owners[i] != rank) continue;
        order_.push_back(i);
        end += lengthOf(i);
      }
    }
  }
  size_t workspaceBytes() const {
    const int64_t own = chunkEnd(rank_) - chunkBegin(rank_);
    return size_t((partials_ * elements_ + (int64_t(shards_.branches.size()) - mine_) * expectedElements() + own) * width_);
  }

  void run(Channel& channel, void* workspace) {
    if (size_ == 1 || elements_ == 0) return;
    const uint64_t operation = channel.nextOperation();
    const int64_t begin = chunkBegin(rank_), others = int64_t(shards_.branches.size()) - mine_;
    unsigned char* const packed = static_cast<unsigned char*>(workspace);
    unsigned char* const received = packed + partials_ * elements_ * width_;
    unsigned char* const result = received + others * expectedElements() * width_;
    unsigned char* at = received;
    for (const Branch& branch : shards_.branches) {
      places_.push_back(branch.rank == rank_ ? nullptr : at);
      if (branch.rank != rank_) at += expectedElements() * width_;
    }
    // Piece by piece: one is added up while the next ones travel, and its sum goes out at once.
    const int64_t pieces = piecesOf(rank_);
    std::vector<std::unique_ptr<Messages>> receives, sends;
    Messages results(channel, operation);
    const auto expect = [&] {
      const int64_t piece = int64_t(receives.size());
      if (piece >= pieces) return;
      receives.push_back(std::make_unique<Messages>(channel, operation));
      for (size_t i = 0; i < shards_.branches.size(); ++i)
        if (shards_.branches[i].rank != rank_)
          receives.back()->receive(shards_.branches[i].rank, partOf(i, piece), places_[i] + placeOf(piece) * width_, bytesOf(pieceOf(rank_, piece)));
    };
    for (int64_t i = 0; i < expected; ++i) expect();
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
        // What is sent from where the sum will stand has to be gone: of the own chunk nothing is, but where it is everything.
        if (everywhere_ && !sends[0]->wait()) return;
        sumRange(range, placeOf(piece));
        expect();
        if (isForAll_ && !everywhere_) {
          void* const sum = gathered(0, range, result + (range.begin - begin) * width_);
          for (int peer = 0; peer < size_; ++peer)
            if (peer != rank_) results.send(peer, partOf(shards_.branches.size() + size_t(rank_), piece), sum, bytesOf(range));
        }
      }
      if (everywhere_) continue;
      if (!sends[size_t(piece)]->wait()) return;
      if (!isForAll_) continue;
      for (int peer = 0; peer < size_; ++peer) {
        if (peer == rank_ || piece >= piecesOf(peer)) continue;
        const Range range = pieceOf(peer, piece);
        results.receive(peer, partOf(shards_.branches.size() + size_t(peer), piece), receivedAt(range, packed), bytesOf(range));
      }
    }
    if (everywhere_ || !isForAll_ || !results.wait()) return;
    for (int peer = 0; peer < size_; ++peer)
      if (peer != rank_)
        for (int64_t piece = 0; piece < piecesOf(peer); ++piece) unpack(pieceOf(peer, piece), packed);
  }

 private:
  int64_t lengthOf(int64_t tensor) const { return operands_.length(operands_.context, tensor * partials_); }
  unsigned char* bytesAt(int64_t tensor, int64_t partial, int64_t offset) const {
    return static_cast<unsigned char*>(operands_.data(operands_.context, tensor * partials_ + partial)) + offset * width_;
  }
  // Which elements a process adds up, of all tensors one behind the other.
  int64_t chunkBegin(int rank) const { return everywhere_ ? 0 : cuts_[size_t(rank)]; }
  int64_t chunkEnd(int rank) const { return everywhere_ ? elements_ : cuts_[size_t(rank) + 1]; }

  std::vector<Segment> segmentsOf(int64_t begin, int64_t end) const {
    std::vector<Segment> segments;
    int64_t first = 0;
    for (const int64_t i : order_) {
      if (first >= end) break;
      const int64_t length = lengthOf(i), from = std::max(begin, first), to = std::min(end, first + length);
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
  // Where a piece of another process stands while it is needed, in elements, and how many have room.
  int64_t placeOf(int64_t piece) const { return piece % expected * perPiece(); }
  int64_t expectedElements() const { return std::min(chunkEnd(rank_) - chunkBegin(rank_), expected * perPiece()); }
  int64_t piecesOf(int rank) const { return (chunkEnd(rank) - chunkBegin(rank) + perPiece() - 1) / perPiece(); }
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
    operands_.add(operands_.context, left, right, segment.count);
    return left;
  }

  const Operands& operands_;
  const int64_t tensors_;
  const Shards shards_;
  const int rank_, size_;
  const int64_t partials_, width_, mine_;
  const bool isForAll_;
  int64_t elements_ = 0;
  bool everywhere_ = false;
  std::vector<int64_t> order_;  // the tensors, those of one owner side by side
  std::vector<int64_t> cuts_;   // where the elements begin that a process adds up, and where those of the last one end
  std::vector<unsigned char*> places_;  // of the branches of others
};

}  // namespace

int64_t partialsOf(const Channel& channel, int64_t shards, int64_t rows) {
  return std::max<int64_t>(Shards(shards, rows, channel.size()).ownedBy(channel.rank()), 1);
}

size_t sumWorkspace(const Channel& channel, const Sum& what, const Operands& operands) { return GroupSum(channel, what, operands).workspaceBytes(); }

void sum(Channel& channel, const Sum& what, const Operands& operands, void* workspace) { GroupSum(channel, what, operands).run(channel, workspace); }

void share(Channel& channel, const Share& what, const Operands& operands, void* workspace) {
  if (channel.size() == 1) return;
  Messages messages(channel, channel.nextOperation());
  unsigned char* at = static_cast<unsigned char*>(workspace);
  const auto forOwned = [&](int owner, auto&& body) {
    for (int64_t i = 0; i < what.count; ++i)
      if (what.owners[i] == owner && operands.length(operands.context, i) > 0) body(operands.data(operands.context, i), operands.length(operands.context, i));
  };
  std::vector<unsigned char*> blocks;
  for (int owner = 0; owner < channel.size(); ++owner) {
    unsigned char* const block = at;
    blocks.push_back(block);
    forOwned(owner, [&](void* data, int64_t bytes) {
      if (owner == channel.rank()) std::memcpy(at, data, size_t(bytes));
      at += bytes;
    });
    if (owner != channel.rank()) messages.receive(owner, uint64_t(owner), block, at - block);
    else
      for (int peer = 0; peer < channel.size(); ++peer)
        if (peer != owner) messages.send(peer, uint64_t(owner), block, at - block);
  }
  if (!messages.wait()) return;
  for (int owner = 0; owner < channel.size(); ++owner) {
    if (owner == channel.rank()) continue;
    const unsigned char* from = blocks[size_t(owner)];
    forOwned(owner, [&](void* data, int64_t bytes) {
      std::memcpy(data, from, size_t(bytes));
      from += bytes;
    });
  }
}

const char* lastFailure() { return failure.empty() ? nullptr : failure.c_str(); }
void fail(const char* why) { failure = why; }

}  // namespace nodegrad::group
