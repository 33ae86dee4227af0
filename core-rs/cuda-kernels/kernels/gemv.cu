// Products of a few rows with a weight matrix: a warp for a column of the result.

#include "gemv.h"

template <typename T, typename Source>
__device__ void gemv(const MatmulParams& p) {
  const u32 column = gemv_column_of(blockIdx.x), first_row = blockIdx.y * GEMV_ROWS;
  if (column >= p.n || first_row >= p.m) return;
  const u32 count = min(p.m - first_row, GEMV_ROWS);
  gemv_column<T, Source>(p, p.weight, Successive{first_row, count}, count, column);
}

// Unpacks blocks, 8 weights a thread.
template <typename T, typename B>
__device__ void dequantize(const DequantizeParams& p) {
  const u64 first = global_thread() * 8;
  if (first >= p.count) return;
  float weights[8];
  B::unpack8(at<const u8>(p.blocks) + first / B::WEIGHTS * B::BYTES, u32(first % B::WEIGHTS), weights);
  for (u32 index = 0; index < 8; ++index) at<T>(p.out)[first + index] = from_float<T>(weights[index]);
}

#define BLOCKS(TYPE, BLOCK, NAME, T)                                                       \
  TGI_KERNEL(tgi_gemv_##TYPE##_##NAME, MatmulParams, THREADS, gemv<T, Packed<BLOCK>>(p))   \
  TGI_KERNEL(tgi_dequantize_##TYPE##_##NAME, DequantizeParams, THREADS, dequantize<T, BLOCK>(p))
#define INSTANCE(NAME, T)                                                  \
  TGI_KERNEL(tgi_gemv_##NAME, MatmulParams, THREADS, gemv<T, Plain<T>>(p)) \
  BLOCKS(q4_0, Q4_0, NAME, T)                                              \
  BLOCKS(q4_k, Q4_K, NAME, T)                                              \
  BLOCKS(q6_k, Q6_K, NAME, T)                                              \
  BLOCKS(q8_0, Q8_0, NAME, T)
INSTANCE(bf16, bf16)
INSTANCE(f16, f16)
INSTANCE(f32, float)
#undef INSTANCE
#undef BLOCKS
