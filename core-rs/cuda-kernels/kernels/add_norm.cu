// Residual additions and norms of rows.

#include "element.h"
#include "warp.h"

// What is taken off each element, and the factor on the rest.
struct Moments {
  float center, factor;
};

// The moments of `width` elements, of which `element(column)` is one; all threads must call it.
template <typename F>
__device__ __forceinline__ Moments moments(u32 kind, float epsilon, u32 width, F element) {
  float center = 0.f;
  if (kind == NORM_LAYER) {
    float sum = 0.f;
    for (u32 column = threadIdx.x; column < width; column += blockDim.x) sum += element(column);
    center = block_sum(sum) / float(width);
  }
  float squares = 0.f;
  for (u32 column = threadIdx.x; column < width; column += blockDim.x) {
    const float x = element(column) - center;
    squares = fmaf(x, x, squares);
  }
  return {center, 1.f / sqrtf(block_sum(squares) / float(width) + epsilon)};
}

// Every thread reads what it wrote itself, so that the row needs no barrier of its own.
template <typename T>
__device__ void add_norm(const AddNormParams& p) {
  if (blockIdx.x >= p.rows) return;
  const u64 row = p.gather == 0 ? blockIdx.x : at<const u32>(p.gather)[blockIdx.x];
  float* x = at<float>(p.residual) + row * p.hidden;
  if (p.delta != 0) {
    const T* delta = at<const T>(p.delta) + row * p.hidden;
    const T* second = p.second_delta == 0 ? nullptr : at<const T>(p.second_delta) + row * p.hidden;
    const float* weight = p.delta_weight == 0 ? nullptr : at<const float>(p.delta_weight);
    Moments own{0.f, 1.f};
    if (weight != nullptr) {
      own = moments(p.kind, p.epsilon, p.hidden, [=](u32 column) { return to_float(delta[column]); });
    }
    for (u32 column = threadIdx.x; column < p.hidden; column += blockDim.x) {
      float value = to_float(delta[column]);
      if (weight != nullptr) value = (value - own.center) * own.factor * weight[column];
      if (second != nullptr) value += to_float(second[column]);
      x[column] = fmaf(p.delta_scale, value, x[column]);
    }
  }
  if (p.out == 0) return;
  T* out = at<T>(p.out) + u64(blockIdx.x) * p.hidden;
  const float* weight = p.weight == 0 ? nullptr : at<const float>(p.weight);
  const float* bias = p.bias == 0 ? nullptr : at<const float>(p.bias);
  Moments own{0.f, 1.f};
  if (weight != nullptr) {
    own = moments(p.kind, p.epsilon, p.hidden, [=](u32 column) { return x[column]; });
  }
  for (u32 column = threadIdx.x; column < p.hidden; column += blockDim.x) {
    float value = x[column];
    if (weight != nullptr) value = (value - own.center) * own.factor * weight[column];
    if (bias != nullptr) value += bias[column];
    out[column] = from_float<T>(value);
  }
}

TGI_KERNEL(tgi_add_norm_bf16, AddNormParams, THREADS, add_norm<bf16>(p))
TGI_KERNEL(tgi_add_norm_f16, AddNormParams, THREADS, add_norm<f16>(p))
TGI_KERNEL(tgi_add_norm_f32, AddNormParams, THREADS, add_norm<float>(p))
