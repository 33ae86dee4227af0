//! Buffers with guards, numbers, and runs of kernels in both orders.

use std::cell::RefCell;

use half::{bf16, f16};
use tgi_cuda_kernels::emulate::{self, Order};
use tgi_cuda_kernels::signatures::{Element, Kernel, Launch, Params};

/// A type that a device buffer holds.
pub trait Plain: Copy + PartialEq + std::fmt::Debug {}
impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for f32 {}
impl Plain for tgi_cuda_kernels::signatures::AttentionTile {}
impl Plain for tgi_cuda_kernels::signatures::DevicePeak {}
impl Plain for tgi_cuda_kernels::signatures::LowRankUpdate {}
impl Plain for tgi_cuda_kernels::signatures::SampleSettings {}
impl Plain for tgi_cuda_kernels::signatures::SeenToken {}

/// Keeps what a kernel reads until its run is over, and then checks the guards.
#[derive(Default)]
pub struct Memory(RefCell<Vec<Buffer>>);

impl Drop for Memory {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.borrow().iter().for_each(Buffer::check);
        }
    }
}

const GUARD: u8 = 0xC3;
const GUARD_BYTES: usize = 256;

/// Memory of a kernel, 16-byte aligned, between guards that [`Buffer::bytes`] checks.
pub struct Buffer {
    words: Vec<u128>,
    bytes: usize,
}

impl Buffer {
    /// Of these bytes.
    pub fn of_bytes(content: &[u8]) -> Self {
        let mut words = vec![0u128; (content.len() + 2 * GUARD_BYTES).div_ceil(16)];
        let bytes = bytes_of_mut(&mut words);
        bytes.fill(GUARD);
        bytes[GUARD_BYTES..GUARD_BYTES + content.len()].copy_from_slice(content);
        Self { words, bytes: content.len() }
    }

    /// Of these values.
    pub fn new<T: Plain>(values: &[T]) -> Self {
        Self::of_bytes(bytes_of(values))
    }

    /// Of these numbers, rounded to `element`.
    pub fn rounded(element: Element, numbers: &[f32]) -> Self {
        Self::of_bytes(&round(element, numbers))
    }

    /// The address of the first byte.
    pub fn pointer(&mut self) -> u64 {
        self.words.as_mut_ptr() as u64 + GUARD_BYTES as u64
    }

    /// The address of the first byte, of memory that lives as long as `memory`.
    pub fn keep(mut self, memory: &Memory) -> u64 {
        let pointer = self.pointer();
        memory.0.borrow_mut().push(self);
        pointer
    }

    /// The content.
    ///
    /// # Panics
    /// When a kernel wrote before or behind it.
    pub fn bytes(&self) -> &[u8] {
        self.check();
        &bytes_of(&self.words)[GUARD_BYTES..GUARD_BYTES + self.bytes]
    }

    fn check(&self) {
        let (front, rest) = bytes_of(&self.words).split_at(GUARD_BYTES);
        let guards = front.iter().chain(&rest[self.bytes..]);
        assert!(guards.copied().all(|byte| byte == GUARD), "a write beyond a buffer");
    }

    /// The content as numbers of `element`.
    pub fn numbers(&self, element: Element) -> Vec<f32> {
        widen(element, self.bytes())
    }

    /// The content as `f32`.
    pub fn floats(&self) -> Vec<f32> {
        self.numbers(Element::F32)
    }

    /// The content as `u32`.
    pub fn words(&self) -> Vec<u32> {
        self.bytes().as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
    }
}

fn bytes_of<T: Copy>(values: &[T]) -> &[u8] {
    // SAFETY: callers hold plain numbers without padding.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

fn bytes_of_mut(values: &mut [u128]) -> &mut [u8] {
    // SAFETY: any bytes make a `u128`.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

/// Numbers as bytes of `element`.
pub fn round(element: Element, numbers: &[f32]) -> Vec<u8> {
    let one = |&number: &f32| match element {
        Element::Bf16 => bf16::from_f32(number).to_le_bytes().to_vec(),
        Element::F16 => f16::from_f32(number).to_le_bytes().to_vec(),
        Element::F32 => number.to_le_bytes().to_vec(),
    };
    numbers.iter().flat_map(one).collect()
}

/// The numbers of bytes of `element`.
pub fn widen(element: Element, bytes: &[u8]) -> Vec<f32> {
    let one = |bytes: &[u8]| match (element, bytes) {
        (Element::Bf16, &[low, high]) => bf16::from_le_bytes([low, high]).to_f32(),
        (Element::F16, &[low, high]) => f16::from_le_bytes([low, high]).to_f32(),
        (_, bytes) => f32::from_le_bytes(bytes.try_into().unwrap()),
    };
    bytes.chunks(element.bytes()).map(one).collect()
}

/// Numbers rounded to `element` and back.
pub fn through(element: Element, numbers: &[f32]) -> Vec<f32> {
    widen(element, &round(element, numbers))
}

/// Error of one rounding to `element`, relative.
pub fn step(element: Element) -> f64 {
    match element {
        Element::Bf16 => 1.0 / 256.0,
        Element::F16 => 1.0 / 2048.0,
        Element::F32 => 1e-6,
    }
}

/// Numbers between -1 and 1 that depend on the seed alone (`SplitMix64`).
pub fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x2545_F491_4F6C_DD1D).wrapping_add(77);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = state;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ x >> 31) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Runs a kernel in one order.
///
/// # Panics
/// When it did what it must not.
pub fn run<P: Params>(kernel: Kernel, launch: &Launch, params: &P, order: Order) {
    // SAFETY: the pointers are those of live buffers of the sizes that the test gives.
    unsafe { emulate::launch(kernel, launch, params, order) }.unwrap();
}

/// What `result` gives in both orders, which must be the same.
pub fn in_both_orders<T: PartialEq + std::fmt::Debug>(result: impl Fn(Order) -> T) -> T {
    let [forward, reversed] = Order::ALL.map(result);
    assert!(forward == reversed, "the result depends on the order of blocks or threads");
    forward
}

/// Asserts that numbers are within `tolerance` of the larger of 1 and the expected magnitude.
pub fn assert_near(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        let limit = tolerance * expected.abs().max(1.0);
        assert!(error <= limit, "{what}: element {index} is {found}, not {expected}");
    }
}
