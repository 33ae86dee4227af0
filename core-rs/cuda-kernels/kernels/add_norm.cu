// Residual additions and norms of rows. A row lies in the registers of its block: what is read is
// on its way at once, and nothing is read twice.

#include "element.h"
#include "warp.h"

constexpr u32 NORM_THREADS = 1024;

// A thread's elements of a row, NORM_THREADS apart.
template <u32 COUNT>
struct Share {
  float values[COUNT];

  // Calls `work(value, column)` for each that is in the row.
  template <typename F>
  __device__ __forceinline__ void each(u32 width, F work) {
#pragma unroll
    for (u32 index = 0; index < COUNT; ++index) {
      const u32 column = threadIdx.x + NORM_THREADS * index;
      if (column < width) work(values[index], column);
    }
  }

  template <typename T>
  __device__ __forceinline__ void load(const T* from, u32 width) {
    each(width, [=](float& value, u32 column) { value = to_float(from[column]); });
  }

  // Norms the row, but for the bias; all threads must call it.
  __device__ __forceinline__ void norm(const AddNormParams& p, const float* weight) {
    const u32 width = p.hidden;
    float center = 0.f;
    if (p.kind == NORM_LAYER) {
      float sum = 0.f;
      each(width, [&](float value, u32) { sum += value; });
      center = block_sum(sum) / float(width);
    }
    float squares = 0.f;
    each(width, [&](float value, u32) { squares = fmaf(value - center, value - center, squares); });
    const float factor = 1.f / sqrtf(block_sum(squares) / float(width) + p.epsilon);
    each(width, [=](float& value, u32 column) {
      value = (value - center) * factor * weight[column];
    });
  }
};

template <typename T, u32 COUNT>
__device__ __forceinline__ void add_norm_row(const AddNormParams& p) {
  const u64 row = p.gather == 0 ? blockIdx.x : at<const u32>(p.gather)[blockIdx.x];
  float* residual = at<float>(p.residual) + row * p.hidden;
  Share<COUNT> x;
  x.load(residual, p.hidden);
  if (p.delta != 0) {
    Share<COUNT> delta, second;
    delta.load(at<const T>(p.delta) + row * p.hidden, p.hidden);
    if (p.second_delta != 0) second.load(at<const T>(p.second_delta) + row * p.hidden, p.hidden);
    if (p.delta_weight != 0) delta.norm(p, at<const float>(p.delta_weight));
#pragma unroll
    for (u32 index = 0; index < COUNT; ++index) {
      if (p.second_delta != 0) delta.values[index] += second.values[index];
      x.values[index] = fmaf(p.delta_scale, delta.values[index], x.values[index]);
    }
    x.each(p.hidden, [=](float value, u32 column) { residual[column] = value; });
  }
  if (p.out == 0) return;
  if (p.weight != 0) x.norm(p, at<const float>(p.weight));
  const float* bias = p.bias == 0 ? nullptr : at<const float>(p.bias);
  T* out = at<T>(p.out) + u64(blockIdx.x) * p.hidden;
  x.each(p.hidden, [=](float value, u32 column) {
    if (bias != nullptr) value += bias[column];
    if (p.norms_sum != 0) residual[column] = value;
    out[column] = from_float<T>(value);
  });
}

template <typename T>
__device__ void add_norm(const AddNormParams& p) {
  if (blockIdx.x >= p.rows) return;
  if (p.hidden <= 4 * NORM_THREADS) {
    add_norm_row<T, 4>(p);
  } else if (p.hidden <= 8 * NORM_THREADS) {
    add_norm_row<T, 8>(p);
  } else if (p.hidden <= 16 * NORM_THREADS) {
    add_norm_row<T, 16>(p);
  }
}

TGI_KERNEL(tgi_add_norm_bf16, AddNormParams, NORM_THREADS, add_norm<bf16>(p))
TGI_KERNEL(tgi_add_norm_f16, AddNormParams, NORM_THREADS, add_norm<f16>(p))
TGI_KERNEL(tgi_add_norm_f32, AddNormParams, NORM_THREADS, add_norm<float>(p))
