//! Which experts the tokens of a step use, and how much of each.

use std::ops::Range;

use tgi_model::spec::Experts;

use crate::isa::{Isa, Kernel};
use crate::math::exp;
use crate::shared::Shared;
use crate::simd::{LANES, Simd};
use crate::tile::pack::PANEL_ROWS;

/// Routes of up to so many rows. Row `r` uses its experts in the places `r * used..`.
pub struct Routes {
    /// How many experts there are, and how many a row uses.
    pub experts: Experts,
    /// Scores of the router, `[rows][width]`.
    pub scores: Shared<f32>,
    /// Experts in whole panels.
    pub width: usize,
    /// Expert of each place, `[rows][used]`.
    picks: Shared<u32>,
    /// Weight of each place, `[rows][used]`.
    weights: Shared<f32>,
    /// Places by expert, those of an expert in the order of the rows.
    order: Shared<u32>,
    /// Where each expert's places begin in `order`, and their end, `[experts + 1]`.
    starts: Shared<u32>,
}

impl Routes {
    /// Memory for steps of up to `rows` rows.
    pub fn new(experts: Experts, rows: usize) -> Self {
        let width = experts.count.next_multiple_of(PANEL_ROWS);
        let places = rows * experts.used;
        Self {
            experts,
            scores: Shared::new(rows * width),
            width,
            picks: Shared::new(places),
            weights: Shared::new(places),
            order: Shared::new(places),
            starts: Shared::new(experts.count + 1),
        }
    }

    /// Bytes that [`Routes::new`] takes.
    pub fn bytes(experts: Experts, rows: usize) -> usize {
        let width = experts.count.next_multiple_of(PANEL_ROWS);
        4 * (rows * (width + 3 * experts.used) + experts.count + 1)
    }

    /// Picks the experts of a row by its scores, which an earlier region wrote.
    ///
    /// # Safety
    /// One item of the region has the row.
    pub unsafe fn pick(&self, isa: Isa, row: usize) {
        let used = self.experts.used;
        // SAFETY: nobody else touches the row, by the caller's promise.
        let (scores, picks, weights) = unsafe {
            (
                self.scores.write(row * self.width..(row + 1) * self.width),
                self.picks.write(row * used..(row + 1) * used),
                self.weights.write(row * used..(row + 1) * used),
            )
        };
        isa.run(Pick { experts: self.experts, scores, picks, weights });
    }

    /// Sorts the places of the first `rows` rows by expert.
    ///
    /// # Safety
    /// It is the only item of its region, and an earlier one picked.
    pub unsafe fn sort(&self, rows: usize) {
        let (count, places) = (self.experts.count, rows * self.experts.used);
        // SAFETY: the caller's promise.
        let (picks, order, starts) = unsafe {
            (
                self.picks.read(0..places),
                self.order.write(0..places),
                self.starts.write(0..count + 1),
            )
        };
        starts.fill(0);
        for &expert in picks {
            starts[expert as usize + 1] += 1;
        }
        for expert in 0..count {
            starts[expert + 1] += starts[expert];
        }
        // Each start moves on to the next one's place, and all move back behind the loop.
        for (place, &expert) in picks.iter().enumerate() {
            let next = &mut starts[expert as usize];
            order[*next as usize] = place as u32;
            *next += 1;
        }
        starts.copy_within(0..count, 1);
        starts[0] = 0;
    }

    /// Where the places that use an expert lie in the order by expert; an earlier region sorted
    /// them.
    ///
    /// # Safety
    /// No thread picks or sorts meanwhile.
    pub unsafe fn slots(&self, expert: usize) -> Range<usize> {
        // SAFETY: the caller's promise.
        let range = unsafe { self.starts.read(expert..expert + 2) };
        range[0] as usize..range[1] as usize
    }

    /// The places at some slots: those of an expert in the order of the rows.
    ///
    /// # Safety
    /// As [`Routes::slots`].
    pub unsafe fn places(&self, slots: Range<usize>) -> &[u32] {
        // SAFETY: the caller's promise.
        unsafe { self.order.read(slots) }
    }

