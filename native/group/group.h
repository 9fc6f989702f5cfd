// Sums over the processes of a group along the fixed tree of a step's shards, and tensors that one process has and all want.
//
// Shard i of a batch has the rows ⌊i·rows/shards⌋ up to the next one's first; the process of rank r computes the shards ⌊r·shards/size⌋ up to the
// next one's first. The tree: the first part of a range of shards is the largest power of two below its length (lib/ops/group.ts says the same). A
// branch that lies with one process travels as one sum. Each element is added up by one process, its owner, along the rest of the tree.
#pragma once
#include <cstddef>
#include <cstdint>

#include "transport.h"

namespace nodegrad::group {

// Operands of a call, by their places, and how numbers of their element type are added: left += right.
struct Operands {
  const void* context;
  void* (*data)(const void* context, int64_t place);
  int64_t (*length)(const void* context, int64_t place);
  void (*add)(const void* context, void* left, void* right, int64_t count);
};

// For each of `tensors` tensors there are `partials` sums over the branches that this process has computed, of which the first takes the result. A
// process without any gives one all the same, whose contents do not count. The sum of a tensor with an owner goes to that process alone.
struct Sum {
  int64_t tensors, partials, width;  // width: bytes of an element
  int64_t shards, rows;
  const int64_t* owners = nullptr;  // one for each tensor; null: all have the sums of all
};

// How many partial sums the process of a channel has of each tensor.
int64_t partialsOf(const Channel&, int64_t shards, int64_t rows);
size_t sumWorkspace(const Channel&, const Sum&, const Operands&);
void sum(Channel&, const Sum&, const Operands&, void* workspace);

// Each of `count` operands, of these bytes, as its owner has it. The workspace has all of their bytes.
struct Share {
  int64_t count;
  const int64_t* owners;
};
void share(Channel&, const Share&, const Operands&, void* workspace);

// What the last of these that ran on this thread failed of; null: nothing.
const char* lastFailure();
void fail(const char* why);

}  // namespace nodegrad::group
