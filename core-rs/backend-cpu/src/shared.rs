//! Memory that the threads of a region write in disjoint parts.

use std::cell::UnsafeCell;
use std::ops::Range;

/// A fixed buffer whose parts may be lent to several threads at once.
pub struct Shared<T> {
    cells: Box<[UnsafeCell<T>]>,
}

// SAFETY: access goes through `read` and `write`, whose callers keep the threads apart.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T: Copy + Default> Shared<T> {
    /// `length` default values.
    pub fn new(length: usize) -> Self {
        let values = Box::into_raw(vec![T::default(); length].into_boxed_slice());
        // SAFETY: `UnsafeCell<T>` has the layout of `T`, and the box is owned here alone.
        Self { cells: unsafe { Box::from_raw(values as *mut [UnsafeCell<T>]) } }
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Lends a part for reading.
    ///
    /// # Safety
    /// Nobody may write it while the loan lasts.
    pub unsafe fn read(&self, range: Range<usize>) -> &[T] {
        let cells = &self.cells[range];
        // SAFETY: the part is in bounds, and the caller rules out writes.
        unsafe { std::slice::from_raw_parts(cells.as_ptr().cast(), cells.len()) }
    }

    /// Lends a part for writing.
    ///
    /// # Safety
    /// Nobody else may read or write it while the loan lasts.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn write(&self, range: Range<usize>) -> &mut [T] {
        let cells = &self.cells[range];
        // SAFETY: the part is in bounds, and the caller rules out any other access.
        unsafe { std::slice::from_raw_parts_mut(UnsafeCell::raw_get(cells.as_ptr()), cells.len()) }
    }

    /// Where element `index` lies, or would lie: for prefetches only.
    pub fn address(&self, index: usize) -> *const T {
        self.cells.as_ptr().cast::<T>().wrapping_add(index)
    }

    /// Writes one element.
    ///
    /// # Safety
    /// Nobody else may read or write it meanwhile.
    pub unsafe fn set(&self, index: usize, value: T) {
        // SAFETY: the index is checked, and the caller rules out any other access.
        unsafe { *self.cells[index].get() = value };
    }

    /// The whole of it, by whoever owns it.
    pub fn all(&mut self) -> &mut [T] {
        let length = self.len();
        // SAFETY: the exclusive borrow rules out any other access.
        unsafe { self.write(0..length) }
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
