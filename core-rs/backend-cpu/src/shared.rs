//! Memory that the threads of a region write in disjoint parts.

use std::alloc::{Layout, handle_alloc_error};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::Range;

use memmap2::MmapMut;

use crate::activation::ActivationBlock;
use crate::attention::Partial;
use crate::decoder::peaks::BlockPeak;
use crate::mapping::anonymous;

/// What a buffer may hold.
///
/// # Safety
/// All bytes zero must be a value, the default one, and dropping it must do nothing.
pub unsafe trait Plain: Copy {}

// SAFETY: zero is a value of a number.
unsafe impl Plain for i8 {}
// SAFETY: as above.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for f32 {}
// SAFETY: these hold numbers only.
unsafe impl Plain for ActivationBlock {}
// SAFETY: as above.
unsafe impl Plain for Partial {}
// SAFETY: as above.
unsafe impl Plain for BlockPeak {}

/// A fixed buffer, aligned to pages, whose parts may be lent to several threads at once.
pub struct Shared<T> {
    memory: MmapMut,
    start: *mut T,
    length: usize,
    kind: PhantomData<UnsafeCell<T>>,
}

// SAFETY: it owns its memory.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: access goes through `read` and `write`, whose callers keep the threads apart.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T: Plain> Shared<T> {
    /// `length` default values.
    pub fn new(length: usize) -> Self {
        let bytes = length * size_of::<T>();
        let layout = Layout::array::<T>(length.max(1)).unwrap_or(Layout::new::<T>());
        let taken = anonymous(bytes.max(1));
        let mut memory = taken.unwrap_or_else(|_| handle_alloc_error(layout));
        let start = memory.as_mut_ptr().cast();
        Self { memory, start, length, kind: PhantomData }
    }

    /// Start of a part.
    fn part(&self, range: &Range<usize>) -> *mut T {
        assert!(range.start <= range.end && range.end <= self.length, "part out of bounds");
        debug_assert!(self.length * size_of::<T>() <= self.memory.len());
        self.start.wrapping_add(range.start)
    }

    /// Lends a part for reading.
    ///
    /// # Safety
    /// Nobody may write it while the loan lasts.
    pub unsafe fn read(&self, range: Range<usize>) -> &[T] {
        // SAFETY: the part is in bounds and aligned, zeros are values, and the caller rules out
        // writes.
        unsafe { std::slice::from_raw_parts(self.part(&range), range.len()) }
    }

    /// Lends a part for writing.
    ///
    /// # Safety
    /// Nobody else may read or write it while the loan lasts.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn write(&self, range: Range<usize>) -> &mut [T] {
        // SAFETY: as in `read`, and the caller rules out any other access.
        unsafe { std::slice::from_raw_parts_mut(self.part(&range), range.len()) }
    }

    /// Where element `index` lies, or would lie: for prefetches only.
    pub fn address(&self, index: usize) -> *const T {
        self.start.wrapping_add(index)
    }

    /// Writes one element.
    ///
    /// # Safety
    /// Nobody else may read or write it meanwhile.
    pub unsafe fn set(&self, index: usize, value: T) {
        // SAFETY: the part is checked, and the caller rules out any other access.
        unsafe { *self.part(&(index..index + 1)) = value };
    }

    /// The whole of it, by whoever owns it.
    pub fn all(&mut self) -> &mut [T] {
        // SAFETY: the exclusive borrow rules out any other access.
        unsafe { self.write(0..self.length) }
    }
}

/// Working memory, one value for each worker.
pub struct PerWorker<T> {
    cells: Vec<UnsafeCell<T>>,
}

// SAFETY: access goes through `get`, whose callers each use their own worker's value.
unsafe impl<T: Send> Sync for PerWorker<T> {}

impl<T> PerWorker<T> {
    /// Values for `workers` workers.
    pub fn new(workers: usize, make: impl Fn() -> T) -> Self {
        Self { cells: (0..workers).map(|_| UnsafeCell::new(make())).collect() }
    }

    /// The value of one worker.
    ///
    /// # Safety
    /// Only that worker may call this, and it may hold one loan at a time.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn get(&self, worker: usize) -> &mut T {
        // SAFETY: the caller is the only one that touches this value.
        unsafe { &mut *self.cells[worker].get() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_as_zeros_on_a_page_and_keeps_what_is_written() {
        for length in [0, 5, 3 << 20] {
            let mut buffer = Shared::<u16>::new(length);
            assert_eq!((buffer.all().len(), buffer.address(0) as usize % 4096), (length, 0));
            assert!(buffer.all().iter().all(|&value| value == 0));
            buffer.all().fill(7);
            // SAFETY: nobody writes.
            assert_eq!(unsafe { buffer.read(length / 2..length) }, vec![7; length - length / 2]);
        }
    }

    #[test]
    #[should_panic(expected = "part out of bounds")]
    fn a_part_beyond_the_end_is_refused() {
        // SAFETY: nobody writes.
        let _ = unsafe { Shared::<f32>::new(8).read(4..9).len() };
    }
}
