// Copies and fillings of device memory.

#include "element.h"

TGI_KERNEL(tgi_copy_page, CopyPageParams, THREADS, {
  const u64 place = global_thread() * 16;
  if (place < p.page_bytes && blockIdx.y < p.chunks) {
    u8* array = at<u8>(p.base) + blockIdx.y * p.chunk_stride + place;
    store_16_bytes(array + p.to * p.page_bytes, load_16_bytes(array + p.from * p.page_bytes));
  }
})

// An integer's bits, well mixed: the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
__device__ __forceinline__ u64 mixed(u64 x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

template <typename T>
__device__ void fill(const FillParams& p) {
  const u64 place = global_thread();
  if (place >= p.count) return;
  const u64 bits = mixed(p.seed + (place + 1) * 0x9e3779b97f4a7c15ull) >> 40;
  at<T>(p.out)[place] = from_float<T>(p.amplitude * fmaf(float(bits), 0x1p-23f, -1.f));
}

TGI_KERNEL(tgi_fill_bf16, FillParams, THREADS, fill<bf16>(p))
TGI_KERNEL(tgi_fill_f16, FillParams, THREADS, fill<f16>(p))
TGI_KERNEL(tgi_fill_f32, FillParams, THREADS, fill<float>(p))
