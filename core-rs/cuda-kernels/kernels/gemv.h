// A column of a product of a few rows with a weight matrix, by one warp. The argument stays in constant
// memory: `weight` stands in place of its own where a block chooses among matrices.
#pragma once

#include "blocks.h"
#include "rows.h"
#include "warp.h"

// Sums of ROWS rows at once. A lane has the eights `lane + 32 i` of a row, whatever ROWS is, so that
// a row's bytes do not depend on its company.
template <typename T, typename Source, u32 ROWS, typename Rows>
__device__ __forceinline__ void gemv_rows(const MatmulParams& p, u64 weight_matrix, const Rows& rows,
                                          u32 count, u32 column) {
  const Source weights{weight_matrix, p.k};
  const T* x[ROWS];
  float sums[ROWS];
  for (u32 row = 0; row < ROWS; ++row) {
    // Rows beyond the last one repeat it and are not written.
    x[row] = at<const T>(p.x) + u64(rows.source(min(row, count - 1))) * p.x_stride;
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
#pragma unroll
  for (u32 row = 0; row < ROWS; ++row) {
    const float sum = warp_sum(sums[row]);
    if (lane() == 0 && row < count) put<T>(p, rows.target(row), column, sum);
  }
}

// The first `count` of `rows`, at most GEMV_ROWS.
template <typename T, typename Source, typename Rows>
__device__ __forceinline__ void gemv_column(const MatmulParams& p, u64 weight, const Rows& rows,
                                            u32 count, u32 column) {
  if (count == 1) {
    gemv_rows<T, Source, 1>(p, weight, rows, count, column);
  } else if (count == 2) {
    gemv_rows<T, Source, 2>(p, weight, rows, count, column);
  } else if (count <= 4) {
    gemv_rows<T, Source, 4>(p, weight, rows, count, column);
  } else {
    gemv_rows<T, Source, GEMV_ROWS>(p, weight, rows, count, column);
  }
}

// The warp's column.
__device__ __forceinline__ u32 gemv_column_of(u32 block) { return block * (THREADS / WARP) + warp(); }
