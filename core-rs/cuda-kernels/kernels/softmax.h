// Soft-max in parts: each split of a row's keys for itself, then joined in order.
#pragma once

#include "device.h"

constexpr float NEG_INFINITY = -INFINITY;

// Where a row's keys begin and end, and which splits they lie in.
struct Span {
  u32 first, last;  // positions, both included
  __device__ __forceinline__ u32 first_split() const { return first / SPLIT_TOKENS; }
  __device__ __forceinline__ u32 last_split() const { return last / SPLIT_TOKENS; }
  __device__ __forceinline__ bool has(u32 position) const {
    return position >= first && position <= last;
  }
};

__device__ __forceinline__ Span span_of(u32 position, u32 window) {
  return {window != 0 && position + 1 > window ? position + 1 - window : 0, position};
}

// How a further part joins: factors on what was and on what comes.
struct Join {
  float old_factor, new_factor;
};

// Joins the maximum and the sum of a part to `largest` and `sum`; the first part is taken as it is.
__device__ __forceinline__ Join join(float& largest, float& sum, float part_largest, float part_sum) {
  if (largest == NEG_INFINITY) {
    largest = part_largest;
    sum = part_sum;
    return {0.f, 1.f};
  }
  const float both = fmaxf(largest, part_largest);
  const Join factors{expf(largest - both), expf(part_largest - both)};
  largest = both;
  sum = fmaf(sum, factors.old_factor, part_sum * factors.new_factor);
  return factors;
}

// One element of the weighted values, joined.
__device__ __forceinline__ float joined(Join factors, float value, float part) {
  return fmaf(value, factors.old_factor, part * factors.new_factor);
}

// What is done to q·k before the soft-max.
__device__ __forceinline__ float score(const AttentionParams& p, float product, float slope,
                                       u32 distance) {
  float value = product * p.scale;
  if (p.soft_cap != 0.f) value = p.soft_cap * tanhf(value / p.soft_cap);
  return p.slopes != 0 ? fmaf(-slope, float(distance), value) : value;
}

// Where a split of a row and a head leaves its weighted values, then its maximum and its sum.
__device__ __forceinline__ float* partial(u64 partials, u64 row, u32 heads, u32 head, u32 splits,
                                          u32 split, u32 head_size) {
  return at<float>(partials) + ((row * heads + head) * splits + split) * (head_size + 2);
}

// Where a head of a layer's cache has the page that `index` of the table names.
template <typename T>
__device__ __forceinline__ const T* page_of(const AttentionParams& p, u64 cache, u32 index,
                                            u32 kv_head) {
  const u64 page = at<const u32>(p.page_table)[index];
  return at<const T>(cache) + (page * p.kv_heads + kv_head) * PAGE_TOKENS * p.head_size;
}
