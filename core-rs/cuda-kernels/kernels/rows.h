// Which rows a block of a product reads and writes.
#pragma once

#include "element.h"

// `count` successive ones from `first` on.
struct Successive {
  u32 first, count;
  __device__ __forceinline__ bool has(u32 row) const { return row < count; }
  __device__ __forceinline__ u32 source(u32 row) const { return first + row; }
  __device__ __forceinline__ u32 target(u32 row) const { return first + row; }
};

// The places of a list, whose end is filled up with NO_PLACE; `share` successive places read one row.
struct Listed {
  const u32* places;
  u32 share;
  __device__ __forceinline__ bool has(u32 row) const { return places[row] != NO_PLACE; }
  __device__ __forceinline__ u32 source(u32 row) const { return places[row] / share; }
  __device__ __forceinline__ u32 target(u32 row) const { return places[row]; }
};

// Adds the bias to a sum of a product and writes it.
template <typename T>
__device__ __forceinline__ void put(const MatmulParams& p, u32 row, u32 column, float sum) {
  if (p.bias != 0) sum += at<const float>(p.bias)[column];
  const u64 place = u64(row) * p.out_stride + column;
  if (p.out_f32 != 0) {
    at<float>(p.out)[place] = sum;
  } else {
    at<T>(p.out)[place] = from_float<T>(sum);
  }
}

// The same where the product has such a row and column.
template <typename T, typename Rows>
__device__ __forceinline__ void store(const MatmulParams& p, const Rows& rows, u32 row, u32 column,
                                      float sum) {
  if (column < p.n && rows.has(row)) put<T>(p, rows.target(row), column, sum);
}
