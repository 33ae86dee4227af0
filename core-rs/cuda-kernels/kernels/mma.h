// Tensor cores and asynchronous copies, as PTX names them (PTX ISA, "Warp-level matrix
// instructions" and "cp.async").
#pragma once

#include "element.h"

#ifdef TGI_EMULATE
#include "emulation/mma.h"
#else

// Sixteen bytes from global to shared memory, or zeros; both places 16-byte aligned.
__device__ __forceinline__ void copy_async(void* to, const void* from, bool zero) {
  const u32 shared = u32(__cvta_generic_to_shared(to));
  const u32 bytes = zero ? 0 : 16;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(bytes)
               : "memory");
}

__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for all groups of copies but the last BUT_LAST.
template <u32 BUT_LAST>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(BUT_LAST) : "memory");
}

// Four 8x8 matrices of 2-byte elements; lane `i` gives the address of row `i % 8` of matrix `i / 8`.
// A lane gets of each matrix row `lane / 4`, columns `lane % 4 * 2` and the next.
__device__ __forceinline__ void load_matrices(u32* to, const void* row) {
  const u32 shared = u32(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared)
               : "memory");
}

// The same, each matrix transposed.
__device__ __forceinline__ void load_transposed(u32* to, const void* row) {
  const u32 shared = u32(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared)
               : "memory");
}

// `sums [16, 8] += a [16, 16] * b [16, 8]`. With `g = lane / 4` and `c = lane % 4 * 2` a lane has of
// `sums` (g, c), (g, c+1), (g+8, c), (g+8, c+1).
template <typename T>
__device__ __forceinline__ void multiply_add(float* sums, const u32* a, const u32* b);
template <>
__device__ __forceinline__ void multiply_add<bf16>(float* sums, const u32* a, const u32* b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <>
__device__ __forceinline__ void multiply_add<f16>(float* sums, const u32* a, const u32* b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif
