// Switching between stacks.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) && defined(__linux__)

namespace emulation {

struct Fiber {
  void* stack_pointer;
};

// Saves what a called function must keep, on one stack, and restores it from the other.
extern "C" void tgi_emulation_switch(void** save, void* load);
asm(R"(
.text
.type tgi_emulation_switch, @function
tgi_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tgi_emulation_switch, .-tgi_emulation_switch
)");

inline void switch_fiber(Fiber& from, Fiber& to) {
  tgi_emulation_switch(&from.stack_pointer, to.stack_pointer);
}

// `entry` must not return.
inline void prepare_fiber(Fiber& fiber, unsigned char* stack, size_t bytes, void (*entry)()) {
  uintptr_t top = (reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t(63);
  void** words = reinterpret_cast<void**>(top);
  // A function is entered with its stack 8 bytes off 16, as a call leaves it.
  words[-2] = reinterpret_cast<void*>(entry);
  for (int index = 3; index <= 8; ++index) words[-index] = nullptr;
  fiber.stack_pointer = words - 8;
}

}  // namespace emulation

#else
#include <ucontext.h>

namespace emulation {

struct Fiber {
  ucontext_t context;
};

inline void switch_fiber(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }

inline void prepare_fiber(Fiber& fiber, unsigned char* stack, size_t bytes, void (*entry)()) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = stack;
  fiber.context.uc_stack.ss_size = bytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
}

}  // namespace emulation

#endif
