// Attention over pages, any head size: a warp for a row and a head.

#include "element.h"
#include "softmax.h"
#include "warp.h"

constexpr u32 ATTENTION_WARPS = 4;
constexpr u32 LANE_ELEMENTS = MAX_HEAD_SIZE / WARP;

// A warp's running soft-max; a lane has the elements `lane + 32 i` of the weighted values.
struct Running {
  float largest = NEG_INFINITY, sum = 0.f;
  float values[LANE_ELEMENTS] = {};
};

template <typename T>
__device__ __forceinline__ float dot(const float* query, const T* key, u32 size) {
  float sum = 0.f;
  if (size % 8 != 0) {
    for (u32 index = 0; index < size; ++index) sum = fmaf(query[index], to_float(key[index]), sum);
    return sum;
  }
  for (u32 first = 0; first < size; first += 8) {
    float keys[8];
    load8<T>(key + first, keys);
    for (u32 index = 0; index < 8; ++index) sum = fmaf(query[first + index], keys[index], sum);
  }
  return sum;
}

// One page of keys and values joins the soft-max of a split.
template <typename T>
__device__ __forceinline__ void attend_page(const AttentionParams& p, const AttentionTile& tile,
                                            const float* query, Span span, u32 page, u32 kv_head,
                                            float slope, Running& part) {
  const u32 position = page * PAGE_TOKENS + lane(), size = p.head_size;
  const bool visible = span.has(position);
  float own = NEG_INFINITY;
  if (visible) {
    const T* keys = page_of<T>(p, p.k_cache, tile.pages + page, kv_head);
    own = score(p, dot<T>(query, keys + lane() * size, size), slope, span.last - position);
  }
  const float largest = fmaxf(part.largest, warp_max(own));
  const float weight = visible ? expf(own - largest) : 0.f;
  const float factor = part.largest == NEG_INFINITY ? 0.f : expf(part.largest - largest);
  part.largest = largest;
  part.sum = fmaf(part.sum, factor, warp_sum(weight));
  for (u32 index = 0; index < LANE_ELEMENTS; ++index) part.values[index] *= factor;
  const T* values = page_of<T>(p, p.v_cache, tile.pages + page, kv_head);
  for (u32 token = 0; token < PAGE_TOKENS; ++token) {
    const float share = __shfl_sync(FULL_WARP, weight, token);
    if (!span.has(page * PAGE_TOKENS + token)) continue;
#pragma unroll
    for (u32 index = 0; index < LANE_ELEMENTS; ++index) {
      const u32 element = lane() + WARP * index;
      if (element < size) {
        part.values[index] = fmaf(share, to_float(values[token * size + element]), part.values[index]);
      }
    }
  }
}

template <typename T>
__device__ __forceinline__ Running attend_split(const AttentionParams& p, const AttentionTile& tile,
                                                const float* query, Span span, u32 split,
                                                u32 kv_head, float slope) {
  constexpr u32 PAGES = SPLIT_TOKENS / PAGE_TOKENS;
  Running part;
  const u32 first = max(split * PAGES, span.first / PAGE_TOKENS);
  const u32 last = min(split * PAGES + PAGES - 1, span.last / PAGE_TOKENS);
  for (u32 page = first; page <= last; ++page) {
    attend_page<T>(p, tile, query, span, page, kv_head, slope, part);
  }
  return part;
}

__device__ __forceinline__ void leave_partial(const AttentionParams& p, u64 row, u32 head, u32 split,
                                              const Running& part) {
  float* to = partial(p.partials, row, p.heads, head, p.splits, split, p.head_size);
#pragma unroll
  for (u32 index = 0; index < LANE_ELEMENTS; ++index) {
    const u32 element = lane() + WARP * index;
    if (element < p.head_size) to[element] = part.values[index];
  }
  if (lane() == 0) {
    to[p.head_size] = part.largest;
    to[p.head_size + 1] = part.sum;
  }
}

