//! One chunk of positions for up to [`MAX_ROWS`] rows of one sequence and one KV head.

use std::ops::Range;

use tgi_backend::PAGE_TOKENS;

use super::cache::GROUP;
use super::int8::{self, Queries};
use super::scores::page_scores;
use super::values::{Element, page_values};
use super::{CHUNK, KvCache, KvShape, MAX_ROWS, Partial, SPAN};
use crate::isa::Kernel;
use crate::math::{exp, soft_cap};
use crate::shared::{Plain, Shared};
use crate::simd::{LANES, Simd};

/// Number of each lane.
const LANE_NUMBERS: [f32; LANES] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

/// One query head of one token.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    /// First position that it sees.
    pub first: usize,
    /// Its own position, the last that it sees.
    pub last: usize,
    /// Added to a score for each position between key and query; zero without linear biases.
    pub slope: f32,
}

/// Memory of one thread.
#[derive(Clone, Debug)]
pub struct Scratch {
    /// Scores, then weights, `[MAX_ROWS][CHUNK]`.
    weights: Vec<[f32; CHUNK]>,
    /// The queries where keys are bytes.
    pub(super) queries: Queries,
}

impl Scratch {
    /// Memory for heads of `padded` elements.
    pub fn new(padded: usize) -> Self {
        Self { weights: vec![[0.0; CHUNK]; MAX_ROWS], queries: Queries::new(padded) }
    }
}

/// Computes the partial results of `rows` for the positions of chunk `chunk`.
pub struct AttendChunk<'a> {
    /// Scaled queries, `[rows][padded]`; for int8 pages [`super::QuantizeQueries`] has them.
    pub queries: &'a [f32],
    /// At most [`MAX_ROWS`] rows, in the order of their positions.
    pub rows: &'a [Row],
    /// Which chunk: positions `chunk * CHUNK..`.
    pub chunk: usize,
    /// The sequence's page table.
    pub pages: &'a [u32],
    /// Pages of the layer.
    pub cache: &'a KvCache,
    /// Their sizes.
    pub shape: KvShape,
    /// Which KV head.
    pub kv_head: usize,
    /// Cap on the scores.
    pub soft_cap: Option<f32>,
    /// Working memory.
    pub scratch: &'a mut Scratch,
    /// Soft-max of each row.
    pub partials: &'a mut [Partial],
    /// Weighted values of each row, `[rows][padded]`.
    pub out: &'a mut [f32],
}

/// Runs `$body` with `$count` as a constant, one of those listed, the largest that still fits;
/// `$start` is the first row of each group.
macro_rules! in_groups {
    ($rows:expr, [$($size:literal),*], |$start:ident, $count:ident| $body:expr) => {
        let mut $start = 0;
        while $start < $rows {
            $(if $rows - $start >= $size {
                const $count: usize = $size;
                $body;
                $start += $size;
                continue;
            })*
        }
    };
}

