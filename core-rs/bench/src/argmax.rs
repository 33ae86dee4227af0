//! The most likely token of a row: what a server needs at the least after each step.

use tgi_backend_cpu::isa::{Isa, Kernel};
use tgi_backend_cpu::simd::{LANES, Simd};

/// Logits of a block: the largest is searched in the first block that has it.
const BLOCK: usize = 4096;

struct Largest<'a>(&'a [f32]);

impl Kernel for Largest<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (quads, rest) = self.0.as_chunks::<{ 4 * LANES }>();
        let mut best = [simd.splat(f32::MIN); 4];
        for quad in quads {
            for (best, lanes) in best.iter_mut().zip(quad.as_chunks::<LANES>().0) {
                *best = simd.max(simd.load(lanes), *best);
            }
        }
        let best = simd.max(simd.max(best[0], best[1]), simd.max(best[2], best[3]));
        rest.iter().copied().fold(simd.largest(best), f32::max)
    }
}

/// Index of the largest logit, of equal ones the lowest.
pub fn argmax(isa: Isa, row: &[f32]) -> u32 {
    let (mut best, mut at) = (f32::MIN, 0);
    for (index, block) in row.chunks(BLOCK).enumerate() {
        let largest = isa.run(Largest(block));
        if largest > best {
            (best, at) = (largest, index);
        }
    }
    let block = row.chunks(BLOCK).nth(at).unwrap_or_default();
    let inside = block.iter().position(|&logit| logit >= best).unwrap_or(0);
    (at * BLOCK + inside) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_wins_on_every_instruction_set() {
        for isa in Isa::available() {
            for size in [1, 15, 64, 77, 4096, 4097, 49_152] {
                let row: Vec<f32> =
                    (0..size).map(|index: usize| (index * 7919 % 1009) as f32 - 2000.0).collect();
                let best = row.iter().copied().fold(f32::MIN, f32::max);
                let expected = row.iter().position(|&logit| logit >= best).unwrap();
                assert_eq!(argmax(isa, &row) as usize, expected, "{isa:?} {size}");
            }
        }
    }
}
