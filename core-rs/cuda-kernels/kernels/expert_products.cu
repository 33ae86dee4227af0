// Products of rows with the weights of their experts. A block has a tile of one expert's places; tiles
// beyond the last one, and those of experts that lie elsewhere, have nothing to do.

#include "gemm.h"
#include "gemv.h"

// The expert of a tile, counted from the first one whose weights are here; `p.experts` for none.
__device__ __forceinline__ u32 expert_of(const ExpertMatmulParams& p, u32 tile) {
  const u32 expert = at<const u32>(p.tile_experts)[tile];
  const bool is_here = expert >= p.first_expert && expert - p.first_expert < p.experts;
  return is_here ? expert - p.first_expert : p.experts;
}

// One expert's weights.
__device__ __forceinline__ u64 weight_of(const ExpertMatmulParams& p, u32 expert) {
  return p.product.weight + expert * p.expert_bytes;
}

template <typename T, typename Source>
__device__ void expert_gemv(const ExpertMatmulParams& p) {
  const u32 tile = blockIdx.x, column = gemv_column_of(blockIdx.y);
  if (tile >= p.tiles || column >= p.product.n) return;
  const u32 expert = expert_of(p, tile);
  if (expert == p.experts) return;
  const Listed rows{at<const u32>(p.places) + u64(tile) * GEMV_ROWS, p.share};
  u32 count = 1;
  while (count < GEMV_ROWS && rows.has(count)) ++count;
  gemv_column<T, Source>(p.product, weight_of(p, expert), rows, count, column);
}

template <typename T>
__device__ void expert_gemm(const ExpertMatmulParams& p) {
  __shared__ u32 places[TILE_M];
  const u32 tile = blockIdx.x, first_column = blockIdx.y * TILE_N;
  if (tile >= p.tiles || first_column >= p.product.n) return;
  const u32 expert = expert_of(p, tile);
  if (expert == p.experts) return;
  if (threadIdx.x < TILE_M) places[threadIdx.x] = at<const u32>(p.places)[u64(tile) * TILE_M + threadIdx.x];
  __syncthreads();
  gemm_tile<T>(p.product, weight_of(p, expert), Listed{places, p.share}, first_column);
}

#define BLOCKS(TYPE, BLOCK, NAME, T) \
  TGI_KERNEL(tgi_expert_gemv_##TYPE##_##NAME, ExpertMatmulParams, THREADS, expert_gemv<T, Packed<BLOCK>>(p))
#define INSTANCE(NAME, T)                                                                       \
  TGI_KERNEL(tgi_expert_gemm_##NAME, ExpertMatmulParams, THREADS, expert_gemm<T>(p))            \
  TGI_KERNEL(tgi_expert_gemv_##NAME, ExpertMatmulParams, THREADS, expert_gemv<T, Plain<T>>(p)) \
  BLOCKS(q4_0, Q4_0, NAME, T)                                                                   \
  BLOCKS(q4_k, Q4_K, NAME, T)                                                                   \
  BLOCKS(q6_k, Q6_K, NAME, T)                                                                   \
  BLOCKS(q8_0, Q8_0, NAME, T)
INSTANCE(bf16, bf16)
INSTANCE(f16, f16)
INSTANCE(f32, float)
#undef INSTANCE
#undef BLOCKS
