// Attention over pages on tensor cores: a block has pairs of a row and a query head that share a KV
// head, a warp 16 of them. Prefill and decode are the same work. Heads that are too wide for a warp's
// registers have two warps: both find the scores, and each sums half of every value.

#include "mma.h"
#include "softmax.h"
#include "warp.h"

constexpr u32 MMA_WARPS = 4, WARP_PAIRS = 16;
constexpr u32 SPLIT_PAGES = SPLIT_TOKENS / PAGE_TOKENS;
constexpr u32 TOKEN_TILES = PAGE_TOKENS / 8;

// Warps that share 16 pairs, and the elements of a value that each sums.
__host__ __device__ constexpr u32 sharers(u32 size) { return size > 128 ? 2 : 1; }
__host__ __device__ constexpr u32 value_size(u32 size) { return size / sharers(size); }

// Of the 16 rows of a product a lane has `lane / 4` and the one 8 below.
constexpr u32 LANE_ROWS = 2;

// A page of keys and a page of values; rows padded against bank conflicts.
template <typename T, u32 SIZE>
struct Stage {
  T keys[PAGE_TOKENS][SIZE + 8];
  T values[PAGE_TOKENS][SIZE + 8];
};

// A row's running soft-max over values of so many elements, as a lane has it.
template <u32 VALUES>
struct Tile {
  float values[VALUES / 8][4];
  float largest[LANE_ROWS], sum[LANE_ROWS];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (u32 index = 0; index < VALUES / 8 * 4; ++index) values[index / 4][index % 4] = 0.f;
    for (u32 row = 0; row < LANE_ROWS; ++row) {
      largest[row] = NEG_INFINITY;
      sum[row] = 0.f;
    }
  }
};

// Where a lane keeps the splits joined so far: in its local memory, since it comes back to them but
// once a split, and registers are what bounds the warps of a multiprocessor.
template <u32 VALUES>
__device__ __forceinline__ Tile<VALUES>& off_registers(Tile<VALUES>& tile) {
  Tile<VALUES>* place = &tile;
#ifndef TGI_EMULATE
  // An address that the compiler cannot see through.
  asm volatile("" : "+l"(place));
#endif
  return *place;
}

// A pair of a row and a query head.
struct Pair {
  bool exists;
  u32 head;
  u64 row;
  Span span;
  float slope;
};

__device__ __forceinline__ Pair pair_at(const AttentionParams& p, const AttentionTile& tile,
                                        u32 kv_head, u32 index) {
  const u32 group = p.heads / p.kv_heads, row = index / group;
  Pair pair{row < tile.rows, kv_head * group + index % group, u64(tile.first_row) + row, {0, 0}, 0.f};
  if (pair.exists) pair.span = span_of(tile.first_position + row, p.window);
  if (pair.exists && p.slopes != 0) pair.slope = at<const float>(p.slopes)[pair.head];
  return pair;
}

// Begins to copy a page; zeros for the positions that no row of the block sees, whose memory may
// hold anything.
template <typename T, u32 SIZE>
__device__ __forceinline__ void copy_page(const AttentionParams& p, const AttentionTile& tile,
                                          Stage<T, SIZE>& to, u32 page, u32 last_position,
                                          u32 kv_head) {
  constexpr u32 EIGHTS = SIZE / 8;
  const T* keys = page_of<T>(p, p.k_cache, tile.pages + page, kv_head);
  const T* values = page_of<T>(p, p.v_cache, tile.pages + page, kv_head);
  for (u32 index = threadIdx.x; index < PAGE_TOKENS * EIGHTS; index += blockDim.x) {
    const u32 token = index / EIGHTS, column = index % EIGHTS * 8;
    const bool zero = page * PAGE_TOKENS + token > last_position;
    copy_async(&to.keys[token][column], keys + token * SIZE + column, zero);
    copy_async(&to.values[token][column], values + token * SIZE + column, zero);
  }
}

// The warp's queries as left operands, zeros for pairs that do not exist.
template <typename T, u32 SIZE>
__device__ __forceinline__ void load_queries(const AttentionParams& p, const Pair* pairs,
                                             u32 (*queries)[4]) {
#pragma unroll
  for (u32 index = 0; index < SIZE / 16 * 4; ++index) {
    const u32 step = index / 4, part = index % 4;
    const Pair& pair = pairs[part % 2];
    const u32 column = 16 * step + part / 2 * 8 + lane() % 4 * 2;
    const u64 place = pair.row * p.q_stride + pair.head * SIZE + column;
    queries[step][part] =
        pair.exists ? *reinterpret_cast<const u32*>(at<const T>(p.q) + place) : 0;
  }
}

