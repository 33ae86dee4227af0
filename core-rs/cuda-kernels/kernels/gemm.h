// A tile of a product of many rows with a weight matrix. One tile shape and one order of sums for
// every number of rows: a row gives the same bytes alone and among others. As in gemv.h `weight` stands
// in place of the argument's own.
#pragma once

#include "mma.h"
#include "rows.h"
#include "warp.h"

constexpr u32 TILE_M = 64, TILE_N = 128, TILE_K = 32, STAGES = 3;
// Rows of a tile are padded against bank conflicts.
constexpr u32 PADDED_K = TILE_K + 8;

// Begins to copy a tile of ROWS of `rows`, columns from `k` on; zeros beyond both.
template <typename T, u32 ROWS, typename Rows>
__device__ __forceinline__ void copy_tile(T (*to)[PADDED_K], const T* from, u64 stride,
                                          const Rows& rows, u32 k, u32 width) {
  constexpr u32 EIGHTS = TILE_K / 8;
  for (u32 index = threadIdx.x; index < ROWS * EIGHTS; index += THREADS) {
    const u32 row = index / EIGHTS, column = index % EIGHTS * 8;
    const bool zero = !rows.has(row) || k + column >= width;
    const T* source = zero ? from : from + rows.source(row) * stride + k + column;
    copy_async(&to[row][column], source, zero);
  }
}

// Up to TILE_M rows and TILE_N columns. Eight warps, two by four, each with 32 by 32 of the tile.
template <typename T, typename Rows>
__device__ __forceinline__ void gemm_tile_mma(const MatmulParams& p, u64 weight, const Rows& rows,
                                              u32 first_column) {
  __shared__ __align__(16) T x[STAGES][TILE_M][PADDED_K];
  __shared__ __align__(16) T weights[STAGES][TILE_N][PADDED_K];
  const Successive columns{first_column, p.n - first_column};
  const u32 steps = (p.k + TILE_K - 1) / TILE_K;
  const auto begin_step = [&](u32 step) {
    if (step < steps) {
      const u32 stage = step % STAGES, k = step * TILE_K;
      copy_tile<T, TILE_M>(x[stage], at<const T>(p.x), p.x_stride, rows, k, p.k);
      copy_tile<T, TILE_N>(weights[stage], at<const T>(weight), p.k, columns, k, p.k);
    }
    // Groups are counted, so that an empty one stands for a step that is not there.
    commit_copies();
  };
  for (u32 step = 0; step + 1 < STAGES; ++step) begin_step(step);
  const u32 warp_row = warp() / 4 * 32, warp_column = warp() % 4 * 32;
  float sums[2][4][4] = {};
  for (u32 step = 0; step < steps; ++step) {
    wait_for_copies<STAGES - 2>();
    __syncthreads();
    begin_step(step + STAGES - 1);
    const u32 stage = step % STAGES;
#pragma unroll
    for (u32 k = 0; k < TILE_K; k += 16) {
      u32 a[2][4], b[2][4];
      for (u32 index = 0; index < 2; ++index) {
        const u32 row = warp_row + 16 * index + lane() % 16;
        load_matrices(a[index], &x[stage][row][k + lane() / 16 * 8]);
        const u32 column = warp_column + 16 * index + lane() / 16 * 8 + lane() % 8;
        load_matrices(b[index], &weights[stage][column][k + lane() / 8 % 2 * 8]);
      }
#pragma unroll
      for (u32 row = 0; row < 2; ++row) {
#pragma unroll
        for (u32 column = 0; column < 4; ++column) {
          multiply_add<T>(sums[row][column], a[row], &b[column / 2][column % 2 * 2]);
        }
      }
    }
  }
  wait_for_copies<0>();
#pragma unroll
  for (u32 index = 0; index < 2 * 4 * 4; ++index) {
    const u32 row = index / 16, column = index / 4 % 4, place = index % 4;
    store<T>(p, rows, warp_row + 16 * row + lane() / 4 + place / 2 * 8,
             first_column + warp_column + 8 * column + lane() % 4 * 2 + place % 2,
             sums[row][column][place]);
  }
}

// Without tensor cores, which round `f32`: a thread has 4 by 8 of the tile, 16 apart.
template <typename Rows>
__device__ __forceinline__ void gemm_tile_f32(const MatmulParams& p, u64 weight, const Rows& rows,
                                              u32 first_column) {
  constexpr u32 STEP = 16, ROWS = TILE_M / 16, COLUMNS = TILE_N / 16;
  __shared__ float x[STEP][TILE_M + 1];
  __shared__ float weights[STEP][TILE_N + 1];
  const u32 own_row = threadIdx.x / 16, own_column = threadIdx.x % 16;
  float sums[ROWS][COLUMNS] = {};
  for (u32 first = 0; first < p.k; first += STEP) {
    const u32 k = first + own_column;
    for (u32 row = own_row; row < TILE_M; row += 16) {
      const bool inside = rows.has(row) && k < p.k;
      x[own_column][row] =
          inside ? at<const float>(p.x)[u64(rows.source(row)) * p.x_stride + k] : 0.f;
    }
    for (u32 row = own_row; row < TILE_N; row += 16) {
      const bool inside = first_column + row < p.n && k < p.k;
      weights[own_column][row] =
          inside ? at<const float>(weight)[u64(first_column + row) * p.k + k] : 0.f;
    }
    __syncthreads();
    for (u32 step = 0; step < STEP; ++step) {
#pragma unroll
      for (u32 index = 0; index < ROWS * COLUMNS; ++index) {
        const u32 row = index / COLUMNS, column = index % COLUMNS;
        sums[row][column] = fmaf(x[step][own_row + 16 * row],
                                 weights[step][own_column + 16 * column], sums[row][column]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (u32 index = 0; index < ROWS * COLUMNS; ++index) {
    const u32 row = index / COLUMNS, column = index % COLUMNS;
    store<float>(p, rows, own_row + 16 * row, first_column + own_column + 16 * column,
                 sums[row][column]);
  }
}

template <typename T, typename Rows>
__device__ __forceinline__ void gemm_tile(const MatmulParams& p, u64 weight, const Rows& rows,
                                          u32 first_column) {
  if constexpr (sizeof(T) == sizeof(float)) {
    gemm_tile_f32(p, weight, rows, first_column);
  } else {
    gemm_tile_mma<T>(p, weight, rows, first_column);
  }
}
