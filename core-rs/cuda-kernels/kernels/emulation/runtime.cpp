// Runs the blocks of a launch, each thread of a block as a fiber on this thread.

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../device.h"
#include "fiber.h"

thread_local Index3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {
namespace {

struct Entry {
  size_t params;
  u32 threads;
  void (*body)(const void*);
};

std::map<std::string, Entry>& registry() {
  static std::map<std::string, Entry> entries;
  return entries;
}

struct Copy {
  void* to;
  const void* from;
  size_t size;
  bool zero;
  u32 group;
};

enum class State { ready, at_block, at_warp, done };

struct Thread {
  Fiber fiber;
  State state;
  std::vector<Copy> copies;
  u32 group;
  u32 exchanges;
};

struct Warp {
  Slot slots[2][32];
  u32 arrived;
  u32 done;
};

constexpr size_t STACK_BYTES = 128 * 1024;
constexpr size_t GUARD_BYTES = 1024;
constexpr unsigned char GUARD = 0xA5;

// One launch's state, and the memory that the next one uses again.
struct Block {
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<std::unique_ptr<unsigned char[]>> stacks;
  std::vector<u64> shared;
  size_t shared_bytes;
  Fiber scheduler;
  u32 current, arrived, done;
  const Entry* entry;
  const void* params;
  std::string failure;

  void run(bool reversed);
  void start(u32 index);
};

thread_local Block block;

Thread& self() { return block.threads[block.current]; }

void suspend(State state) {
  Thread& thread = self();
  thread.state = state;
  switch_fiber(thread.fiber, block.scheduler);
}

// Lets those waiting at the block's barrier go on once nobody else is on the way to it.
void release_block() {
  if (block.arrived + block.done < block.threads.size()) return;
  block.arrived = 0;
  for (Thread& thread : block.threads) {
    if (thread.state == State::at_block) thread.state = State::ready;
  }
}

void thread_main() {
  block.entry->body(block.params);
  block.done += 1;
  block.warps[block.current / 32].done += 1;
  release_block();
  suspend(State::done);
}

void Block::start(u32 index) {
  while (stacks.size() <= index) {
    stacks.push_back(std::unique_ptr<unsigned char[]>(new unsigned char[STACK_BYTES]));
  }
  Thread& thread = threads[index];
  thread.state = State::ready;
  thread.copies.clear();
  thread.group = thread.exchanges = 0;
  prepare_fiber(thread.fiber, stacks[index].get(), STACK_BYTES, thread_main);
}

void Block::run(bool reversed) {
  const u32 count = u32(threads.size());
  arrived = done = 0;
  std::memset(shared.data(), 0xff, shared_bytes);
  std::memset(reinterpret_cast<unsigned char*>(shared.data()) + shared_bytes, GUARD, GUARD_BYTES);
  for (Warp& warp : warps) warp.arrived = warp.done = 0;
  for (u32 index = 0; index < count; ++index) start(index);
  while (done < count && failure.empty()) {
    bool progress = false;
    for (u32 turn = 0; turn < count && failure.empty(); ++turn) {
      const u32 index = reversed ? count - 1 - turn : turn;
      if (threads[index].state != State::ready) continue;
      progress = true;
      current = index;
      threadIdx = {index % blockDim.x, index / blockDim.x % blockDim.y,
                   index / blockDim.x / blockDim.y};
      switch_fiber(scheduler, threads[index].fiber);
    }
    if (!progress) failure = "threads wait at different barriers";
  }
  const unsigned char* guard = reinterpret_cast<unsigned char*>(shared.data()) + shared_bytes;
  for (size_t index = 0; index < GUARD_BYTES && failure.empty(); ++index) {
    if (guard[index] != GUARD) failure = "a write behind the dynamic shared memory";
  }
}

}  // namespace

Registration::Registration(const char* name, size_t params, u32 threads,
                           void (*body)(const void*)) {
  registry()[name] = {params, threads, body};
}

void fail(const char* message) {
  if (block.failure.empty()) block.failure = message;
  // The fiber is never resumed: the launch ends.
  for (;;) suspend(State::done);
}

unsigned char* dynamic_shared() { return reinterpret_cast<unsigned char*>(block.shared.data()); }

void block_barrier() {
  block.arrived += 1;
  self().state = State::at_block;
  release_block();
  suspend(self().state);
}

const Slot* exchange(const char* operation, const void* bytes, size_t size) {
  Thread& thread = self();
  Warp& warp = block.warps[block.current / 32];
  const u32 lane = block.current % 32, first = block.current - lane;
  Slot* slots = warp.slots[thread.exchanges++ % 2];
  slots[lane].operation = operation;
  if (size > sizeof slots[lane].bytes) fail("an exchange of too many bytes");
  if (size > 0) std::memcpy(slots[lane].bytes, bytes, size);
  if (warp.done > 0 || first + 32 > block.threads.size()) fail("a warp without all its lanes");
  if (++warp.arrived < 32) {
    suspend(State::at_warp);
  } else {
    warp.arrived = 0;
    for (u32 other = 0; other < 32; ++other) {
      if (std::strcmp(slots[other].operation, operation) != 0) fail("lanes at different operations");
      if (other != lane) block.threads[first + other].state = State::ready;
    }
  }
  return slots;
}

void copy_later(void* to, const void* from, size_t size, bool zero) {
  check_aligned(to, size);
  if (!zero) check_aligned(from, size);
  self().copies.push_back({to, from, size, zero, self().group});
}

void commit_copies() { self().group += 1; }

void wait_for_copies(u32 but_last) {
  Thread& thread = self();
  std::vector<Copy> left;
  for (const Copy& copy : thread.copies) {
    if (copy.group + but_last >= thread.group) {
      left.push_back(copy);
    } else if (copy.zero) {
      std::memset(copy.to, 0, copy.size);
    } else {
      std::memcpy(copy.to, copy.from, copy.size);
    }
  }
  thread.copies.swap(left);
}

}  // namespace emulation

