// Products of many rows with a weight matrix.

#include "gemm.h"

// A block a tile of the result.
template <typename T>
__device__ void gemm(const MatmulParams& p) {
  const u32 first_row = blockIdx.y * TILE_M, first_column = blockIdx.x * TILE_N;
  if (first_row >= p.m || first_column >= p.n) return;
  gemm_tile<T>(p, p.weight, Successive{first_row, p.m - first_row}, first_column);
}

TGI_KERNEL(tgi_gemm_bf16, MatmulParams, THREADS, gemm<bf16>(p))
TGI_KERNEL(tgi_gemm_f16, MatmulParams, THREADS, gemm<f16>(p))
TGI_KERNEL(tgi_gemm_f32, MatmulParams, THREADS, gemm<float>(p))
