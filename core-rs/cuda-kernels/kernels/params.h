// Arguments of the kernels: twins of the structs in src/signatures, where fields are described.
#pragma once

#include <stdint.h>

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;

constexpr u32 PAGE_TOKENS = 32;
constexpr u32 SPLIT_TOKENS = 128;
constexpr u32 MAX_HEAD_SIZE = 512;
constexpr u32 PEAK_CHUNK = 4096;
constexpr u32 GEMV_ROWS = 8;
constexpr u32 MAX_EXPERTS = 512;
constexpr u32 MAX_RANK = 1024;
constexpr u32 NO_TOKEN = 0xffffffffu;
constexpr u32 NO_SLOT = 0xffffffffu;
constexpr u32 NO_EXPERT = 0xffffffffu;
constexpr u32 NO_PLACE = 0xffffffffu;

enum NormKind : u32 { NORM_RMS = 0, NORM_LAYER = 1 };
enum QkNorm : u32 { QK_NORM_NONE = 0, QK_NORM_HEAD = 1, QK_NORM_ROW = 2, QK_NORM_EACH = 3 };
enum RopeLayout : u32 { ROPE_HALVES = 0, ROPE_INTERLEAVED = 1 };
enum Activation : u32 { ACT_SILU = 0, ACT_GELU_TANH = 1, ACT_GELU_ERF = 2, ACT_RELU = 3 };

struct EmbeddingParams {
  u64 tokens, positions, table, position_table, out;
  u32 rows, hidden, vocab, position_rows, position_offset;
  float scale;
};
static_assert(sizeof(EmbeddingParams) == 64);

struct AddNormParams {
  u64 residual, delta, second_delta, delta_weight, weight, bias, gather, out;
  u32 rows, hidden, kind;
  float delta_scale, epsilon;
  u32 norms_sum;
};
static_assert(sizeof(AddNormParams) == 88);

struct RopeKvParams {
  u64 qkv, q, k_cache, v_cache, cos_sin, positions, slots, q_norm, k_norm;
  u32 rows, heads, kv_heads, head_size, stride, rope_dims, layout, qk_norm;
  float epsilon;
  u32 reserved;
};
static_assert(sizeof(RopeKvParams) == 112);

struct ActivationParams {
  u64 input, out;
  u32 rows, width, kind, gated;
};
static_assert(sizeof(ActivationParams) == 32);

struct AttentionTile {
  u32 first_row, rows, first_position, pages;
};
static_assert(sizeof(AttentionTile) == 16);

struct AttentionParams {
  u64 q, k_cache, v_cache, page_table, tile_list, slopes, out, partials;
  u32 tiles, tile_rows, heads, kv_heads, head_size, q_stride, window, splits;
  float scale, soft_cap;
};
static_assert(sizeof(AttentionParams) == 104);

struct AttentionCombineParams {
  u64 partials, tile_list, out;
  u32 tiles, tile_rows, heads, head_size, window, splits;
};
static_assert(sizeof(AttentionCombineParams) == 48);

struct MatmulParams {
  u64 weight, x, bias, out;
  u32 m, n, k, x_stride, out_stride, out_f32;
};
static_assert(sizeof(MatmulParams) == 56);

struct RouteParams {
  u64 scores, slots, picks, weights;
  u32 rows, experts, used, normalized;
};
static_assert(sizeof(RouteParams) == 48);

struct GroupPlacesParams {
  u64 picks, places, tile_experts;
  u32 count, experts, tiles, tile_rows;
};
static_assert(sizeof(GroupPlacesParams) == 40);

struct ExpertMatmulParams {
  MatmulParams product;
  u64 places, tile_experts, expert_bytes;
  u32 tiles, share, first_expert, experts;
};
static_assert(sizeof(ExpertMatmulParams) == 96);

struct CombineExpertsParams {
  u64 products, picks, weights, out;
  u32 rows, used, hidden, reserved;
};
static_assert(sizeof(CombineExpertsParams) == 48);

struct LowRankUpdate {
  u64 down, up;
  u32 rank, first, outputs, reserved;
};
static_assert(sizeof(LowRankUpdate) == 32);

struct LowRankParams {
  u64 x, out, adapters, updates, low;
  u32 rows, count, slots, rank, inputs, out_stride, outputs, reserved;
};
static_assert(sizeof(LowRankParams) == 72);

struct DequantizeParams {
  u64 blocks, out, count;
};
static_assert(sizeof(DequantizeParams) == 24);

struct ScaleLogitsParams {
  u64 logits, count;
  float scale, soft_cap;
};
static_assert(sizeof(ScaleLogitsParams) == 24);

struct DevicePeak {
  double sum_exp;
  float max;
  u32 id;
};
static_assert(sizeof(DevicePeak) == 16);

struct PeakParams {
  u64 logits, row_list, chunks, out;
  u32 rows, vocab;
};
static_assert(sizeof(PeakParams) == 40);

struct HandOverParams {
  u64 peaks, sources, targets, tokens;
  u32 count, reserved;
};
static_assert(sizeof(HandOverParams) == 40);

struct SampleSettings {
  u64 seed;
  u32 row, position, sampling, top_k;
  float temperature, top_p, min_p, repetition, frequency, presence;
  u32 first_seen, seen;
};
static_assert(sizeof(SampleSettings) == 56);

struct SeenToken {
  u32 id, count;
};
static_assert(sizeof(SeenToken) == 8);

struct DeviceSample {
  double sum_exp;
  float max, logprob;
  u32 id, reserved;
};
static_assert(sizeof(DeviceSample) == 24);

struct SampleParams {
  u64 logits, settings, seen, out, peaks;
  u32 rows, vocab;
};
static_assert(sizeof(SampleParams) == 48);

struct DeviceTop {
  u32 id;
  float logit;
};
static_assert(sizeof(DeviceTop) == 8);

struct TopParams {
  u64 logits, row_list, out;
  u32 rows, vocab, count, reserved;
};
static_assert(sizeof(TopParams) == 40);

struct CopyPageParams {
  u64 base, chunk_stride, page_bytes;
  u32 chunks, from, to, reserved;
};
static_assert(sizeof(CopyPageParams) == 40);

struct FillParams {
  u64 out, count, seed;
  float amplitude;
  u32 reserved;
};
static_assert(sizeof(FillParams) == 32);
