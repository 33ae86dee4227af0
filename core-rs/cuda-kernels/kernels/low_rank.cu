// Low-rank updates of projections, for the rows whose sequence has an adapter. Rows of one adapter that
// stand together share what is read; a row's sums do not depend on its company.

#include "gemv.h"

constexpr u32 TILE_ROWS = GEMV_ROWS;

// Calls `work(first, count, update)` for each run of rows of the block's tile that share an update.
template <typename F>
__device__ __forceinline__ void each_run(const LowRankParams& p, u32 tile, u32 slot, F work) {
  const u32* adapters = at<const u32>(p.adapters);
  const u32 end = min(p.rows, (tile + 1) * TILE_ROWS);
  for (u32 first = tile * TILE_ROWS, next; first < end; first = next) {
    const u32 adapter = adapters[first];
    for (next = first + 1; next < end && adapters[next] == adapter;) ++next;
    if (adapter >= p.count) continue;
    const LowRankUpdate& update = at<const LowRankUpdate>(p.updates)[adapter * p.slots + slot];
    if (update.rank != 0) work(first, next - first, update);
  }
}

// `low = down x`, a warp an element.
template <typename T>
__device__ void low_rank_down(const LowRankParams& p) {
  const u32 slot = blockIdx.y, rank_row = gemv_column_of(blockIdx.z);
  if (slot >= p.slots) return;
  each_run(p, blockIdx.x, slot, [&](u32 first, u32 count, const LowRankUpdate& update) {
    if (rank_row >= update.rank) return;
    MatmulParams product{};
    product.x = p.x;
    product.out = p.low + u64(slot) * p.rank * sizeof(float);
    product.k = product.x_stride = p.inputs;
    product.out_stride = p.slots * p.rank;
    product.out_f32 = 1;
    gemv_column<T, Plain<T>>(product, update.down, Successive{first, count}, count, rank_row);
  });
}

// `out += up low`, a thread a column.
template <typename T>
__device__ void low_rank_up(const LowRankParams& p) {
  __shared__ float low[TILE_ROWS][MAX_RANK];
  const u32 slot = blockIdx.y, column = blockIdx.z * THREADS + threadIdx.x;
  if (slot >= p.slots) return;
  each_run(p, blockIdx.x, slot, [&](u32 first, u32 count, const LowRankUpdate& update) {
    if (blockIdx.z * THREADS >= update.outputs) return;
    for (u32 index = threadIdx.x; index < TILE_ROWS * update.rank; index += THREADS) {
      const u32 row = index / update.rank, place = index % update.rank;
      const u64 from = (u64(first + row) * p.slots + slot) * p.rank + place;
      low[row][place] = row < count ? at<const float>(p.low)[from] : 0.f;
    }
    __syncthreads();
    float sums[TILE_ROWS] = {};
    const T* up = at<const T>(update.up) + u64(min(column, update.outputs - 1)) * update.rank;
    for (u32 place = 0; place < update.rank; ++place) {
      const float weight = to_float(up[place]);
#pragma unroll
      for (u32 row = 0; row < TILE_ROWS; ++row) sums[row] = fmaf(weight, low[row][place], sums[row]);
    }
    T* out = at<T>(p.out) + u64(first) * p.out_stride + update.first + column;
#pragma unroll
    for (u32 row = 0; row < TILE_ROWS; ++row) {
      if (column >= update.outputs || row >= count) continue;
      T& place = out[u64(row) * p.out_stride];
      place = from_float<T>(to_float(place) + sums[row]);
    }
    __syncthreads();
  });
}

#define INSTANCE(NAME, T)                                                              \
  TGI_KERNEL(tgi_low_rank_down_##NAME, LowRankParams, THREADS, low_rank_down<T>(p)) \
  TGI_KERNEL(tgi_low_rank_up_##NAME, LowRankParams, THREADS, low_rank_up<T>(p))
INSTANCE(bf16, bf16)
INSTANCE(f16, f16)
INSTANCE(f32, float)
#undef INSTANCE
