// Tensor cores and asynchronous copies on the host, by the layouts of the PTX ISA.
#pragma once

inline void copy_async(void* to, const void* from, bool zero) {
  emulation::copy_later(to, from, 16, zero);
}
inline void commit_copies() { emulation::commit_copies(); }
template <u32 BUT_LAST>
void wait_for_copies() {
  emulation::wait_for_copies(BUT_LAST);
}

namespace emulation {

// The two elements of matrix `index` that this lane has.
inline u32 matrix_pair(const Slot* rows, u32 index, bool transposed) {
  const u32 lane = threadIdx.x % 32, first = lane % 4 * 2;
  u32 word = 0;
  for (u32 half = 0; half < 2; ++half) {
    const u32 row = transposed ? first + half : lane / 4, column = transposed ? lane / 4 : first + half;
    const u16* from;
    std::memcpy(&from, rows[8 * index + row].bytes, sizeof from);
    word |= u32(from[column]) << 16 * half;
  }
  return word;
}

inline void load_four(u32* to, const void* row, bool transposed) {
  check_aligned(row, 16);
  const Slot* rows = exchange(transposed ? "ldmatrix.trans" : "ldmatrix", &row, sizeof row);
  for (u32 index = 0; index < 4; ++index) to[index] = matrix_pair(rows, index, transposed);
  // Nobody writes to the matrices before all have read.
  exchange("end of ldmatrix", nullptr, 0);
}

}  // namespace emulation

inline void load_matrices(u32* to, const void* row) { emulation::load_four(to, row, false); }
inline void load_transposed(u32* to, const void* row) { emulation::load_four(to, row, true); }

// Of `a` a lane has words (g, c), (g+8, c), (g, c+8), (g+8, c+8), of `b` (c, g), (c+8, g), where a
// word is two elements in the direction of the sum.
template <typename T>
void multiply_add(float* sums, const u32* a, const u32* b) {
  float own[12];
  for (u32 word = 0; word < 4; ++word) unpack_pair<T>(a[word], own + 2 * word);
  for (u32 word = 0; word < 2; ++word) unpack_pair<T>(b[word], own + 8 + 2 * word);
  const emulation::Slot* lanes = emulation::exchange("mma", own, sizeof own);
  const u32 lane = threadIdx.x % 32;
  for (u32 index = 0; index < 4; ++index) {
    const u32 row = lane / 4 + index / 2 * 8, column = lane % 4 * 2 + index % 2;
    float sum = sums[index];
    for (u32 k = 0; k < 16; ++k) {
      float left, right;
      const size_t of_row = 4 * (k % 2 + 2 * (row / 8 + k / 8 * 2));
      const size_t of_column = 4 * (k % 2 + 2 * (4 + k / 8));
      std::memcpy(&left, lanes[row % 8 * 4 + k % 8 / 2].bytes + of_row, 4);
      std::memcpy(&right, lanes[column * 4 + k % 8 / 2].bytes + of_column, 4);
      sum += left * right;
    }
    sums[index] = sum;
  }
}