    /// Weights of the first `places` places.
    ///
    /// # Safety
    /// As [`Routes::slots`].
    pub unsafe fn weights(&self, places: usize) -> &[f32] {
        // SAFETY: the caller's promise.
        unsafe { self.weights.read(0..places) }
    }
}

/// Picks the largest scores of a row, the first among equals, and gives each its share of the
/// soft-max.
struct Pick<'a> {
    experts: Experts,
    /// Whole vectors; what is beyond the experts does not count.
    scores: &'a mut [f32],
    picks: &'a mut [u32],
    weights: &'a mut [f32],
}

impl Kernel for Pick<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.scores[self.experts.count..].fill(f32::NEG_INFINITY);
        let vectors = self.scores.as_chunks_mut::<LANES>().0;
        let mut largest = simd.splat(f32::NEG_INFINITY);
        for x in vectors.iter() {
            largest = simd.max(largest, simd.load(x));
        }
        let largest = simd.splat(simd.largest(largest));
        let mut sum = simd.splat(0.0);
        for x in vectors {
            let power = exp(simd, simd.sub(simd.load(x), largest));
            sum = simd.add(sum, power);
            simd.store(power, x);
        }
        let mut total = simd.sum(sum);
        for (pick, weight) in self.picks.iter_mut().zip(self.weights.iter_mut()) {
            let mut best = 0;
            for (expert, power) in self.scores[..self.experts.count].iter().enumerate() {
                if *power > self.scores[best] || self.scores[best] < 0.0 {
                    best = expert;
                }
            }
            (*pick, *weight) = (best as u32, self.scores[best]);
            // Powers are not negative: it will not be picked again.
            self.scores[best] = -1.0;
        }
        if self.experts.normalized {
            total = self.weights.iter().sum();
        }
        for weight in self.weights {
            *weight /= total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(scores: &[[f32; 3]], normalized: bool) -> Routes {
        let experts = Experts { count: 3, used: 2, normalized };
        let mut routes = Routes::new(experts, scores.len());
        for (row, scores) in scores.iter().enumerate() {
            let start = row * routes.width;
            routes.scores.all()[start..start + 3].copy_from_slice(scores);
        }
        for row in 0..scores.len() {
            // SAFETY: one thread.
            unsafe { routes.pick(Isa::best(), row) };
        }
        // SAFETY: one thread.
        unsafe { routes.sort(scores.len()) };
        routes
    }

    #[test]
    fn each_row_uses_its_largest_scores_and_the_first_among_equals() {
        let scores = [[0.0, 2f32.ln(), 5f32.ln()], [1.0, 1.0, 1.0], [3.0, -200.0, -300.0]];
        let routes = routes(&scores, true);
        // SAFETY: one thread.
        unsafe {
            assert_eq!([0, 1, 2].map(|expert| routes.slots(expert)), [0..2, 2..5, 5..6]);
            assert_eq!(routes.places(0..6), [2, 4, 1, 3, 5, 0]);
            assert_eq!(routes.places(3..5), [3, 5]);
            let weights = routes.weights(6);
            assert!((weights[0] - 5.0 / 7.0).abs() < 1e-6 && (weights[3] - 0.5).abs() < 1e-6);
        }
    }

    #[test]
    fn weights_may_be_shares_of_all_experts() {
        let routes = routes(&[[0.0, 2f32.ln(), 5f32.ln()]], false);
        // SAFETY: one thread.
        unsafe { assert!((routes.weights(1)[0] - 5.0 / 8.0).abs() < 1e-6) };
    }

    #[test]
    fn scores_that_are_no_numbers_still_pick_different_experts() {
        let routes = routes(&[[f32::NAN; 3]], true);
        // SAFETY: one thread.
        let all = (0..3).map(|expert| unsafe { routes.slots(expert).len() });
        assert!(all.clone().sum::<usize>() == 2 && all.into_iter().all(|count| count < 3));
    }
}
