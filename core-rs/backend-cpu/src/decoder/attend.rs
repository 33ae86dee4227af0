//! Attention of a step: pieces of work, merging of split ones, and quantization for the output
//! projection.

use tgi_model::spec::Position;

use super::rows::QuantizeRow;
use super::{Step, Unit, part};
use crate::arena::Worker;
use crate::attention::{AttendChunk, MAX_ROWS, Partial, Row};
use crate::isa::Kernel;
use crate::pool::Team;
use crate::simd::Simd;

/// Merges a later partial result into `values`.
struct Merge<'a>(&'a mut Partial, &'a mut [f32], Partial, &'a [f32]);

impl Kernel for Merge<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.0.merge(simd, self.1, self.2, self.3);
    }
}

/// Finishes a row.
struct Finish<'a>(Partial, &'a mut [f32]);

impl Kernel for Finish<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.0.finish(simd, self.1);
    }
}

impl Step<'_> {
    /// Attention of one layer, up to the input of the output projection.
    pub(super) fn attend(&self, team: &Team, index: usize) {
        let (kv_heads, units) = (self.spec.attention.kv_heads, &self.units.pieces);
        team.region(units.len() * kv_heads, |item| {
            self.unit(team, index, &units[item / kv_heads], item % kv_heads);
        });
        let heads = self.spec.attention.heads;
        team.region(self.units.splits.len() * heads, |item| self.merge(team, item));
        let (arena, tokens) = (self.arena, self.tokens());
        let (width, items) = (arena.widths.query, self.items(tokens));
        team.region(items, |item| {
            for token in part(tokens, items, item) {
                // SAFETY: the regions before wrote the row.
                let row = unsafe { arena.attended.floats.read(token * width..(token + 1) * width) };
                self.isa.run(QuantizeRow { row, to: &arena.attended, token, tokens });
            }
        });
    }

    /// One piece of work for one KV head, at most [`MAX_ROWS`] rows at a time.
    fn unit(&self, team: &Team, index: usize, unit: &Unit, kv_head: usize) {
        let attention = &self.spec.attention;
        let group = attention.heads / attention.kv_heads;
        let mut rows = [Row::default(); MAX_ROWS];
        let mut places = [(0, 0); MAX_ROWS];
        let mut count = 0;
        let all = unit.tokens.clone().flat_map(|token| (0..group).map(move |head| (token, head)));
        for (token, head) in all {
            let head = kv_head * group + head;
            rows[count] = self.row(token, head, index);
            places[count] = (token, head);
            count += 1;
            if count == MAX_ROWS {
                self.rows(team, index, unit, kv_head, &rows, &places);
                count = 0;
            }
        }
        self.rows(team, index, unit, kv_head, &rows[..count], &places[..count]);
    }

    fn row(&self, token: usize, head: usize, index: usize) -> Row {
        let attention = &self.spec.attention;
        let last = self.batch.positions[token] as usize;
        let window = attention.windows.get(index).copied().flatten();
        Row {
            query: (token * attention.heads + head) * self.arena.widths.head,
            first: window.map_or(0, |window| (last + 1).saturating_sub(window)),
            last,
            slope: match self.spec.position {
                Position::Alibi => alibi_slope(head, attention.heads),
                _ => 0.0,
            },
        }
    }

    fn rows(
        &self,
        team: &Team,
        index: usize,
        unit: &Unit,
        kv_head: usize,
        rows: &[Row],
        places: &[(usize, usize)],
    ) {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        let (arena, padded) = (self.arena, self.arena.widths.head);
        // SAFETY: this thread's own memory.
        let worker = unsafe { arena.workers.get(team.worker) };
        let seen = |chunk: usize| {
            let start = chunk * crate::attention::CHUNK;
            start <= last.last && first.first < start + crate::attention::CHUNK
        };
        worker.partials[0].fill(Partial::default());
        for chunk in unit.chunks.clone().filter(|&chunk| seen(chunk)) {
            self.chunk(worker, index, unit, kv_head, rows, chunk);
            for row in 0..rows.len() {
                let range = row * padded..(row + 1) * padded;
                let [partials, later] = &mut worker.partials;
                let [values, later_values] = &mut worker.values;
                let values = &mut values[range.clone()];
                self.isa.run(Merge(&mut partials[row], values, later[row], &later_values[range]));
            }
        }
        for (row, &(token, head)) in places.iter().enumerate() {
            let values = &mut worker.values[0][row * padded..(row + 1) * padded];
            match unit.partials {
                Some(start) => self.keep(start + head, worker.partials[0][row], values),
                None => self.finish(worker.partials[0][row], values, token, head),
            }
        }
    }

    /// The partial results of one chunk, to the worker's second buffers.
    fn chunk(
        &self,
        worker: &mut Worker,
        index: usize,
        unit: &Unit,
        kv_head: usize,
        rows: &[Row],
        chunk: usize,
    ) {
        let arena = self.arena;
        // SAFETY: an earlier region wrote the queries and the pages.
        let (queries, keys, values) = unsafe {
            (
                arena.queries.read(0..arena.queries.len()),
                arena.keys[index].read(0..arena.keys[index].len()),
                arena.values[index].read(0..arena.values[index].len()),
            )
        };
        let span = &self.batch.sequences[unit.sequence];
        self.isa.run(AttendChunk {
            queries,
            rows,
            chunk,
            pages: &self.batch.page_table[span.pages.clone()],
            keys,
            values,
            shape: arena.shape,
            kv_head,
            soft_cap: self.spec.attention.soft_cap,
            scratch: &mut worker.scratch,
            partials: &mut worker.partials[1],
            out: &mut worker.values[1],
        });
    }

    /// Keeps the partial result of a split token.
    fn keep(&self, row: usize, partial: Partial, values: &[f32]) {
        let (arena, padded) = (self.arena, self.arena.widths.head);
        // SAFETY: a row of partial results belongs to one chunk and head, so to one item.
        unsafe {
            arena.partials.set(row, partial);
            arena.partial_values.write(row * padded..(row + 1) * padded).copy_from_slice(values);
        }
    }

    /// Merges one head of a split token, chunk by chunk.
    fn merge(&self, team: &Team, item: usize) {
        let (arena, padded) = (self.arena, self.arena.widths.head);
        let heads = self.spec.attention.heads;
        let (split, head) = (&self.units.splits[item / heads], item % heads);
        let units = &self.units.pieces[split.clone()];
        // SAFETY: this thread's own memory.
        let worker = unsafe { arena.workers.get(team.worker) };
        let mut merged = Partial::default();
        let values = &mut worker.values[0][..padded];
        for start in units.iter().filter_map(|unit| unit.partials) {
            let row = start + head;
            // SAFETY: the region before wrote the partial results.
            let (later, later_values) = unsafe {
                (
                    arena.partials.read(row..row + 1)[0],
                    arena.partial_values.read(row * padded..(row + 1) * padded),
                )
            };
            self.isa.run(Merge(&mut merged, values, later, later_values));
        }
        self.finish(merged, values, units[0].tokens.start, head);
    }

    /// Writes the attention of one head of one token.
    fn finish(&self, partial: Partial, values: &mut [f32], token: usize, head: usize) {
        let size = self.spec.attention.head_size;
        self.isa.run(Finish(partial, values));
        let start = token * self.arena.widths.query + head * size;
        // SAFETY: a token's head is written by the one item that has it.
        let out = unsafe { self.arena.attended.floats.write(start..start + size) };
        out.copy_from_slice(&values[..size]);
    }
}

/// Slope of a head with linear biases (Press et al. 2021, <https://arxiv.org/abs/2108.12409>), as
/// Hugging Face's BLOOM extends it to head counts that are no power of two.
fn alibi_slope(head: usize, heads: usize) -> f32 {
    let power = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
    let exponent = if head < power {
        8.0 * (head + 1) as f32 / power as f32
    } else {
        4.0 * (2 * (head - power) + 1) as f32 / power as f32
    };
    (-exponent).exp2()
}

#[cfg(test)]
mod tests {
    use super::alibi_slope;

    #[test]
    fn slopes_fall_from_a_half_to_a_256th() {
        assert!((alibi_slope(0, 8) - 0.5).abs() < 1e-6);
        assert!((alibi_slope(7, 8) - 1.0 / 256.0).abs() < 1e-9);
        assert!((alibi_slope(8, 12) - 2f32.powf(-0.5)).abs() < 1e-6);
    }
}
