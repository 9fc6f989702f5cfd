// Weight gradients of several shards of a batch, added along a tree: each one is what it is alone, and what is stored is their sum.
#pragma once
#include <algorithm>

#include "convolution.h"

namespace nodegrad {

// The tree stands behind the shards as in Reverse Polish notation: `sums` says how often the last two sums become one after a shard has come.
// The left one of two takes the right one.
template <class T> struct GradientShards {
  int64_t count;
  const int64_t* ints;      // images and sums of each
  const Operand* operands;  // x and dy of each

  int64_t images(int64_t i) const { return ints[2 * i]; }
  int64_t sums(int64_t i) const { return ints[2 * i + 1]; }
  const T* x(int64_t i) const { return static_cast<const T*>(operands[2 * i].data); }
  const T* dy(int64_t i) const { return static_cast<const T*>(operands[2 * i + 1].data); }
};

// Sums that wait for others, at most. A shard that is added as soon as it is there never waits.
template <class T> int64_t waitingSums(const GradientShards<T>& shards) {
  int64_t waiting = 0, most = 0;
  for (int64_t i = 0; i < shards.count; ++i) {
    if (shards.sums(i) == 0) most = std::max(most, ++waiting);
    else waiting -= shards.sums(i) - 1;
  }
  return most;
}

// leaf(shard, level, isAdded) leaves a shard's gradient at a level, or adds it to what is there; add(level) adds level + 1 to it. The total
// ends at level 0.
template <class T, class L, class A> void addShards(const GradientShards<T>& shards, L&& leaf, A&& add) {
  int64_t waiting = 0;
  for (int64_t i = 0; i < shards.count; ++i) {
    if (shards.sums(i) == 0) {
      leaf(i, waiting++, false);
      continue;
    }
    leaf(i, waiting - 1, true);
    for (int64_t more = 1; more < shards.sums(i); ++more) add(--waiting - 1);
  }
}

// Tap by tap, where images are small: in each tile of dw all shards are added before it is stored. The arithmetic is that of `direct`. A
// single shard is served as well.
namespace tapwise {
bool serves(const Convolution&);  // of a shard, where the products are our own
double productsOf(const Convolution&);               // of an image, for a pair of channels: those of zeros around it are left out
template <class T> size_t workspace(const Convolution&, const GradientShards<T>&);
// dw = (prior +) the sum; with a prior each shard's gradient is added to zero first, so that it has no −0.
template <class T> void weightGradient(const Convolution&, const GradientShards<T>&, T* dw, Prior, void* workspace);
}  // namespace tapwise

}  // namespace nodegrad
