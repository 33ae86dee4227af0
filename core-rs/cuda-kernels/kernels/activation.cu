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

// Eight elements a thread, at once where rows allow it.
template <typename T>
__device__ void activation(const ActivationParams& p) {
  const u32 row = blockIdx.x, first = (blockIdx.y * blockDim.x + threadIdx.x) * 8;
  if (row >= p.rows || first >= p.width) return;
  const T* from = at<const T>(p.input) + u64(row) * p.width * (p.gated != 0 ? 2 : 1) + first;
  T* to = at<T>(p.out) + u64(row) * p.width + first;
  if (p.width % 8 == 0) {
    float values[8], factors[8];
    load8<T>(from, values);
    if (p.gated != 0) load8<T>(from + p.width, factors);
    for (u32 index = 0; index < 8; ++index) {
      values[index] = activate(p.kind, values[index]);
      if (p.gated != 0) values[index] *= factors[index];
    }
    store8<T>(to, values);
    return;
  }
  for (u32 index = 0; index < min(8, p.width - first); ++index) {
    float value = activate(p.kind, to_float(from[index]));
    if (p.gated != 0) value *= to_float(from[p.width + index]);
    to[index] = from_float<T>(value);
  }
}

TGI_KERNEL(tgi_activation_bf16, ActivationParams, THREADS, activation<bf16>(p))
TGI_KERNEL(tgi_activation_f16, ActivationParams, THREADS, activation<f16>(p))
TGI_KERNEL(tgi_activation_f32, ActivationParams, THREADS, activation<float>(p))
