// Reductions whose order is fixed: equal inputs give equal bytes.
#pragma once

#include "device.h"

__device__ __forceinline__ u32 lane() { return threadIdx.x % WARP; }
__device__ __forceinline__ u32 warp() { return threadIdx.x / WARP; }

// The sum over the lanes, in every lane.
__device__ __forceinline__ float warp_sum(float x) {
  for (u32 step = WARP / 2; step > 0; step /= 2) x += __shfl_xor_sync(FULL_WARP, x, step);
  return x;
}

// The largest of the lanes, in every lane.
__device__ __forceinline__ float warp_max(float x) {
  for (u32 step = WARP / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, step));
  return x;
}

// The sum over a block of THREADS, in every thread. All threads must call it.
__device__ __forceinline__ float block_sum(float x) {
  __shared__ float sums[THREADS / WARP];
  x = warp_sum(x);
  if (lane() == 0) sums[warp()] = x;
  __syncthreads();
  float sum = 0.f;
  for (u32 index = 0; index < THREADS / WARP; ++index) sum += sums[index];
  __syncthreads();
  return sum;
}
