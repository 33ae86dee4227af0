// Enough of CUDA for the kernels, on the host: each thread of a block is a fiber, blocks run one
// after the other. Stricter than a GPU where that finds mistakes: shared memory starts as NaNs,
// asynchronous copies arrive at the wait and not before, a divergent barrier is an error.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __align__(n) __attribute__((aligned(n)))
// Blocks of one launch run on one thread, launches of tests on many.
#define __shared__ static thread_local

#define TGI_KERNEL(NAME, PARAMS, THREADS, ...)                                      \
  static void NAME##_body(const void* raw) {                                        \
    PARAMS p;                                                                       \
    std::memcpy(&p, raw, sizeof p);                                                 \
    __VA_ARGS__;                                                                    \
  }                                                                                 \
  static const emulation::Registration NAME##_registration{#NAME, sizeof(PARAMS),   \
                                                           THREADS, NAME##_body};

#define TGI_DYNAMIC_SHARED(NAME) unsigned char* NAME = emulation::dynamic_shared()

struct Index3 {
  u32 x, y, z;
};
struct uint4 {
  u32 x, y, z, w;
};

extern thread_local Index3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

struct Registration {
  Registration(const char* name, size_t params, u32 threads, void (*body)(const void*));
};

// Ends the launch with this message; does not return.
[[noreturn]] void fail(const char* message);

unsigned char* dynamic_shared();
void block_barrier();

// What a lane shows the others of its warp.
struct alignas(8) Slot {
  const char* operation;
  unsigned char bytes[48];
};

// Waits until all 32 lanes are at the same operation, and returns what they show.
const Slot* exchange(const char* operation, const void* bytes, size_t size);

void copy_later(void* to, const void* from, size_t size, bool zero);
void commit_copies();
void wait_for_copies(u32 but_last);

struct Bf16 {
  u16 bits;
};
struct F16 {
  u16 bits;
};

inline float float_of(u32 bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
inline u32 word_of(float value) {
  u32 bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

inline float half_bits_to_float(u16 bits) {
  const u32 sign = u32(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 31) return float_of(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) return float_of(sign | word_of(float(fraction) * 0x1p-24f));
  return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

inline float to_float(float x) { return x; }
inline float to_float(Bf16 x) { return float_of(u32(x.bits) << 16); }
inline float to_float(F16 x) { return half_bits_to_float(x.bits); }

template <typename T>
T from_float(float x);
template <>
inline float from_float<float>(float x) { return x; }
template <>
inline Bf16 from_float<Bf16>(float x) {
  const u32 bits = word_of(x);
  if (x != x) return {0x7fff};
  return {u16((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
template <>
inline F16 from_float<F16>(float x) {
  const u16 sign = u16(word_of(x) >> 16 & 0x8000);
  const float size = std::fabs(x);
  if (x != x) return {0x7fff};
  if (size >= 65520.f) return {u16(sign | 0x7c00)};
  // Adding so much leaves the fraction's bits that a half has, rounded to even.
  if (size < 0x1p-14f) return {u16(sign | (word_of(size + 0.5f) - word_of(0.5f)))};
  const u32 bits = word_of(size);
  return {u16(sign | ((bits - (112u << 23) + 0xfff + (bits >> 13 & 1)) >> 13))};
}
inline u32 bits_of(Bf16 x) { return x.bits; }
inline u32 bits_of(F16 x) { return x.bits; }

inline void check_aligned(const void* pointer, size_t alignment) {
  if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0) fail("a misaligned access");
}

inline uint4 load_16_bytes(const void* from) {
  check_aligned(from, 16);
  uint4 words;
  std::memcpy(&words, from, 16);
  return words;
}

inline void store_16_bytes(void* to, uint4 words) {
  check_aligned(to, 16);
  std::memcpy(to, &words, 16);
}

template <typename T>
T lane_of(const char* operation, T value, u32 lane) {
  T result;
  std::memcpy(&result, exchange(operation, &value, sizeof value)[lane % 32].bytes, sizeof result);
  return result;
}

}  // namespace emulation

inline void __syncthreads() { emulation::block_barrier(); }
inline void __syncwarp() { emulation::exchange("syncwarp", nullptr, 0); }

template <typename T>
T __shfl_xor_sync(u32, T value, u32 mask) {
  return emulation::lane_of("shuffle by xor", value, threadIdx.x % 32 ^ mask);
}
template <typename T>
T __shfl_sync(u32, T value, u32 lane) {
  return emulation::lane_of("shuffle", value, lane);
}

inline u32 __ballot_sync(u32, bool is_set) {
  const emulation::Slot* slots = emulation::exchange("ballot", &is_set, sizeof is_set);
  u32 lanes = 0;
  for (u32 lane = 0; lane < 32; ++lane) lanes |= u32(slots[lane].bytes[0]) << lane;
  return lanes;
}

inline u32 __popc(u32 bits) { return u32(__builtin_popcount(bits)); }
inline float __uint_as_float(u32 bits) { return emulation::float_of(bits); }
inline u32 __float_as_uint(float value) { return emulation::word_of(value); }
inline u32 min(u32 a, u32 b) { return a < b ? a : b; }
inline u32 max(u32 a, u32 b) { return a > b ? a : b; }
inline u32 __umulhi(u32 a, u32 b) { return u32(u64(a) * b >> 32); }
// Fibers give way at barriers alone.
template <typename N>
N atomicAdd(N* place, N value) {
  const N before = *place;
  *place += value;
  return before;
}
