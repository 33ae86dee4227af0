// What kernels are written in: CUDA, or its emulation on the host.
#pragma once

#include "params.h"

#ifdef TGI_EMULATE
#include "emulation/cuda.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>

// Defines the kernel NAME of one argument `p`; the rest is its body.
#define TGI_KERNEL(NAME, PARAMS, THREADS, ...)                                                     \
  extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ PARAMS p) {   \
    __VA_ARGS__;                                                                                   \
  }

// The block's dynamic shared memory, 16-byte aligned.
#define TGI_DYNAMIC_SHARED(NAME) extern __shared__ __align__(16) unsigned char NAME[]
#endif

constexpr u32 THREADS = 256;
constexpr u32 WARP = 32;
constexpr u32 FULL_WARP = 0xffffffffu;

// A device pointer of an argument.
template <typename T>
__device__ __forceinline__ T* at(u64 pointer) {
  return reinterpret_cast<T*>(pointer);
}

// The block's place in a grid that is more than one-dimensional only where it must be.
__device__ __forceinline__ u64 global_thread() {
  return u64(blockIdx.x) * blockDim.x + threadIdx.x;
}