// Scores of the warp's pairs against a page.
template <typename T, u32 SIZE>
__device__ __forceinline__ void score_page(const u32 (*queries)[4], const Stage<T, SIZE>& stage,
                                           float (*scores)[4]) {
#pragma unroll
  for (u32 index = 0; index < TOKEN_TILES * 4; ++index) scores[index / 4][index % 4] = 0.f;
#pragma unroll
  for (u32 step = 0; step < SIZE / 16; ++step) {
#pragma unroll
    for (u32 half = 0; half < TOKEN_TILES / 2; ++half) {
      u32 keys[4];
      const u32 token = 16 * half + lane() / 16 * 8 + lane() % 8;
      load_matrices(keys, &stage.keys[token][16 * step + lane() / 8 % 2 * 8]);
      multiply_add<T>(scores[2 * half], queries[step], keys);
      multiply_add<T>(scores[2 * half + 1], queries[step], keys + 2);
    }
  }
}

// From scores to the weights of the soft-max; the factor of what came before is left in `factors`.
template <u32 VALUES>
__device__ __forceinline__ void weigh(const AttentionParams& p, const Pair* pairs, u32 page,
                                      float (*scores)[4], Tile<VALUES>& part, float* factors) {
  float largest[LANE_ROWS] = {part.largest[0], part.largest[1]}, sums[LANE_ROWS] = {};
#pragma unroll
  for (u32 index = 0; index < TOKEN_TILES * 4; ++index) {
    const u32 tile = index / 4, place = index % 4, row = place / 2;
    const u32 position = page * PAGE_TOKENS + 8 * tile + lane() % 4 * 2 + place % 2;
    const Pair& pair = pairs[row];
    const bool visible = pair.exists && pair.span.has(position);
    float& own = scores[tile][place];
    own = visible ? score(p, own, pair.slope, pair.span.last - position) : NEG_INFINITY;
    largest[row] = fmaxf(largest[row], own);
  }
#pragma unroll
  for (u32 row = 0; row < LANE_ROWS; ++row) {
    largest[row] = fmaxf(largest[row], __shfl_xor_sync(FULL_WARP, largest[row], 1));
    largest[row] = fmaxf(largest[row], __shfl_xor_sync(FULL_WARP, largest[row], 2));
    // A page of which the row sees nothing changes nothing.
    factors[row] = part.largest[row] == largest[row] ? 1.f : expf(part.largest[row] - largest[row]);
    part.largest[row] = largest[row];
  }
#pragma unroll
  for (u32 index = 0; index < TOKEN_TILES * 4; ++index) {
    const u32 row = index % 4 / 2;
    float& own = scores[index / 4][index % 4];
    own = own == NEG_INFINITY ? 0.f : expf(own - largest[row]);
    sums[row] += own;
  }
#pragma unroll
  for (u32 row = 0; row < LANE_ROWS; ++row) {
    sums[row] += __shfl_xor_sync(FULL_WARP, sums[row], 1);
    sums[row] += __shfl_xor_sync(FULL_WARP, sums[row], 2);
    part.sum[row] = fmaf(part.sum[row], factors[row], sums[row]);
  }
}

// Adds the weighted values of a page, their elements from `first` on.
template <typename T, u32 SIZE>
__device__ __forceinline__ void add_values(const Stage<T, SIZE>& stage, const float (*weights)[4],
                                           const float* factors, u32 first,
                                           Tile<value_size(SIZE)>& part) {
#pragma unroll
  for (u32 index = 0; index < value_size(SIZE) / 8 * 4; ++index) {
    part.values[index / 4][index % 4] *= factors[index % 4 / 2];
  }
#pragma unroll
  for (u32 step = 0; step < PAGE_TOKENS / 16; ++step) {
    u32 left[4];
    for (u32 index = 0; index < 4; ++index) {
      const float* pair = &weights[2 * step + index / 2][index % 2 * 2];
      left[index] = pack_pair<T>(pair[0], pair[1]);
    }
#pragma unroll
    for (u32 column = 0; column < value_size(SIZE); column += 16) {
      u32 values[4];
      const u32 token = 16 * step + lane() / 8 % 2 * 8 + lane() % 8;
      load_transposed(values, &stage.values[token][first + column + lane() / 16 * 8]);
      multiply_add<T>(part.values[column / 8], left, values);
      multiply_add<T>(part.values[column / 8 + 1], left, values + 2);
    }
  }
}

template <u32 VALUES>
__device__ __forceinline__ void join_tiles(Tile<VALUES>& whole, const Tile<VALUES>& part) {
#pragma unroll
  for (u32 row = 0; row < LANE_ROWS; ++row) {
    // A split of which the row sees nothing.
    if (part.largest[row] == NEG_INFINITY) continue;
    const Join factors = join(whole.largest[row], whole.sum[row], part.largest[row], part.sum[row]);
#pragma unroll
    for (u32 index = 0; index < VALUES / 8 * 2; ++index) {
      float& value = whole.values[index / 2][2 * row + index % 2];
      value = joined(factors, value, part.values[index / 2][2 * row + index % 2]);
    }
  }
}

