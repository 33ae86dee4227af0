// Weight matrices that are read number by number: plain ones, and blocks of ggml (ggml-common.h,
// dequantize_row_* of ggml-quants.c).
#pragma once

#include "element.h"

// Each type has WEIGHTS in BYTES, and writes 8 successive weights of a block from `first` on, a
// multiple of 8.

__device__ __forceinline__ u16 load_u16(const u8* from) {
  return *reinterpret_cast<const u16*>(from);
}

// d * (q - 8); the low halves of the bytes are the first 16 weights.
struct Q4_0 {
  static constexpr u32 WEIGHTS = 32, BYTES = 18;
  static __device__ __forceinline__ void unpack8(const u8* block, u32 first, float* out) {
    const float scale = half_bits_to_float(load_u16(block));
    const u8* quants = block + 2 + first % 16;
    for (u32 pair = 0; pair < 4; ++pair) {
      const u32 bytes = u32(load_u16(quants + 2 * pair)) >> (first < 16 ? 0 : 4);
      out[2 * pair] = scale * float(int(bytes & 15) - 8);
      out[2 * pair + 1] = scale * float(int(bytes >> 8 & 15) - 8);
    }
  }
};

// d * q.
struct Q8_0 {
  static constexpr u32 WEIGHTS = 32, BYTES = 34;
  static __device__ __forceinline__ void unpack8(const u8* block, u32 first, float* out) {
    const float scale = half_bits_to_float(load_u16(block));
    const u8* quants = block + 2 + first;
    for (u32 pair = 0; pair < 4; ++pair) {
      const u32 bytes = load_u16(quants + 2 * pair);
      out[2 * pair] = scale * float(int8_t(bytes));
      out[2 * pair + 1] = scale * float(int8_t(bytes >> 8));
    }
  }
};

// d * scale * q - dmin * min, with 6-bit scale and min for each 32; of 64 weights the low halves of
// the bytes are the first 32.
struct Q4_K {
  static constexpr u32 WEIGHTS = 256, BYTES = 144;
  static __device__ __forceinline__ void unpack8(const u8* block, u32 first, float* out) {
    const u8* packed = block + 4;
    const u32 part = first / 32;
    u32 scale = packed[part % 4], least = packed[part % 4 + 4];
    if (part < 4) {
      scale &= 63;
      least &= 63;
    } else {
      const u32 low = packed[part + 4];
      scale = (low & 15) | (scale >> 6) << 4;
      least = low >> 4 | (least >> 6) << 4;
    }
    const float step = half_bits_to_float(load_u16(block)) * float(scale);
    const float base = half_bits_to_float(load_u16(block + 2)) * float(least);
    const u8* quants = block + 16 + first / 64 * 32 + first % 32;
    for (u32 pair = 0; pair < 4; ++pair) {
      const u32 bytes = u32(load_u16(quants + 2 * pair)) >> (part % 2 == 0 ? 0 : 4);
      out[2 * pair] = fmaf(step, float(bytes & 15), -base);
      out[2 * pair + 1] = fmaf(step, float(bytes >> 8 & 15), -base);
    }
  }
};

// d * scale * (q - 32), with an 8-bit scale for each 16; the upper two bits lie apart.
struct Q6_K {
  static constexpr u32 WEIGHTS = 256, BYTES = 210;
  static __device__ __forceinline__ void unpack8(const u8* block, u32 first, float* out) {
    const u32 half = first / 128, quarter = first % 128 / 32, place = first % 32;
    const u8* low = block + 64 * half + 32 * (quarter % 2) + place;
    const u8* high = block + 128 + 32 * half + place;
    const float scale = half_bits_to_float(load_u16(block + 208)) *
                        float(int8_t(block[192 + 8 * half + 2 * quarter + place / 16]));
    for (u32 pair = 0; pair < 4; ++pair) {
      const u32 lows = u32(load_u16(low + 2 * pair)) >> (quarter < 2 ? 0 : 4);
      const u32 highs = u32(load_u16(high + 2 * pair)) >> (2 * quarter);
      out[2 * pair] = scale * float(int((lows & 15) | (highs & 3) << 4) - 32);
      out[2 * pair + 1] = scale * float(int((lows >> 8 & 15) | (highs >> 8 & 3) << 4) - 32);
    }
  }
};

// A matrix `[.., width]` of numbers.
template <typename T>
struct Plain {
  u64 pointer;
  u64 width;

  // Whether rows can be read eight at a time.
  static __device__ __forceinline__ bool eights(u32 width) { return width % 8 == 0; }
  __device__ __forceinline__ float one(u32 row, u32 column) const {
    return to_float(at<const T>(pointer)[row * width + column]);
  }
  // Eight numbers from `column` on, a multiple of 8.
  __device__ __forceinline__ void eight(u32 row, u32 column, float* out) const {
    load8<T>(at<const T>(pointer) + row * width + column, out);
  }
};

// A matrix of blocks; `width` in whole blocks.
template <typename B>
struct Packed {
  u64 pointer;
  u64 width;

  static __device__ __forceinline__ bool eights(u32) { return true; }
  __device__ __forceinline__ float one(u32 row, u32 column) const {
    float values[8];
    eight(row, column & ~7u, values);
    float value = values[0];
    for (u32 index = 1; index < 8; ++index) value = column % 8 == index ? values[index] : value;
    return value;
  }
  __device__ __forceinline__ void eight(u32 row, u32 column, float* out) const {
    const u64 block = (row * width + column) / B::WEIGHTS;
    B::unpack8(at<const u8>(pointer) + block * B::BYTES, column % B::WEIGHTS, out);
  }
};
