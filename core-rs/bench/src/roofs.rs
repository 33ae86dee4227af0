//! What the machine can do at most, on the threads of the benchmark: decode of one stream is bound
//! by reading the weights, prefill and many streams by integer dot products.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use tgi_backend_cpu::isa::{Isa, Kernel};
use tgi_backend_cpu::simd::{LANES, Simd};

/// Elements of the large buffer: 1 GiB, more than any cache.
pub const LARGE_BUFFER_BYTES: usize = 1 << 30;
/// Runs; the best counts, since whatever disturbs one only slows it.
const RUNS: usize = 7;
/// Dot products of a run, in each accumulator.
const DOTS: usize = 2_000_000;
/// Operations of one [`Simd::dot`]: 64 products and 64 additions.
const DOT_OPERATIONS: f64 = 128.0;

type Line = [f32; LANES];

/// Read bandwidth in bytes a second, over a buffer of `bytes` that the threads divide.
pub fn read_bandwidth(isa: Isa, threads: usize, bytes: usize) -> f64 {
    let lines = (bytes / size_of::<Line>()).max(threads);
    let mut buffer: Vec<Line> = Vec::new();
    buffer.resize_with(lines, || black_box([1.0; LANES]));
    let parts: Vec<&[Line]> = buffer.chunks(lines.div_ceil(threads)).collect();
    let passes = (LARGE_BUFFER_BYTES / (lines * size_of::<Line>())).max(1);
    let time = best_time(parts.len(), |worker| {
        for _ in 0..passes {
            black_box(isa.run(Read(black_box(parts[worker]))));
        }
    });
    (passes * lines * size_of::<Line>()) as f64 / time
}

/// Integer dot products in operations a second: a multiplication and an addition are two.
pub fn dot_rate(isa: Isa, threads: usize) -> f64 {
    // Wide registers hide the latency with many accumulators, narrow ones have room for few.
    dot_rate_of::<4>(isa, threads).max(dot_rate_of::<12>(isa, threads))
}

fn dot_rate_of<const N: usize>(isa: Isa, threads: usize) -> f64 {
    let dots = if isa.name() == "portable" { DOTS / 100 } else { DOTS };
    let time = best_time(threads, |_| {
        black_box(isa.run(Dot::<N> { weights: &black_box([3; 64]), x: &black_box([1; 4]), dots }));
    });
    (threads * N * dots) as f64 * DOT_OPERATIONS / time
}

/// The shortest time in seconds in which all threads have done `work`.
fn best_time(threads: usize, work: impl Fn(usize) + Sync) -> f64 {
    let run = || {
        let gate = Barrier::new(threads);
        let spans: Vec<(Instant, Instant)> = thread::scope(|scope| {
            let team: Vec<_> = (0..threads)
                .map(|worker| {
                    let (gate, work) = (&gate, &work);
                    scope.spawn(move || {
                        gate.wait();
                        let start = Instant::now();
                        work(worker);
                        (start, Instant::now())
                    })
                })
                .collect();
            team.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let start = spans.iter().map(|(start, _)| *start).min();
        let end = spans.iter().map(|(_, end)| *end).max();
        start.zip(end).map_or(f64::MAX, |(start, end)| (end - start).as_secs_f64())
    };
    (0..RUNS).map(|_| run()).fold(f64::MAX, f64::min)
}

/// Reads all lines; the sum keeps the reads alive.
struct Read<'a>(&'a [Line]);

impl Kernel for Read<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        /// Lines that are asked for ahead of their turn.
        const AHEAD: usize = 48;
        let mut sums = [simd.splat(0.0); 8];
        let (groups, rest) = self.0.as_chunks::<8>();
        for group in groups {
            for (sum, line) in sums.iter_mut().zip(group) {
                simd.prefetch(std::ptr::from_ref(line).wrapping_add(AHEAD));
                *sum = simd.add(*sum, simd.load(line));
            }
        }
        for line in rest {
            sums[0] = simd.add(sums[0], simd.load(line));
        }
        sums.iter().map(|&sum| simd.sum(sum)).sum()
    }
}

/// Dot products in `N` independent accumulators.
struct Dot<'a, const N: usize> {
    weights: &'a [u8; 64],
    x: &'a [i8; 4],
    dots: usize,
}

impl<const N: usize> Kernel for Dot<'_, N> {
    type Output = i32;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> i32 {
        let (weights, x) = (simd.bytes(self.weights), simd.quad(self.x));
        let mut sums = [simd.splat_i(0); N];
        for _ in 0..self.dots {
            for sum in &mut sums {
                *sum = simd.dot(*sum, weights, x);
            }
        }
        sums.iter().fold(0, |total, &sum| total.wrapping_add(simd.sum_i(sum)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_takes_every_line() {
        let lines = vec![[1.0; LANES]; 1003];
        for isa in Isa::available() {
            assert_eq!(isa.run(Read(&lines)).to_bits(), (1003.0 * LANES as f32).to_bits());
        }
    }

    #[test]
    fn every_dot_product_is_computed() {
        for isa in Isa::available() {
            let sum = isa.run(Dot::<12> { weights: &[3; 64], x: &[2; 4], dots: 5 });
            assert_eq!(sum, 12 * 5 * 64 * 6, "{isa:?}");
        }
    }
}
