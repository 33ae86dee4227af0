// From logits to what the engine takes of them.

#include "softmax.h"
#include "warp.h"

TGI_KERNEL(tgi_scale_logits, ScaleLogitsParams, THREADS, {
  const u64 place = global_thread();
  if (place < p.count) {
    float logit = at<float>(p.logits)[place] * p.scale;
    if (p.soft_cap != 0.f) logit = p.soft_cap * tanhf(logit / p.soft_cap);
    at<float>(p.logits)[place] = logit;
  }
})

// A block a chunk of a row. Comparisons leave NaN out.
__device__ void peak_chunk(const PeakParams& p) {
  if (blockIdx.y >= p.rows) return;
  const u64 row = p.row_list == 0 ? blockIdx.y : at<const u32>(p.row_list)[blockIdx.y];
  const float* logits = at<const float>(p.logits) + row * p.vocab;
  const u32 first = blockIdx.x * PEAK_CHUNK, end = min(p.vocab, first + PEAK_CHUNK);
  float largest = NEG_INFINITY;
  u32 id = NO_TOKEN;
  for (u32 token = first + threadIdx.x; token < end; token += THREADS) {
    keep_larger(largest, id, logits[token], token);
  }
  block_largest(largest, id);
  // At most 16 numbers of at most 1 in a thread: f32 loses nothing that counts.
  float sum = 0.f;
  for (u32 token = first + threadIdx.x; token < end; token += THREADS) {
    const float own = logits[token];
    // An infinity less itself is no number.
    const float share = own == largest ? 1.f : expf(own - largest);
    if (share <= 1.f) sum += share;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    at<DevicePeak>(p.chunks)[u64(blockIdx.y) * gridDim.x + blockIdx.x] = {double(sum), largest, id};
  }
}

// A thread a row; the chunks in their order.
__device__ void peak_join(const PeakParams& p) {
  const u64 row = global_thread();
  if (row >= p.rows) return;
  const u32 count = (p.vocab + PEAK_CHUNK - 1) / PEAK_CHUNK;
  const DevicePeak* chunks = at<const DevicePeak>(p.chunks) + row * count;
  DevicePeak peak{0.0, NEG_INFINITY, NO_TOKEN};
  for (u32 index = 0; index < count; ++index) keep_larger(peak.max, peak.id, chunks[index].max, chunks[index].id);
  for (u32 index = 0; index < count; ++index) {
    const double max = chunks[index].max;
    const double factor = max == peak.max ? 1.0 : exp(max - peak.max);
    peak.sum_exp += chunks[index].sum_exp * factor;
  }
  // A row without any number is all zeros.
  if (peak.max == NEG_INFINITY) peak = {double(p.vocab), 0.f, 0};
  at<DevicePeak>(p.out)[row] = peak;
}

TGI_KERNEL(tgi_peak_chunks, PeakParams, THREADS, peak_chunk(p))
TGI_KERNEL(tgi_peak_join, PeakParams, THREADS, peak_join(p))

TGI_KERNEL(tgi_hand_over, HandOverParams, THREADS, {
  const u64 index = global_thread();
  if (index < p.count) {
    const u32 source = at<const u32>(p.sources)[index], target = at<const u32>(p.targets)[index];
    at<u32>(p.tokens)[target] = at<const DevicePeak>(p.peaks)[source].id;
  }
})
