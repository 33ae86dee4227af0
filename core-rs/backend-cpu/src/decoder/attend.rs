//! Attention of a layer: pieces of work, merging of split ones, and quantization for the output
//! projection.

use tgi_model::alibi;
use tgi_model::spec::{Position, QkNorm};

use super::rows::QuantizeRow;
use super::{LayerAt, Rows, Step, Unit, part};
use crate::arena::Worker;
use crate::attention::{AttendChunk, CHUNK, MAX_ROWS, Partial, QuantizeQueries, Row};
use crate::isa::Kernel;
use crate::pool::Team;
use crate::simd::Simd;

/// Elements of a block of quantized activations.
const BLOCK: usize = crate::activation::BLOCK;

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

/// A piece of attention work for one KV head.
#[derive(Clone, Copy)]
struct Piece<'a> {
    at: LayerAt<'a>,
    unit: &'a Unit,
    kv_head: usize,
}

impl Step<'_> {
    /// Writes K and V of all rows to the pages, and computes attention of the whole ones up to the
    /// input of the output projection.
    pub(super) fn attend(&self, team: &Team, at: LayerAt) {
        let rows = at.rows;
        let (kv_heads, units) = (self.spec.attention.kv_heads, &rows.units.pieces);
        if self.spec.attention.qk_norm == Some(QkNorm::Row) {
            self.norm_projected(team, at);
        }
        if !rows.units.own_keys {
            let items = self.items(rows.tokens.len());
            team.region(items, |item| {
                for row in part(rows.tokens.len(), items, item) {
                    for kv_head in 0..kv_heads {
                        self.write_key(at, row, kv_head);
                    }
                }
            });
        }
        team.region(units.len() * kv_heads, |item| {
            self.piece(team, Piece { at, unit: &units[item / kv_heads], kv_head: item % kv_heads });
        });
        let heads = self.spec.attention.heads;
        team.region(rows.units.splits.len() * heads, |item| self.merge(team, rows, item));
        if !self.spec.attention.head_size.is_multiple_of(BLOCK) {
            self.quantize_attended(team, rows.whole);
        }
    }

    /// Quantizes the output of attention where a block spans heads.
    fn quantize_attended(&self, team: &Team, rows: usize) {
        let arena = self.arena;
        let (width, items) = (arena.widths.query, self.items(rows));
        team.region(items, |item| {
            for row in part(rows, items, item) {
                // SAFETY: the regions before wrote the row.
                let values = unsafe { arena.attended.floats.read(row * width..(row + 1) * width) };
                let to = &arena.attended;
                self.isa.run(QuantizeRow { values, to, first: 0, row, rows });
            }
        });
    }

    /// One piece of work, at most [`MAX_ROWS`] query heads at a time.
    fn piece(&self, team: &Team, piece: Piece) {
        let (unit, attention) = (piece.unit, &self.spec.attention);
        let group = attention.heads / attention.kv_heads;
        let position = |row: usize| self.position(piece.at.rows, row);
        if piece.at.rows.units.own_keys
            && unit.chunks.contains(&(position(unit.rows.end - 1) / CHUNK))
        {
            for row in unit.rows.clone() {
                self.write_key(piece.at, row, piece.kv_head);
            }
        }
        let mut rows = [Row::default(); MAX_ROWS];
        let mut places = [(0, 0); MAX_ROWS];
        let mut count = 0;
        let all = unit.rows.clone().flat_map(|row| (0..group).map(move |head| (row, head)));
        for (row, head) in all {
            let head = piece.kv_head * group + head;
            rows[count] = self.row(position(row), head, piece.at.index);
            places[count] = (row, head);
            count += 1;
            if count == MAX_ROWS {
                self.rows(team, piece, &rows, &places);
                count = 0;
            }
        }
        self.rows(team, piece, &rows[..count], &places[..count]);
    }

    fn row(&self, last: usize, head: usize, index: usize) -> Row {
        let attention = &self.spec.attention;
        let window = attention.windows.get(index).copied().flatten();
        Row {
            first: window.map_or(0, |window| (last + 1).saturating_sub(window)),
            last,
            slope: match self.spec.position {
                Position::Alibi { factor } => factor * alibi::slope(head, attention.heads),
                _ => 0.0,
            },
        }
    }

    fn rows(&self, team: &Team, piece: Piece, rows: &[Row], places: &[(usize, usize)]) {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        let padded = self.arena.widths.head;
        // SAFETY: this thread's own memory.
        let worker = unsafe { self.arena.workers.get(team.worker) };
        for (&(row, head), query) in places.iter().zip(worker.queries.chunks_exact_mut(padded)) {
            self.query(piece.at, row, head, query);
        }
        if self.arena.shape.format.is_int8() {
            let (queries, scratch) = (&worker.queries[..], &mut worker.scratch);
            self.isa.run(QuantizeQueries { queries, rows: rows.len(), scratch });
        }
        let seen = |chunk: usize| {
            let start = chunk * CHUNK;
            start <= last.last && first.first < start + CHUNK
        };
        worker.partials[0].fill(Partial::default());
        for chunk in piece.unit.chunks.clone().filter(|&chunk| seen(chunk)) {
            self.chunk(worker, piece, rows, chunk);
            for row in 0..rows.len() {
                let range = row * padded..(row + 1) * padded;
                let [partials, later] = &mut worker.partials;
                let [values, later_values] = &mut worker.values;
                let values = &mut values[range.clone()];
                self.isa.run(Merge(&mut partials[row], values, later[row], &later_values[range]));
            }
        }
        for (index, &(row, head)) in places.iter().enumerate() {
            let values = &mut worker.values[0][index * padded..(index + 1) * padded];
            match piece.unit.partials {
                Some(start) => self.keep(start + head, worker.partials[0][index], values),
                None => {
                    self.finish(
                        worker.partials[0][index],
                        values,
                        (row, piece.at.rows.whole),
                        head,
                    );
                }
            }
        }
    }

    /// The partial results of one chunk, to the worker's second buffers.
    fn chunk(&self, worker: &mut Worker, piece: Piece, rows: &[Row], chunk: usize) {
        let span = &self.batch.sequences[piece.unit.sequence];
        self.isa.run(AttendChunk {
            queries: &worker.queries,
            rows,
            chunk,
            pages: &self.batch.page_table[span.pages.clone()],
            cache: &self.arena.kv[piece.at.index],
            shape: self.arena.shape,
            kv_head: piece.kv_head,
            soft_cap: self.spec.attention.soft_cap,
            scratch: &mut worker.scratch,
            partials: &mut worker.partials[1],
            out: &mut worker.values[1],
        });
    }

    /// Keeps the partial result of a split row.
    fn keep(&self, place: usize, partial: Partial, values: &[f32]) {
        let (arena, padded) = (self.arena, self.arena.widths.head);
        // SAFETY: a row of partial results belongs to one chunk and head, so to one item.
        unsafe {
            arena.partials.set(place, partial);
            arena
                .partial_values
                .write(place * padded..(place + 1) * padded)
                .copy_from_slice(values);
        }
    }

    /// Merges one head of a split row, chunk by chunk.
    fn merge(&self, team: &Team, rows: &Rows, item: usize) {
        let (arena, padded) = (self.arena, self.arena.widths.head);
        let heads = self.spec.attention.heads;
        let (split, head) = (&rows.units.splits[item / heads], item % heads);
        let units = &rows.units.pieces[split.clone()];
        // SAFETY: this thread's own memory.
        let worker = unsafe { arena.workers.get(team.worker) };
        let mut merged = Partial::default();
        let values = &mut worker.values[0][..padded];
        for start in units.iter().filter_map(|unit| unit.partials) {
            let place = start + head;
            // SAFETY: the region before wrote the partial results.
            let (later, later_values) = unsafe {
                (
                    arena.partials.read(place..place + 1)[0],
                    arena.partial_values.read(place * padded..(place + 1) * padded),
                )
            };
            self.isa.run(Merge(&mut merged, values, later, later_values));
        }
        self.finish(merged, values, (units[0].rows.start, rows.whole), head);
    }

    /// Writes the attention of one head of row `place.0` of `place.1`.
    fn finish(&self, partial: Partial, values: &mut [f32], place: (usize, usize), head: usize) {
        let (size, (row, rows)) = (self.spec.attention.head_size, place);
        self.isa.run(Finish(partial, values));
        let (values, to) = (&values[..size], &self.arena.attended);
        let is_whole = size.is_multiple_of(BLOCK);
        if !is_whole || self.keeps_floats() {
            let start = row * self.arena.widths.query + head * size;
            // SAFETY: a row's head is written by the one item that has it.
            unsafe { to.floats.write(start..start + size).copy_from_slice(values) };
        }
        if is_whole {
            self.isa.run(QuantizeRow { values, to, first: head * size / BLOCK, row, rows });
        }
    }

    /// Position of a row's token.
    pub(super) fn position(&self, rows: &Rows, row: usize) -> usize {
        self.batch.positions[rows.tokens[row] as usize] as usize
    }
}
