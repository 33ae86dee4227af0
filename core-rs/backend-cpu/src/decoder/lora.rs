//! Low-rank updates of projections, for the rows whose sequence has an adapter.
//!
//! A row's terms are summed in the order of the columns whatever rows stand beside it, so that its
//! bytes depend on its own adapter alone.

use std::ops::Range;

use super::{Rows, Source, Step, part};
use crate::lora::LowRows;
use crate::matrix::Input;
use crate::pool::Team;
use crate::product::{Blocks, PanelRow};
use crate::weights::Linear;

/// Rows that one item of work multiplies.
const ROW_BLOCK: usize = 16;

impl Step<'_> {
    /// Room for low rows, in a step that has some.
    pub(super) fn low(&self) -> Option<&LowRows> {
        self.arena.low.as_ref().filter(|_| self.plan.is_adapted)
    }

    /// Multiplies the first `count` rows that have an adapter with its `down`, for each of
    /// `linears` that it changes. Their places in the list are their slots.
    pub(super) fn lower<'l>(
        &self,
        team: &Team,
        (rows, count): (&Rows, usize),
        source: &Source,
        linears: &(impl Iterator<Item = &'l Linear> + Clone),
    ) {
        let Some(low) = self.low() else { return };
        let blocks = count.div_ceil(ROW_BLOCK);
        let mut is_ready = false;
        team.region(linears.clone().count() * blocks, |item| {
            let input = self.read(team, source, rows, &mut is_ready);
            let slot = item / blocks;
            let Some(linear) = linears.clone().nth(slot) else { return };
            for (adapter, rows) in self.adapted(rows, part(count, blocks, item % blocks)) {
                let Some(update) = linear.updates.of(adapter) else { continue };
                // SAFETY: this thread's own memory.
                let worker = unsafe { self.arena.workers.get(team.worker) };
                let results = &mut worker.terms[..rows.len()];
                for panel in 0..update.down.panels() {
                    update.down.product(self.isa, panel, &input, rows.clone(), results);
                    for (row, values) in rows.clone().zip(&*results) {
                        let values = values.as_flattened();
                        let start = row * low.width() + slot * low.rank + panel * values.len();
                        // SAFETY: a row's slot is written by the one item that has both.
                        let out = unsafe { low.values.write(start..start + values.len()) };
                        out.copy_from_slice(values);
                    }
                }
            }
        });
    }

    /// Adds one panel of the updates to the `results` of some rows; `terms` is working memory, as
    /// long as `results`.
    pub(super) fn raise(
        &self,
        all: &Rows,
        (linear, slot): (&Linear, usize),
        panel: usize,
        range: Range<usize>,
        results: &mut [PanelRow],
        terms: &mut [PanelRow],
    ) {
        let Some(low) = self.low() else { return };
        let (first, width) = (range.start, low.width());
        for (adapter, rows) in self.adapted(all, range) {
            let Some(update) = linear.updates.of(adapter) else { continue };
            // SAFETY: an earlier region wrote the rows.
            let floats = unsafe { low.values.read(0..rows.end * width) };
            let floats = &floats[slot * low.rank..];
            let input = Input { blocks: Blocks { blocks: &[], stride: 0 }, floats, stride: width };
            let terms = &mut terms[..rows.len()];
            update.up.product(self.isa, panel, &input, rows.clone(), terms);
            let results = &mut results[rows.start - first..rows.end - first];
            for (result, term) in results.iter_mut().zip(terms) {
                for (result, term) in result.as_flattened_mut().iter_mut().zip(term.as_flattened())
                {
                    *result += term;
                }
            }
        }
    }

    /// The adapters of a range of rows, each with neighbours that share it.
    fn adapted<'s>(
        &'s self,
        rows: &'s Rows,
        range: Range<usize>,
    ) -> impl Iterator<Item = (u32, Range<usize>)> + 's {
        let adapter = |row: usize| {
            let sequence = self.plan.sequence_of(rows.tokens[row] as usize);
            self.batch.sequences[sequence].adapter
        };
        let mut next = range.start;
        let runs = std::iter::from_fn(move || {
            let first = next;
            let of_first = (first < range.end).then(|| adapter(first))?;
            let end = (first + 1..range.end).find(|&row| adapter(row) != of_first);
            next = end.unwrap_or(range.end);
            Some((of_first, first..next))
        });
        runs.filter_map(|(adapter, rows)| Some((adapter?, rows)))
    }
}
