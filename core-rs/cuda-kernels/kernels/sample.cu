// From a row of logits to a token. Probabilities are summed as integers, so that no order of
// threads changes a choice.

#include "softmax.h"
#include "warp.h"

constexpr u32 SAMPLE_THREADS = 1024, SAMPLE_WARPS = SAMPLE_THREADS / WARP;
// What a logit of plus infinity becomes, as on the host.
constexpr float CEILING = 1e30f;
// `exp(logit - max)` is at most 1: so many units.
constexpr double UNITS = 0x1p40;

// Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011): the number in 0..1 of a position.
__device__ __forceinline__ double uniform(u64 seed, u32 position) {
  u32 counter[4] = {position, 0, 0, 0}, key[2] = {u32(seed), u32(seed >> 32)};
  for (u32 round = 0; round < 10; ++round) {
    const u64 low = u64(0xd2511f53u) * counter[0], high = u64(0xcd9e8d57u) * counter[2];
    const u32 next[4] = {u32(high >> 32) ^ counter[1] ^ key[0], u32(high),
                         u32(low >> 32) ^ counter[3] ^ key[1], u32(low)};
    for (u32 word = 0; word < 4; ++word) counter[word] = next[word];
    key[0] += 0x9e3779b9u;
    key[1] += 0xbb67ae85u;
  }
  return double((u64(counter[1]) << 32 | counter[0]) >> 11) * 0x1p-53;
}

// Larger for a larger logit, and of equal logits for a lower id. Minus zero is zero.
__device__ __forceinline__ u64 rank_of(float logit, u32 token) {
  const u32 bits = __float_as_uint(logit + 0.f);
  const u32 ascending = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
  return u64(ascending) << 32 | u32(~token);
}

__device__ __forceinline__ u64 units_of(float logit, float max) {
  return u64(double(expf(logit - max)) * UNITS);
}

// A shared sum of integers, which no order changes.
__device__ __forceinline__ void add_to(u64& place, u64 value) {
#ifdef TGI_EMULATE
  atomicAdd(&place, value);
#else
  atomicAdd(reinterpret_cast<unsigned long long*>(&place), static_cast<unsigned long long>(value));
#endif
}

// The rank of the token with which the weights of the best tokens reach `target`, 8 bits of it after
// the other down to bit LAST; lower bits are zero. 0 where all weights together do not reach it.
template <u32 LAST, typename Weight>
__device__ u64 last_kept(const float* logits, u32 vocab, u64 target, Weight weight) {
  __shared__ u64 bins[256];
  __shared__ u64 found, missing;
  u64 prefix = 0;
  for (u32 shift = 56;; shift -= 8) {
    if (threadIdx.x < 256) bins[threadIdx.x] = 0;
    __syncthreads();
    for (u32 token = threadIdx.x; token < vocab; token += blockDim.x) {
      const u64 rank = rank_of(logits[token], token), own = weight(logits[token]);
      if (own != 0 && (shift == 56 || rank >> (shift + 8) == prefix >> (shift + 8))) {
        add_to(bins[rank >> shift & 255], own);
      }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      u32 bin = 256;
      while (bin > 0 && bins[bin - 1] < target) target -= bins[--bin];
      found = bin == 0 ? 0 : prefix | u64(bin - 1) << shift;
      missing = target;
    }
    __syncthreads();
    prefix = found;
    target = missing;
    if (prefix == 0 || shift == LAST) return prefix;
  }
}

// Penalties of the tokens so far, then the temperature; NaN becomes impossible, plus infinity a
// number, and a row without any number all zeros. The largest logit and its token, in every thread.
__device__ DevicePeak warp_logits(const SampleParams& p, const SampleSettings& own, float* logits) {
  const SeenToken* seen = at<const SeenToken>(p.seen) + own.first_seen;
  for (u32 index = threadIdx.x; index < own.seen; index += blockDim.x) {
    if (seen[index].id >= p.vocab) continue;
    float& logit = logits[seen[index].id];
    logit = logit < 0.f ? logit * own.repetition : logit / own.repetition;
    logit -= fmaf(float(seen[index].count), own.frequency, own.presence);
  }
  __syncthreads();
  float largest = NEG_INFINITY;
  u32 id = NO_TOKEN;
  for (u32 token = threadIdx.x; token < p.vocab; token += blockDim.x) {
    float logit = own.sampling != 0 ? logits[token] / own.temperature : logits[token];
    logit = logit >= NEG_INFINITY ? fminf(logit, CEILING) : NEG_INFINITY;
    logits[token] = logit;
    keep_larger(largest, id, logit, token);
  }
  block_largest(largest, id);
  if (largest == NEG_INFINITY) {
    for (u32 token = threadIdx.x; token < p.vocab; token += blockDim.x) logits[token] = 0.f;
    largest = 0.f;
    id = 0;
  }
  return {0.0, largest, id};
}