impl AttendChunk<'_> {
    /// Positions of the chunk that any row sees, relative to the chunk: from the start of a page on,
    /// whole vectors.
    fn seen(&self) -> Range<usize> {
        let start = self.chunk * CHUNK;
        let first = self.rows.iter().map(|row| row.first).min().unwrap_or(0).max(start) - start;
        let last = self.rows.iter().map(|row| row.last + 1).max().unwrap_or(0);
        let end = last.saturating_sub(start).min(CHUNK);
        first / PAGE_TOKENS * PAGE_TOKENS..end.next_multiple_of(LANES)
    }

    /// Which head of all pages holds the positions from `start` of the chunk on.
    fn head(&self, start: usize) -> usize {
        let page = self.pages[(self.chunk * CHUNK + start) / PAGE_TOKENS];
        self.shape.index(page, self.kv_head)
    }

    /// The head after that, or the same at the end of the sequence.
    fn next_head(&self, start: usize) -> usize {
        let page = (self.chunk * CHUNK + start) / PAGE_TOKENS + 1;
        self.shape.index(self.pages[page.min(self.pages.len() - 1)], self.kv_head)
    }

    #[inline(always)]
    fn score<S: Simd, const ROWS: usize>(&mut self, simd: S, first: usize, seen: Range<usize>) {
        let size = self.shape.head();
        let mut queries = [&[][..]; ROWS];
        for row in 0..ROWS {
            queries[row] = &self.queries[(first + row) * self.shape.padded..];
        }
        let end = seen.end;
        for start in seen.step_by(PAGE_TOKENS) {
            let (head, next) = (self.head(start), self.next_head(start));
            let vectors = (end - start) / LANES;
            let [weights] = self.scratch.weights[first..first + ROWS].as_chunks_mut::<ROWS>().0
            else {
                return;
            };
            let out = weights.each_mut().map(|row| page_of(row, start));
            match self.cache {
                KvCache::Half { keys, .. } => {
                    score_floats(simd, self.shape, queries, (keys, vectors), [head, next], out);
                }
                KvCache::Single { keys, .. } => {
                    score_floats(simd, self.shape, queries, (keys, vectors), [head, next], out);
                }
                KvCache::Int8 { keys, scales, .. } => {
                    let groups = self.shape.head_size.div_ceil(GROUP);
                    let end = head * size + groups * GROUP * PAGE_TOKENS;
                    // SAFETY: a head of a page is written in earlier regions, or by this item.
                    let (page, scales) = unsafe {
                        (keys.read(head * size..end), scales.read(self.shape.scales_of(2 * head)))
                    };
                    let page = (page, scales);
                    let (queries, next) = (&self.scratch.queries, keys.address(next * size));
                    int8::page_scores::<S, ROWS>(simd, queries, first, page, next, out);
                }
            }
        }
    }

    /// Turns the scores of a row into weights, zero where it sees nothing.
    #[inline(always)]
    fn soft_max<S: Simd>(&mut self, simd: S, index: usize, seen: Range<usize>) {
        let row = self.rows[index];
        let start = self.chunk * CHUNK;
        let first = row.first.saturating_sub(start).clamp(seen.start, seen.end);
        let end = (row.last + 1).saturating_sub(start).clamp(first, seen.end);
        let weights = &mut self.scratch.weights[index];
        if first == end {
            weights[seen].fill(0.0);
            self.partials[index] = Partial::default();
            return;
        }
        if let Some(cap) = self.soft_cap {
            for x in weights[seen.clone()].as_chunks_mut::<LANES>().0 {
                simd.store(soft_cap(simd, simd.load(x), cap), x);
            }
        }
        if row.slope != 0.0 {
            let own = (row.last - start) as f32 - seen.start as f32;
            take_off_distances(simd, row.slope, own, &mut weights[seen.clone()]);
        }
        weights[seen.start..first].fill(f32::NEG_INFINITY);
        weights[end..seen.end].fill(f32::NEG_INFINITY);
        let vectors = weights[seen].as_chunks_mut::<LANES>().0;
        let mut largest = simd.splat(f32::NEG_INFINITY);
        for x in vectors.iter() {
            largest = simd.max(largest, simd.load(x));
        }
        let largest = simd.largest(largest);
        let shift = simd.splat(largest);
        let mut sum = simd.splat(0.0);
        for x in vectors {
            let weight = exp(simd, simd.sub(simd.load(x), shift));
            sum = simd.add(sum, weight);
            simd.store(weight, x);
        }
        self.partials[index] = Partial { largest, sum: simd.sum(sum) };
    }

    #[inline(always)]
    fn weigh<S: Simd, const ROWS: usize>(&mut self, simd: S, first: usize, seen: Range<usize>) {
        let (padded, size) = (self.shape.padded, self.shape.head());
        let end = self.slots_end(seen.end);
        for start in seen.step_by(PAGE_TOKENS) {
            let (head, next) = (self.head(start), self.next_head(start));
            let read = head * size..head * size + PAGE_TOKENS.min(end - start) * padded;
            let weights = &self.scratch.weights[first..first + ROWS];
            let [weights] = weights.as_chunks::<ROWS>().0 else { return };
            let weights = weights.each_ref().map(|row| page_of_ref(row, start));
            let mut rows = self.out[first * padded..].chunks_exact_mut(padded);
            let mut out = std::array::from_fn(|_| rows.next().unwrap_or_default());
            match self.cache {
                KvCache::Half { values, .. } => {
                    weigh_floats(simd, weights, values, (read, next * size), padded, &mut out);
                }
                KvCache::Single { values, .. } => {
                    weigh_floats(simd, weights, values, (read, next * size), padded, &mut out);
                }
                KvCache::Int8 { values, scales, .. } => {
                    // SAFETY: a head of a page is written in earlier regions, or by this item.
                    let (page, scales) = unsafe {
                        (values.read(read), scales.read(self.shape.scales_of(2 * head + 1)))
                    };
                    let next = values.address(next * size);
                    for (span, scales) in scales.as_chunks::<PAGE_TOKENS>().0.iter().enumerate() {
                        let columns = span * SPAN..padded.min((span + 1) * SPAN);
                        let mut scaled = [[0.0; PAGE_TOKENS]; ROWS];
                        for row in 0..ROWS {
                            scaled[row] = product(simd, weights[row], scales);
                        }
                        let (weights, at) = (scaled.each_ref(), (padded, columns));
                        page_values::<S, i8, ROWS>(simd, weights, page, next, at, &mut out);
                    }
                }
            }
        }
    }

    /// End of what has been written to the pages: later slots hold nothing of this sequence.
    fn slots_end(&self, seen_end: usize) -> usize {
        let last = self.rows.iter().map(|row| row.last + 1).max().unwrap_or(0);
        seen_end.min(last.saturating_sub(self.chunk * CHUNK))
    }
}