template <typename T>
__device__ __forceinline__ void attend_whole(const AttentionParams& p, const AttentionTile& tile,
                                             const float* query, Span span, u64 row, u32 head,
                                             u32 kv_head, float slope) {
  Running whole;
  for (u32 split = span.first_split(); split <= span.last_split(); ++split) {
    const Running part = attend_split<T>(p, tile, query, span, split, kv_head, slope);
    const Join factors = join(whole.largest, whole.sum, part.largest, part.sum);
#pragma unroll
    for (u32 index = 0; index < LANE_ELEMENTS; ++index) {
      whole.values[index] = joined(factors, whole.values[index], part.values[index]);
    }
  }
  T* to = at<T>(p.out) + (row * p.heads + head) * p.head_size;
#pragma unroll
  for (u32 index = 0; index < LANE_ELEMENTS; ++index) {
    const u32 element = lane() + WARP * index;
    if (element < p.head_size) to[element] = from_float<T>(whole.values[index] / whole.sum);
  }
}

template <typename T>
__device__ void attention(const AttentionParams& p) {
  __shared__ float queries[ATTENTION_WARPS][MAX_HEAD_SIZE];
  const u32 kv_head = blockIdx.y;
  if (blockIdx.x >= p.tiles || kv_head >= p.kv_heads || p.head_size > MAX_HEAD_SIZE) return;
  const AttentionTile tile = at<const AttentionTile>(p.tile_list)[blockIdx.x];
  const u32 group = p.heads / p.kv_heads;
  float* query = queries[warp()];
  for (u32 pair = warp(); pair < tile.rows * group; pair += ATTENTION_WARPS) {
    const u32 head = kv_head * group + pair % group;
    const u64 row = u64(tile.first_row) + pair / group;
    const Span span = span_of(tile.first_position + pair / group, p.window);
    const T* from = at<const T>(p.q) + row * p.q_stride + head * p.head_size;
    __syncwarp();
    for (u32 index = lane(); index < p.head_size; index += WARP) query[index] = to_float(from[index]);
    __syncwarp();
    const float slope = p.slopes == 0 ? 0.f : at<const float>(p.slopes)[head];
    if (p.splits == 0) {
      attend_whole<T>(p, tile, query, span, row, head, kv_head, slope);
      continue;
    }
    const u32 split = span_of(tile.first_position, p.window).first_split() + blockIdx.z;
    if (split < span.first_split() || split > span.last_split()) continue;
    const Running part = attend_split<T>(p, tile, query, span, split, kv_head, slope);
    leave_partial(p, row, head, blockIdx.z, part);
  }
}

// Joins the splits of a row and a head in their order, a thread an element.
template <typename T>
__device__ void attention_combine(const AttentionCombineParams& p) {
  const u32 head = blockIdx.y;
  if (blockIdx.x >= p.tiles || head >= p.heads) return;
  const AttentionTile tile = at<const AttentionTile>(p.tile_list)[blockIdx.x];
  if (blockIdx.z >= tile.rows) return;
  const u64 row = u64(tile.first_row) + blockIdx.z;
  const u32 base = span_of(tile.first_position, p.window).first_split();
  const Span span = span_of(tile.first_position + blockIdx.z, p.window);
  for (u32 element = threadIdx.x; element < p.head_size; element += blockDim.x) {
    float largest = NEG_INFINITY, sum = 0.f, value = 0.f;
    for (u32 split = span.first_split(); split <= span.last_split(); ++split) {
      if (split - base >= p.splits) break;
      const float* part =
          partial(p.partials, row, p.heads, head, p.splits, split - base, p.head_size);
      const Join factors = join(largest, sum, part[p.head_size], part[p.head_size + 1]);
      value = joined(factors, value, part[element]);
    }
    at<T>(p.out)[(row * p.heads + head) * p.head_size + element] = from_float<T>(value / sum);
  }
}

#define INSTANCE(NAME, T)                                                                       \
  TGI_KERNEL(tgi_attention_##NAME, AttentionParams, ATTENTION_WARPS * WARP, attention<T>(p))    \
  TGI_KERNEL(tgi_attention_combine_##NAME, AttentionCombineParams, ATTENTION_WARPS * WARP,      \
             attention_combine<T>(p))
INSTANCE(bf16, bf16)
INSTANCE(f16, f16)
INSTANCE(f32, float)
#undef INSTANCE
