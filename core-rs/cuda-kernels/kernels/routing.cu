// Which experts the rows of a step use, which rows an expert has, and the sum of what experts give.

#include "softmax.h"
#include "warp.h"

constexpr u32 ROUTE_WARPS = 4;
constexpr u32 LANE_EXPERTS = MAX_EXPERTS / WARP;
constexpr u32 GROUP_THREADS = 1024;

// A warp a row. Scores that are no numbers count as the least.
__device__ void route(const RouteParams& p) {
  const u32 row = blockIdx.x * ROUTE_WARPS + warp();
  if (row >= p.rows) return;
  const bool is_used = lane() < p.used;
  const u64 place = u64(row) * p.used + lane();
  if (at<const u32>(p.slots)[row] == NO_SLOT) {
    if (is_used) at<u32>(p.picks)[place] = NO_EXPERT;
    return;
  }
  const float* scores = at<const float>(p.scores) + u64(row) * p.experts;
  float powers[LANE_EXPERTS], largest = NEG_INFINITY;
#pragma unroll
  for (u32 index = 0; index < LANE_EXPERTS; ++index) {
    const u32 expert = lane() + WARP * index;
    powers[index] = expert < p.experts ? scores[expert] : NEG_INFINITY;
    largest = fmaxf(largest, powers[index]);
  }
  largest = warp_max(largest);
  // What is taken, or no expert, is less than any power.
  constexpr float TAKEN = -2.f;
  float sum = 0.f;
#pragma unroll
  for (u32 index = 0; index < LANE_EXPERTS; ++index) {
    const float power = expf(powers[index] - largest);
    powers[index] = power >= 0.f ? power : 0.f;
    if (lane() + WARP * index >= p.experts) powers[index] = TAKEN;
    sum += fmaxf(powers[index], 0.f);
  }
  float total = warp_sum(sum), picked = 0.f, weight = 0.f;
  u32 pick = NO_EXPERT;
  for (u32 rank = 0; rank < p.used; ++rank) {
    float power = -1.f;
    u32 best = NO_EXPERT;
#pragma unroll
    for (u32 index = 0; index < LANE_EXPERTS; ++index) {
      keep_larger(power, best, powers[index], lane() + WARP * index);
    }
    warp_largest(power, best);
#pragma unroll
    for (u32 index = 0; index < LANE_EXPERTS; ++index) {
      if (best == lane() + WARP * index) powers[index] = TAKEN;
    }
    picked += power;
    if (lane() == rank) {
      pick = best;
      weight = power;
    }
  }
  if (p.normalized != 0) total = picked;
  if (is_used) {
    at<u32>(p.picks)[place] = pick;
    at<float>(p.weights)[place] = weight / total;
  }
}

// A block an expert, and one for the tiles that are left over. Places keep their order, so that the
// lists do not depend on which block runs when.
__device__ void group_places(const GroupPlacesParams& p) {
  __shared__ u32 counts[MAX_EXPERTS];
  __shared__ u32 found[GROUP_THREADS / WARP];
  const u32 expert = blockIdx.x;
  if (expert > p.experts) return;
  const u32* picks = at<const u32>(p.picks);
  for (u32 index = threadIdx.x; index < p.experts; index += blockDim.x) counts[index] = 0;
  __syncthreads();
  for (u32 place = threadIdx.x; place < p.count; place += blockDim.x) {
    if (picks[place] < p.experts) atomicAdd(&counts[picks[place]], 1u);
  }
  __syncthreads();
  u32 tiles = 0;
  for (u32 index = threadIdx.x; index < expert; index += blockDim.x) {
    tiles += (counts[index] + p.tile_rows - 1) / p.tile_rows;
  }
  const u32 first_tile = block_sum(tiles);
  u32* tile_experts = at<u32>(p.tile_experts);
  if (expert == p.experts) {
    for (u32 tile = first_tile + threadIdx.x; tile < p.tiles; tile += blockDim.x) {
      tile_experts[tile] = NO_EXPERT;
    }
    return;
  }
  const u32 own_tiles = (counts[expert] + p.tile_rows - 1) / p.tile_rows;
  if (own_tiles == 0) return;
  for (u32 tile = threadIdx.x; tile < own_tiles; tile += blockDim.x) tile_experts[first_tile + tile] = expert;
  u32* places = at<u32>(p.places);
  u32 next = first_tile * p.tile_rows;
  const u32 end = next + own_tiles * p.tile_rows;
  for (u32 first = 0; first < p.count; first += blockDim.x) {
    const u32 place = first + threadIdx.x;
    const bool is_own = place < p.count && picks[place] == expert;
    const u32 lanes = __ballot_sync(FULL_WARP, is_own);
    if (lane() == 0) found[warp()] = __popc(lanes);
    __syncthreads();
    u32 before = __popc(lanes & ((1u << lane()) - 1)), all = 0;
    for (u32 index = 0; index < blockDim.x / WARP; ++index) {
      if (index < warp()) before += found[index];
      all += found[index];
    }
    if (is_own) places[next + before] = place;
    next += all;
    __syncthreads();
  }
  for (u32 place = next + threadIdx.x; place < end; place += blockDim.x) places[place] = NO_PLACE;
}

// Eight elements a thread; a row's experts in the order of its picks. Rows without any give zeros.
template <typename T>
__device__ void combine_experts(const CombineExpertsParams& p) {
  const u32 row = blockIdx.x, first = (blockIdx.y * blockDim.x + threadIdx.x) * 8;
  if (row >= p.rows || first >= p.hidden) return;
  const u32 count = min(8, p.hidden - first);
  const bool is_whole = p.hidden % 8 == 0;
  float sums[8] = {};
  for (u32 rank = 0; rank < p.used; ++rank) {
    const u64 place = u64(row) * p.used + rank;
    if (at<const u32>(p.picks)[place] == NO_EXPERT) continue;
    const T* from = at<const T>(p.products) + place * p.hidden + first;
    const float weight = at<const float>(p.weights)[place];
    float values[8] = {};
    if (is_whole) {
      load8<T>(from, values);
    } else {
      for (u32 index = 0; index < count; ++index) values[index] = to_float(from[index]);
    }
    for (u32 index = 0; index < 8; ++index) sums[index] = fmaf(weight, values[index], sums[index]);
  }
  T* to = at<T>(p.out) + u64(row) * p.hidden + first;
  if (is_whole) {
    store8<T>(to, sums);
  } else {
    for (u32 index = 0; index < count; ++index) to[index] = from_float<T>(sums[index]);
  }
}

TGI_KERNEL(tgi_route, RouteParams, ROUTE_WARPS * WARP, route(p))
TGI_KERNEL(tgi_group_places, GroupPlacesParams, GROUP_THREADS, group_places(p))
TGI_KERNEL(tgi_combine_experts_bf16, CombineExpertsParams, THREADS, combine_experts<bf16>(p))
TGI_KERNEL(tgi_combine_experts_f16, CombineExpertsParams, THREADS, combine_experts<f16>(p))
TGI_KERNEL(tgi_combine_experts_f32, CombineExpertsParams, THREADS, combine_experts<float>(p))