/// Takes `slope` for each position between a key and the query off the scores; the query is at
/// `own` of them. What it gives scores behind the query does not count.
#[inline(always)]
fn take_off_distances<S: Simd>(simd: S, slope: f32, own: f32, scores: &mut [f32]) {
    let (slope, step) = (simd.splat(slope), simd.splat(LANES as f32));
    let mut distance = simd.sub(simd.splat(own), simd.load(&LANE_NUMBERS));
    for x in scores.as_chunks_mut::<LANES>().0 {
        simd.store(simd.sub(simd.load(x), simd.mul(slope, distance)), x);
        distance = simd.sub(distance, step);
    }
}

/// The weights of a page, each with the scale of its value.
#[inline(always)]
fn product<S: Simd>(
    simd: S,
    weights: &[f32; PAGE_TOKENS],
    scales: &[f32; PAGE_TOKENS],
) -> [f32; PAGE_TOKENS] {
    let mut out = [0.0; PAGE_TOKENS];
    let pairs = weights.as_chunks::<LANES>().0.iter().zip(scales.as_chunks::<LANES>().0);
    for ((weights, scales), out) in pairs.zip(out.as_chunks_mut::<LANES>().0) {
        simd.store(simd.mul(simd.load(weights), simd.load(scales)), out);
    }
    out
}

/// The weights of the page that starts at `start`.
fn page_of(row: &mut [f32; CHUNK], start: usize) -> &mut [f32; PAGE_TOKENS] {
    &mut row.as_chunks_mut::<PAGE_TOKENS>().0[start / PAGE_TOKENS]
}

/// The same for reading.
fn page_of_ref(row: &[f32; CHUNK], start: usize) -> &[f32; PAGE_TOKENS] {
    &row.as_chunks::<PAGE_TOKENS>().0[start / PAGE_TOKENS]
}

/// [`page_scores`] of the first vectors of head `head` of the cache's float keys; `next` is read soon.
#[inline(always)]
fn score_floats<S: Simd, T: Element + Plain, const ROWS: usize>(
    simd: S,
    shape: KvShape,
    queries: [&[f32]; ROWS],
    (keys, vectors): (&Shared<T>, usize),
    [head, next]: [usize; 2],
    out: [&mut [f32; PAGE_TOKENS]; ROWS],
) {
    let start = head * shape.head();
    // SAFETY: a head of a page is written in earlier regions, or by this item.
    let page = unsafe { keys.read(start..start + shape.head_size * PAGE_TOKENS) };
    let next = keys.address(next * shape.head());
    match vectors {
        1 => page_scores::<S, T, ROWS, 1>(simd, queries, page, next, out),
        _ => page_scores::<S, T, ROWS, 2>(simd, queries, page, next, out),
    }
}

/// [`page_values`] of all columns of the float values in `read`; those from `next` on are read
/// soon.
#[inline(always)]
fn weigh_floats<S: Simd, T: Element + Plain, const ROWS: usize>(
    simd: S,
    weights: [&[f32; PAGE_TOKENS]; ROWS],
    values: &Shared<T>,
    (read, next): (Range<usize>, usize),
    padded: usize,
    out: &mut [&mut [f32]; ROWS],
) {
    // SAFETY: a head of a page is written in earlier regions, or by this item.
    let page = unsafe { values.read(read) };
    page_values(simd, weights, page, values.address(next), (padded, 0..padded), out);
}

impl Kernel for AttendChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (rows, seen) = (self.rows.len(), self.seen());
        self.out[..rows * self.shape.padded].fill(0.0);
        in_groups!(rows, [8, 4, 3, 2, 1], |start, ROWS| self.score::<S, ROWS>(
            simd,
            start,
            seen.clone()
        ));
        for row in 0..rows {
            self.soft_max(simd, row, seen.clone());
        }
        in_groups!(rows, [6, 4, 3, 2, 1], |start, ROWS| self.weigh::<S, ROWS>(
            simd,
            start,
            seen.clone()
        ));
    }
}
