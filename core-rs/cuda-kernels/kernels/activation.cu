// Between the projections of the MLP.

#include "element.h"

__device__ __forceinline__ float activate(u32 kind, float x) {
  switch (kind) {
    case ACT_SILU: return x / (1.f + expf(-x));
    case ACT_GELU_TANH:
      return 0.5f * x * (1.f + tanhf(0.7978845608028654f * fmaf(0.044715f * x * x, x, x)));
    case ACT_GELU_ERF: return 0.5f * x * (1.f + erff(x * 0.7071067811865476f));
    default: return fmaxf(x, 0.f);
  }
}

template <typename T>
__device__ void activation(const ActivationParams& p) {
  const u32 row = blockIdx.x, column = blockIdx.y * blockDim.x + threadIdx.x;
  if (row >= p.rows || column >= p.width) return;
  const T* from = at<const T>(p.input) + u64(row) * p.width * (p.gated != 0 ? 2 : 1) + column;
  float value = activate(p.kind, to_float(from[0]));
  if (p.gated != 0) value *= to_float(from[p.width]);
  at<T>(p.out)[u64(row) * p.width + column] = from_float<T>(value);
}

TGI_KERNEL(tgi_activation_bf16, ActivationParams, THREADS, activation<bf16>(p))
TGI_KERNEL(tgi_activation_f16, ActivationParams, THREADS, activation<f16>(p))
TGI_KERNEL(tgi_activation_f32, ActivationParams, THREADS, activation<float>(p))