// Runs a kernel; 0, or 1 with the reason in `error`, which is cut to `error_bytes`.
extern "C" int tgi_emulate_launch(const char* name, const u32* grid, const u32* threads,
                                  u32 shared_bytes, const void* params, size_t params_bytes,
                                  int reversed, char* error, size_t error_bytes) {
  using namespace emulation;
  block.failure.clear();
  const auto found = registry().find(name);
  const u64 count = u64(threads[0]) * threads[1] * threads[2];
  if (found == registry().end()) {
    block.failure = "no such kernel";
  } else if (found->second.params != params_bytes) {
    block.failure = "an argument of another size";
  } else if (count == 0 || count > found->second.threads || count > 1024) {
    block.failure = "more threads than the kernel is made for";
  } else if (grid[1] > 65535 || grid[2] > 65535 || shared_bytes > 227 * 1024) {
    block.failure = "a grid or a shared memory beyond a GPU's limits";
  }
  if (block.failure.empty()) {
    block.entry = &found->second;
    block.params = params;
    block.threads.resize(count);
    block.warps.resize((count + 31) / 32);
    block.shared.resize((shared_bytes + GUARD_BYTES + 7) / 8 + 2);
    block.shared_bytes = shared_bytes;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {threads[0], threads[1], threads[2]};
    const u64 blocks = u64(grid[0]) * grid[1] * grid[2];
    for (u64 turn = 0; turn < blocks && block.failure.empty(); ++turn) {
      const u64 index = reversed ? blocks - 1 - turn : turn;
      blockIdx = {u32(index % grid[0]), u32(index / grid[0] % grid[1]),
                  u32(index / grid[0] / grid[1])};
      block.run(reversed != 0);
    }
  }
  if (block.failure.empty()) return 0;
  std::snprintf(error, error_bytes, "%s", block.failure.c_str());
  return 1;
}

// One translation unit, so that a linker cannot leave the kernels out.
#include "../all.cu"
