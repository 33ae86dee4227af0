// The types of activations and weights, and the way to `float` and back.
#pragma once

#include "device.h"

#ifdef TGI_EMULATE
using bf16 = emulation::Bf16;
using f16 = emulation::F16;
#else
using bf16 = __nv_bfloat16;
using f16 = __half;
#endif

#ifndef TGI_EMULATE
__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return __bfloat162float(x); }
__device__ __forceinline__ float to_float(f16 x) { return __half2float(x); }

// Rounds to nearest, ties to even.
template <typename T>
__device__ __forceinline__ T from_float(float x);
template <>
__device__ __forceinline__ float from_float<float>(float x) { return x; }
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float x) { return __float2bfloat16_rn(x); }
template <>
__device__ __forceinline__ f16 from_float<f16>(float x) { return __float2half_rn(x); }

__device__ __forceinline__ float half_bits_to_float(u16 bits) {
  return __half2float(__ushort_as_half(bits));
}
__device__ __forceinline__ u32 bits_of(bf16 x) { return __bfloat16_as_ushort(x); }
__device__ __forceinline__ u32 bits_of(f16 x) { return __half_as_ushort(x); }

__device__ __forceinline__ uint4 load_16_bytes(const void* from) {
  return *static_cast<const uint4*>(from);
}
__device__ __forceinline__ void store_16_bytes(void* to, uint4 words) {
  *static_cast<uint4*>(to) = words;
}
#else
using emulation::bits_of;
using emulation::from_float;
using emulation::half_bits_to_float;
using emulation::load_16_bytes;
using emulation::store_16_bytes;
using emulation::to_float;
#endif

// The two numbers of a word, the one at the lower address first.
template <typename T>
__device__ __forceinline__ void unpack_pair(u32 word, float* out);
template <>
__device__ __forceinline__ void unpack_pair<bf16>(u32 word, float* out) {
  out[0] = __uint_as_float(word << 16);
  out[1] = __uint_as_float(word & 0xffff0000u);
}
template <>
__device__ __forceinline__ void unpack_pair<f16>(u32 word, float* out) {
  out[0] = half_bits_to_float(u16(word));
  out[1] = half_bits_to_float(u16(word >> 16));
}

// Two numbers as a word.
template <typename T>
__device__ __forceinline__ u32 pack_pair(float low, float high) {
  return bits_of(from_float<T>(low)) | bits_of(from_float<T>(high)) << 16;
}

// Eight numbers from a 16-byte aligned place.
template <typename T>
__device__ __forceinline__ void load8(const T* from, float* out) {
  const uint4 words = load_16_bytes(from);
  unpack_pair<T>(words.x, out);
  unpack_pair<T>(words.y, out + 2);
  unpack_pair<T>(words.z, out + 4);
  unpack_pair<T>(words.w, out + 6);
}
template <>
__device__ __forceinline__ void load8<float>(const float* from, float* out) {
  for (u32 half = 0; half < 2; ++half) {
    const uint4 words = load_16_bytes(from + 4 * half);
    out[4 * half] = __uint_as_float(words.x);
    out[4 * half + 1] = __uint_as_float(words.y);
    out[4 * half + 2] = __uint_as_float(words.z);
    out[4 * half + 3] = __uint_as_float(words.w);
  }
}

// Eight numbers to a 16-byte aligned place.
template <typename T>
__device__ __forceinline__ void store8(T* to, const float* numbers) {
  store_16_bytes(to, {pack_pair<T>(numbers[0], numbers[1]), pack_pair<T>(numbers[2], numbers[3]),
                      pack_pair<T>(numbers[4], numbers[5]), pack_pair<T>(numbers[6], numbers[7])});
}
template <>
__device__ __forceinline__ void store8<float>(float* to, const float* numbers) {
  for (u32 first = 0; first < 8; first += 4) {
    store_16_bytes(to + first,
                   {__float_as_uint(numbers[first]), __float_as_uint(numbers[first + 1]),
                    __float_as_uint(numbers[first + 2]), __float_as_uint(numbers[first + 3])});
  }
}