// Writes the rows, their elements from `first` on: the result, or what a split leaves.
template <typename T, u32 SIZE>
__device__ __forceinline__ void write_rows(const AttentionParams& p, const Pair* pairs, u32 first,
                                           const Tile<value_size(SIZE)>& tile, u32 split) {
#pragma unroll
  for (u32 row = 0; row < LANE_ROWS; ++row) {
    const Pair& pair = pairs[row];
    const bool elsewhere = p.splits != 0 && tile.largest[row] == NEG_INFINITY;
    if (!pair.exists || elsewhere) continue;
    T* out = at<T>(p.out) + (pair.row * p.heads + pair.head) * SIZE;
    float* left = p.splits == 0
                      ? nullptr
                      : partial(p.partials, pair.row, p.heads, pair.head, p.splits, split, SIZE);
#pragma unroll
    for (u32 index = 0; index < value_size(SIZE) / 8; ++index) {
      const u32 column = first + 8 * index + lane() % 4 * 2;
      const float* values = &tile.values[index][2 * row];
      if (left != nullptr) {
        left[column] = values[0];
        left[column + 1] = values[1];
      } else {
        *reinterpret_cast<u32*>(out + column) =
            pack_pair<T>(values[0] / tile.sum[row], values[1] / tile.sum[row]);
      }
    }
    if (left != nullptr && first == 0 && lane() % 4 == 0) {
      left[SIZE] = tile.largest[row];
      left[SIZE + 1] = tile.sum[row];
    }
  }
}

template <typename T, u32 SIZE>
__device__ void attention_mma(const AttentionParams& p) {
  TGI_DYNAMIC_SHARED(shared);
  Stage<T, SIZE>* stages = reinterpret_cast<Stage<T, SIZE>*>(shared);
  const u32 chunks = gridDim.y / p.kv_heads, kv_head = blockIdx.y / chunks;
  if (blockIdx.x >= p.tiles || kv_head >= p.kv_heads || p.head_size != SIZE) return;
  const AttentionTile tile = at<const AttentionTile>(p.tile_list)[blockIdx.x];
  const u32 group = p.heads / p.kv_heads, block_warps = blockDim.x / WARP / sharers(SIZE);
  const u32 block_pairs = block_warps * WARP_PAIRS, first_pair = blockIdx.y % chunks * block_pairs;
  if (first_pair >= tile.rows * group) return;
  const u32 last_row = (min(first_pair + block_pairs, tile.rows * group) - 1) / group;
  const u32 last_position = tile.first_position + last_row;
  u32 first_page = span_of(tile.first_position + first_pair / group, p.window).first / PAGE_TOKENS;
  u32 last_page = last_position / PAGE_TOKENS;
  if (p.splits != 0) {
    const u32 split = span_of(tile.first_position, p.window).first_split() + blockIdx.z;
    first_page = max(first_page, split * SPLIT_PAGES);
    last_page = min(last_page, split * SPLIT_PAGES + SPLIT_PAGES - 1);
    if (first_page > last_page) return;
  }

  const u32 own_pair = first_pair + warp() % block_warps * WARP_PAIRS;
  const u32 first_value = warp() / block_warps * value_size(SIZE);
  const bool working = own_pair < tile.rows * group;
  const Pair pairs[LANE_ROWS] = {pair_at(p, tile, kv_head, own_pair + lane() / 4),
                                 pair_at(p, tile, kv_head, own_pair + lane() / 4 + 8)};
  u32 queries[SIZE / 16][4];
  load_queries<T, SIZE>(p, pairs, queries);
  Tile<value_size(SIZE)> part, kept;
  Tile<value_size(SIZE)>& whole = off_registers(kept);
  whole.clear();
  part.clear();
  copy_page<T, SIZE>(p, tile, stages[first_page % 2], first_page, last_position, kv_head);
  commit_copies();
  for (u32 page = first_page; page <= last_page; ++page) {
    if (page < last_page) {
      copy_page<T, SIZE>(p, tile, stages[(page + 1) % 2], page + 1, last_position, kv_head);
    }
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    if (working) {
      const Stage<T, SIZE>& stage = stages[page % 2];
      float scores[TOKEN_TILES][4], factors[LANE_ROWS];
      score_page<T, SIZE>(queries, stage, scores);
      weigh(p, pairs, page, scores, part, factors);
      add_values<T, SIZE>(stage, scores, factors, first_value, part);
      if (page == last_page || page % SPLIT_PAGES == SPLIT_PAGES - 1) {
        join_tiles(whole, part);
        part.clear();
      }
    }
    // The next turn overwrites this page.
    __syncthreads();
  }
  if (working) write_rows<T, SIZE>(p, pairs, first_value, whole, blockIdx.z);
}

#define MMA_THREADS(SIZE) MMA_WARPS* sharers(SIZE) * WARP
#define INSTANCE(SIZE)                                                                     \
  TGI_KERNEL(tgi_attention_mma_##SIZE##_bf16, AttentionParams, MMA_THREADS(SIZE),          \
             attention_mma<bf16, SIZE>(p))                                                 \
  TGI_KERNEL(tgi_attention_mma_##SIZE##_f16, AttentionParams, MMA_THREADS(SIZE),           \
             attention_mma<f16, SIZE>(p))
INSTANCE(32)
INSTANCE(64)
INSTANCE(80)
INSTANCE(96)
INSTANCE(128)
INSTANCE(256)
#undef INSTANCE
#undef MMA_THREADS
