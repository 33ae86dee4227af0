//! Memory for weights: slices cut from large mappings in huge pages.
//!
//! A decode step reads all weights once, one after the other. With pages of 4 KiB the processor
//! looks up a page for every few tiles; huge pages make that a fifth to a third faster.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use memmap2::MmapRaw;

use crate::error::CpuError;
use crate::mapping::anonymous;

/// Bytes of a mapping, unless a slice needs more; memory is taken where it is written only.
const CHUNK: usize = 64 << 20;
/// Bytes that every slice is aligned to: a cache line, which is also the largest vector.
const ALIGN: usize = 64;

/// Where slices come from.
#[derive(Default)]
pub struct Slab {
    current: RefCell<Option<Chunk>>,
}

struct Chunk {
    memory: Arc<MmapRaw>,
    used: usize,
}

impl Chunk {
    fn with_room_for(bytes: usize) -> Result<Self, CpuError> {
        let length = bytes.max(CHUNK);
        let memory = anonymous(length);
        let memory = memory.map_err(|source| CpuError::Memory { bytes: length, source })?;
        Ok(Self { memory: Arc::new(memory.into()), used: 0 })
    }
}

impl Slab {
    /// `length` elements, not yet written.
    ///
    /// # Errors
    /// [`CpuError::Memory`] when the system has none.
    ///
    /// # Panics
    /// When `T` is aligned to more than a cache line.
    pub fn uninit<T>(&self, length: usize) -> Result<SlabVec<MaybeUninit<T>>, CpuError> {
        const { assert!(align_of::<T>() <= ALIGN) };
        let bytes = length.saturating_mul(size_of::<T>()).next_multiple_of(ALIGN);
        let mut current = self.current.borrow_mut();
        let chunk = match current.take() {
            Some(chunk) if chunk.memory.len() - chunk.used >= bytes => chunk,
            _ => Chunk::with_room_for(bytes)?,
        };
        let chunk = current.insert(chunk);
        let first = chunk.used;
        chunk.used += bytes;
        Ok(SlabVec { memory: Arc::clone(&chunk.memory), first, length, elements: PhantomData })
    }

    /// `length` times `value`.
    ///
    /// # Errors
    /// As [`Slab::uninit`].
    pub fn filled<T: Copy>(&self, length: usize, value: T) -> Result<SlabVec<T>, CpuError> {
        let mut elements = self.uninit(length)?;
        elements.fill(MaybeUninit::new(value));
        // SAFETY: all of it has just been written.
        Ok(unsafe { elements.assume_init() })
    }
}

/// A slice of a [`Slab`], which it may outlive. Elements are not dropped.
pub struct SlabVec<T> {
    memory: Arc<MmapRaw>,
    /// Bytes before it.
    first: usize,
    length: usize,
    elements: PhantomData<T>,
}

impl<T> SlabVec<MaybeUninit<T>> {
    /// The same, written.
    ///
    /// # Safety
    /// Every element must have been written.
    pub unsafe fn assume_init(self) -> SlabVec<T> {
        let Self { memory, first, length, .. } = self;
        SlabVec { memory, first, length, elements: PhantomData }
    }
}

impl<T> SlabVec<T> {
    fn start(&self) -> *mut T {
        self.memory.as_mut_ptr().wrapping_add(self.first).cast()
    }
}

impl<T> Deref for SlabVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `Slab::uninit` gave this slice alone these bytes, aligned and in bounds of a
        // mapping that lives as long as it; `T` says whether they were written.
        unsafe { std::slice::from_raw_parts(self.start(), self.length) }
    }
}

impl<T> DerefMut for SlabVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and the exclusive borrow rules out any other access.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.length) }
    }
}

// SAFETY: a slice owns its elements as a `Vec` does.
unsafe impl<T: Send> Send for SlabVec<T> {}
// SAFETY: the same.
unsafe impl<T: Sync> Sync for SlabVec<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slices_do_not_overlap_and_outlive_the_slab(lengths in prop::collection::vec(0..5000usize, 1..40)) {
            let slab = Slab::default();
            let mut slices: Vec<SlabVec<u16>> = Vec::new();
            for (index, &length) in lengths.iter().enumerate() {
                slices.push(slab.filled(length, index as u16).expect("memory"));
            }
            drop(slab);
            for (index, (slice, &length)) in slices.iter().zip(&lengths).enumerate() {
                prop_assert_eq!(&**slice, &vec![index as u16; length][..]);
                prop_assert_eq!(slice.as_ptr().align_offset(ALIGN), 0);
            }
        }
    }

    #[test]
    fn a_slice_larger_than_a_mapping_gets_its_own() {
        let slab = Slab::default();
        let small = slab.filled(3, 7u8).expect("memory");
        let large = slab.uninit::<u8>(CHUNK + 1).expect("memory");
        let after = slab.filled(3, 9u8).expect("memory");
        assert_eq!((&small[..], large.len(), &after[..]), (&[7; 3][..], CHUNK + 1, &[9; 3][..]));
    }

    #[test]
    fn memory_that_nobody_has_is_an_error() {
        let slab = Slab::default();
        let error = slab.uninit::<u8>(1 << 60).err().expect("no such memory");
        assert!(error.to_string().contains("1152921504606846976 bytes"), "{error}");
    }
}
