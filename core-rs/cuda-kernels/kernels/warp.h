// Reductions whose order is fixed: equal inputs give equal bytes.
#pragma once

#include "device.h"

__device__ __forceinline__ u32 lane() { return threadIdx.x % WARP; }
__device__ __forceinline__ u32 warp() { return threadIdx.x / WARP; }

// The sum over the lanes, in every lane.
template <typename N>
__device__ __forceinline__ N warp_sum(N x) {
  for (u32 step = WARP / 2; step > 0; step /= 2) x += __shfl_xor_sync(FULL_WARP, x, step);
  return x;
}

// The largest of the lanes, in every lane.
__device__ __forceinline__ float warp_max(float x) {
  for (u32 step = WARP / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, step));
  return x;
}

// The sum over a block, in every thread. All threads must call it.
template <typename N>
__device__ __forceinline__ N block_sum(N x) {
  __shared__ N sums[WARP];
  x = warp_sum(x);
  if (lane() == 0) sums[warp()] = x;
  __syncthreads();
  N sum = 0;
  for (u32 index = 0; index < blockDim.x / WARP; ++index) sum += sums[index];
  __syncthreads();
  return sum;
}

// The larger of two numbers with their ids; of equal ones that with the lower id. NaN never is.
__device__ __forceinline__ void keep_larger(float& number, u32& id, float other, u32 other_id) {
  if (other > number || (other == number && other_id < id)) {
    number = other;
    id = other_id;
  }
}

// The largest number of a warp and its id, in every lane.
__device__ __forceinline__ void warp_largest(float& number, u32& id) {
  for (u32 step = WARP / 2; step > 0; step /= 2) {
    const float other = __shfl_xor_sync(FULL_WARP, number, step);
    keep_larger(number, id, other, __shfl_xor_sync(FULL_WARP, id, step));
  }
}

// The largest number of a block and its id, in every thread. All threads must call it.
__device__ __forceinline__ void block_largest(float& number, u32& id) {
  __shared__ float numbers[WARP];
  __shared__ u32 ids[WARP];
  warp_largest(number, id);
  if (lane() == 0) {
    numbers[warp()] = number;
    ids[warp()] = id;
  }
  __syncthreads();
  for (u32 index = 0; index < blockDim.x / WARP; ++index) {
    keep_larger(number, id, numbers[index], ids[index]);
  }
  __syncthreads();
}
