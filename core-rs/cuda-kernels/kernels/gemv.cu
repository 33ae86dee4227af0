// Products of a few rows with a weight matrix: a warp for a column of the result.

#include "blocks.h"
#include "warp.h"

// Sums of ROWS rows at once. A lane has the eights `lane + 32 i` of a row, whatever ROWS is, so that
// a row's bytes do not depend on its company.
template <typename T, typename Source, u32 ROWS>
__device__ __forceinline__ void gemv_rows(const MatmulParams& p, u32 first_row, u32 rows, u32 column) {
  const Source weights{p.weight, p.k};
  const T* x[ROWS];
  float sums[ROWS];
  for (u32 row = 0; row < ROWS; ++row) {
    // Rows beyond the last one repeat it and are not written.
    x[row] = at<const T>(p.x) + u64(first_row + min(row, rows - 1)) * p.x_stride;
    sums[row] = 0.f;
  }
  if (Source::eights(p.k) && p.x_stride % 8 == 0) {
    // Enough weights on their way to hide how long they take.
#pragma unroll ROWS <= 2 ? 4 : ROWS <= 4 ? 2 : 1
    for (u32 k = lane() * 8; k < p.k; k += WARP * 8) {
      float weight[8];
      weights.eight(column, k, weight);
#pragma unroll
      for (u32 row = 0; row < ROWS; ++row) {
        float values[8];
        load8<T>(x[row] + k, values);
#pragma unroll
        for (u32 index = 0; index < 8; ++index) {
          sums[row] = fmaf(weight[index], values[index], sums[row]);
        }
      }
    }
  } else {
    for (u32 k = lane(); k < p.k; k += WARP) {
      const float weight = weights.one(column, k);
#pragma unroll
      for (u32 row = 0; row < ROWS; ++row) sums[row] = fmaf(weight, to_float(x[row][k]), sums[row]);
    }
  }
  const float bias = p.bias == 0 ? 0.f : at<const float>(p.bias)[column];
#pragma unroll
  for (u32 row = 0; row < ROWS; ++row) {
    const float sum = warp_sum(sums[row]) + bias;
    if (lane() != 0 || row >= rows) continue;
    const u64 place = u64(first_row + row) * p.out_stride + column;
    if (p.out_f32 != 0) {
      at<float>(p.out)[place] = sum;
    } else {
      at<T>(p.out)[place] = from_float<T>(sum);
    }
  }
}

template <typename T, typename Source>
__device__ void gemv(const MatmulParams& p) {
  const u32 column = blockIdx.x * (THREADS / WARP) + warp(), first_row = blockIdx.y * GEMV_ROWS;
  if (column >= p.n || first_row >= p.m) return;
  const u32 rows = min(p.m - first_row, GEMV_ROWS);
  if (rows == 1) {
    gemv_rows<T, Source, 1>(p, first_row, rows, column);
  } else if (rows == 2) {
    gemv_rows<T, Source, 2>(p, first_row, rows, column);
  } else if (rows <= 4) {
    gemv_rows<T, Source, 4>(p, first_row, rows, column);
  } else {
    gemv_rows<T, Source, GEMV_ROWS>(p, first_row, rows, column);
  }
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
