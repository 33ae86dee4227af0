// From projections to queries, and to keys and values in their pages.

#include "element.h"
#include "warp.h"

constexpr u32 ROPE_WARPS = 4;

// Turns the first pairs of a head by cosines and sines, `[rope_dims / 2, 2]`.
__device__ __forceinline__ void turn(float* head, const float* angles, u32 dims, u32 layout) {
  const u32 pairs = dims / 2;
  for (u32 pair = lane(); pair < pairs; pair += WARP) {
    const u32 first = layout == ROPE_HALVES ? pair : 2 * pair;
    const u32 second = layout == ROPE_HALVES ? pair + pairs : 2 * pair + 1;
    const float cosine = angles[2 * pair], sine = angles[2 * pair + 1];
    const float a = head[first], b = head[second];
    head[first] = a * cosine - b * sine;
    head[second] = fmaf(b, cosine, a * sine);
  }
}

// The mean of `count` elements.
template <typename T>
__device__ __forceinline__ float mean(const T* from, u32 count) {
  float sum = 0.f;
  for (u32 index = lane(); index < count; index += WARP) sum += to_float(from[index]);
  return warp_sum(sum) / float(count);
}

// The factor of a norm over `count` elements, of which `center` is taken off.
template <typename T>
__device__ __forceinline__ float norm_factor(const T* from, u32 count, float center, float epsilon) {
  float squares = 0.f;
  for (u32 index = lane(); index < count; index += WARP) {
    const float x = to_float(from[index]) - center;
    squares = fmaf(x, x, squares);
  }
  return 1.f / sqrtf(warp_sum(squares) / float(count) + epsilon);
}

// A warp a head: those of q, then of k, then of v.
template <typename T>
__device__ void rope_kv(const RopeKvParams& p) {
  __shared__ float heads[ROPE_WARPS][MAX_HEAD_SIZE];
  const u32 row = blockIdx.x, unit = blockIdx.y * ROPE_WARPS + warp(), size = p.head_size;
  if (row >= p.rows || unit >= p.heads + 2 * p.kv_heads || size > MAX_HEAD_SIZE) return;
  const u32 slot = at<const u32>(p.slots)[row];
  if (slot == NO_SLOT) return;
  const T* projections = at<const T>(p.qkv) + u64(row) * p.stride;
  const T* from = projections + unit * size;
  float* head = heads[warp()];
  for (u32 index = lane(); index < size; index += WARP) head[index] = to_float(from[index]);
  const bool is_query = unit < p.heads, is_value = unit >= p.heads + p.kv_heads;
  const u64 weights = is_query ? p.q_norm : p.k_norm;
  if (!is_value && p.qk_norm != QK_NORM_NONE && weights != 0) {
    // The row's norm needs all its heads: each warp sums them for itself.
    const bool whole = p.qk_norm == QK_NORM_ROW;
    const u32 first = is_query ? 0 : p.heads, count = is_query ? p.heads : p.kv_heads;
    const T* normed = whole ? projections + first * size : from;
    const u32 width = whole ? count * size : size;
    const float center = p.qk_norm == QK_NORM_EACH ? mean(normed, width) : 0.f;
    const float factor = norm_factor(normed, width, center, p.epsilon);
    const bool shared = p.qk_norm == QK_NORM_HEAD;
    const float* weight = at<const float>(weights) + (shared ? 0 : (unit - first) * size);
    for (u32 index = lane(); index < size; index += WARP) {
      head[index] = (head[index] - center) * (factor * weight[index]);
    }
  }
  __syncwarp();
  if (!is_value && p.cos_sin != 0) {
    const u64 position = at<const u32>(p.positions)[row];
    turn(head, at<const float>(p.cos_sin) + position * p.rope_dims, min(p.rope_dims, size), p.layout);
  }
  __syncwarp();
  T* to = at<T>(p.q) + (u64(row) * p.heads + unit) * size;
  if (!is_query) {
    const u32 kv_head = (unit - p.heads) % p.kv_heads;
    const u64 place = (u64(slot / PAGE_TOKENS) * p.kv_heads + kv_head) * PAGE_TOKENS + slot % PAGE_TOKENS;
    to = at<T>(is_value ? p.v_cache : p.k_cache) + place * size;
  }
  for (u32 index = lane(); index < size; index += WARP) to[index] = from_float<T>(head[index]);
}

TGI_KERNEL(tgi_rope_kv_bf16, RopeKvParams, ROPE_WARPS * WARP, rope_kv<bf16>(p))
TGI_KERNEL(tgi_rope_kv_f16, RopeKvParams, ROPE_WARPS * WARP, rope_kv<f16>(p))
TGI_KERNEL(tgi_rope_kv_f32, RopeKvParams, ROPE_WARPS * WARP, rope_kv<float>(p))