// The rank from which on tokens survive top-k, top-p and min-p.
__device__ u64 survivors_from(const SampleSettings& own, const float* logits, u32 vocab, float max) {
  u64 bound = rank_of(NEG_INFINITY, 0) + 1;
  if (own.top_k != 0) {
    const auto one = [](float logit) { return u64(logit > NEG_INFINITY ? 1 : 0); };
    const u64 last = last_kept<32>(logits, vocab, own.top_k, one);
    bound = last > bound ? last : bound;
  }
  if (own.top_p < 1.f) {
    __shared__ u64 total;
    if (threadIdx.x == 0) total = 0;
    __syncthreads();
    const float least = __uint_as_float(u32(bound >> 32) >> 31 != 0 ? u32(bound >> 32) & 0x7fffffffu
                                                                      : ~u32(bound >> 32));
    const auto mass = [=](float logit) { return logit >= least ? units_of(logit, max) : u64(0); };
    u64 sum = 0;
    for (u32 token = threadIdx.x; token < vocab; token += blockDim.x) sum += mass(logits[token]);
    add_to(total, sum);
    __syncthreads();
    const double target = double(own.top_p) * double(total);
    const u64 last = last_kept<0>(logits, vocab, target < 1.0 ? 1 : u64(target), mass);
    bound = last > bound ? last : bound;
  }
  if (own.min_p > 0.f) {
    const u64 least = rank_of(max + fminf(logf(own.min_p), 0.f), NO_TOKEN);
    bound = least > bound ? least : bound;
  }
  return bound;
}

// The token of a warp's `tokens` at which the sum of its units passes `target`, by ascending id.
__device__ u32 token_at(const float* logits, u32 first, u32 end, float max, u64 target) {
  u64 passed = 0;
  u32 winner = NO_TOKEN;
  for (u32 start = first; start < end; start += WARP) {
    const u32 token = start + lane();
    const u64 own = token < end ? units_of(logits[token], max) : 0;
    for (u32 place = 0; place < WARP; ++place) {
      const u64 units = __shfl_sync(FULL_WARP, own, place);
      passed += units;
      if (units != 0 && winner == NO_TOKEN && passed > target) winner = start + place;
    }
    if (winner != NO_TOKEN) break;
  }
  return winner;
}

// A block a row; a warp a stretch of its tokens.
__device__ void sample(const SampleParams& p) {
  __shared__ u64 sums[SAMPLE_WARPS];
  if (blockIdx.x >= p.rows) return;
  const SampleSettings own = at<const SampleSettings>(p.settings)[blockIdx.x];
  float* logits = at<float>(p.logits) + u64(own.row) * p.vocab;
  DeviceSample& out = at<DeviceSample>(p.out)[blockIdx.x];
  const DevicePeak peak = warp_logits(p, own, logits);
  __syncthreads();
  const u64 bound = own.sampling != 0 ? survivors_from(own, logits, p.vocab, peak.max) : 0;
  const u32 stretch = (p.vocab + SAMPLE_THREADS - 1) / SAMPLE_THREADS * WARP;
  const u32 first = min(warp() * stretch, p.vocab), end = min(first + stretch, p.vocab);
  u64 sum = 0;
  for (u32 token = first + lane(); token < end; token += WARP) {
    const float logit = logits[token];
    if (rank_of(logit, token) < bound) {
      logits[token] = NEG_INFINITY;
    } else {
      sum += units_of(logit, peak.max);
    }
  }
  for (u32 step = WARP / 2; step > 0; step /= 2) sum += __shfl_xor_sync(FULL_WARP, sum, step);
  if (lane() == 0) sums[warp()] = sum;
  __syncthreads();
  u64 total = 0;
  for (u32 index = 0; index < SAMPLE_WARPS; ++index) total += sums[index];
  const double sum_exp = double(total) / UNITS;
  const auto write = [&](u32 token) {
    const float logprob = float(double(logits[token] - peak.max) - log(sum_exp));
    out = {sum_exp, peak.max, logprob, token, 0};
    if (p.peaks != 0) at<DevicePeak>(p.peaks)[own.row].id = token;
  };
  if (own.sampling == 0) {
    if (threadIdx.x == 0) write(peak.id);
    return;
  }
  u64 target = u64(uniform(own.seed, own.position) * double(total));
  if (target >= total) target = total - 1;
  for (u32 index = 0; index < SAMPLE_WARPS; ++index) {
    if (target < sums[index]) {
      if (warp() != index) return;
      const u32 winner = token_at(logits, first, end, peak.max, target);
      if (lane() == 0) write(winner);
      return;
    }
    target -= sums[index];
  }
}

// A block a row: the best, then the best below it, and so on.
__device__ void top(const TopParams& p) {
  if (blockIdx.x >= p.rows) return;
  const u64 row = p.row_list == 0 ? blockIdx.x : at<const u32>(p.row_list)[blockIdx.x];
  const float* logits = at<const float>(p.logits) + row * p.vocab;
  float last = INFINITY;
  u32 last_id = NO_TOKEN;
  for (u32 place = 0; place < p.count; ++place) {
    float largest = NEG_INFINITY;
    u32 id = NO_TOKEN;
    for (u32 token = threadIdx.x; token < p.vocab; token += blockDim.x) {
      const float logit = logits[token];
      const bool below = place == 0 || logit < last || (logit == last && token > last_id);
      if (below && logit > NEG_INFINITY) keep_larger(largest, id, logit, token);
    }
    block_largest(largest, id);
    last = largest;
    last_id = id;
    if (threadIdx.x == 0) at<DeviceTop>(p.out)[u64(blockIdx.x) * p.count + place] = {id, largest};
  }
}

TGI_KERNEL(tgi_sample, SampleParams, SAMPLE_THREADS, sample(p))
TGI_KERNEL(tgi_top, TopParams, SAMPLE_THREADS, top(p))
