//! Graphs of decode steps, captured at load.

use std::collections::HashMap;

use crate::CudaError;
use crate::arena::Arena;
use crate::buckets::{bucket_of, decode_buckets, split_class, split_classes};
use crate::decoder::Decoder;
use crate::device::{Device, Graph};
use crate::kv::KvPages;
use crate::step::StepShape;

/// How far capturing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Graphs that are there.
    pub captured: usize,
    /// Graphs in all.
    pub graphs: usize,
}

/// A graph for each bucket of rows and each class of splits that its steps may take.
pub(crate) struct Graphs {
    buckets: Vec<usize>,
    graphs: HashMap<StepShape, Graph>,
}

impl Graphs {
    /// None at all.
    pub fn none() -> Self {
        Self { buckets: Vec::new(), graphs: HashMap::new() }
    }

    /// Captures all, the largest first: what does not fit fails at once.
    pub fn capture<D: Device>(
        device: &mut D,
        decoder: &Decoder,
        (arena, kv): (&Arena, &KvPages),
        shapes: &[StepShape],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, CudaError> {
        let mut graphs = HashMap::new();
        for (captured, shape) in shapes.iter().rev().enumerate() {
            progress(Progress { captured, graphs: shapes.len() });
            let mut work = |device: &mut D| decoder.run(device, (arena, kv), shape);
            // Once for real: the driver loads a kernel when it is first launched, which a capture
            // does not allow. The input is all zeros: only page 0 is written, which holds nothing
            // yet.
            work(device)?;
            graphs.insert(*shape, device.capture(&mut work)?);
        }
        let mut buckets: Vec<usize> = shapes.iter().map(|shape| shape.rows).collect();
        buckets.dedup();
        progress(Progress { captured: shapes.len(), graphs: shapes.len() });
        Ok(Self { buckets, graphs })
    }

    /// The rows of the graph for a decode step of `rows`.
    pub fn bucket(&self, rows: usize) -> Option<usize> {
        bucket_of(&self.buckets, rows)
    }

    /// The graph of a shape.
    pub fn get(&self, shape: &StepShape) -> Option<Graph> {
        self.graphs.get(shape).copied()
    }
}

/// What attention of a decode step depends on.
#[derive(Clone, Debug)]
pub(crate) struct SplitRule {
    /// [`split_classes`] of the longest sequence.
    pub classes: Vec<u32>,
    /// Key heads.
    pub kv_heads: usize,
    /// Of the device.
    pub multiprocessors: usize,
}

impl SplitRule {
    /// For sequences of up to `context` positions.
    pub fn new(context: usize, kv_heads: usize, multiprocessors: usize) -> Self {
        Self { classes: split_classes(context), kv_heads, multiprocessors }
    }

    /// The class for `rows` decoded rows that see up to `needed` splits.
    pub fn class(&self, rows: usize, needed: u32) -> u32 {
        split_class(&self.classes, needed, rows * self.kv_heads, self.multiprocessors)
    }

    /// Every shape that a decode step of up to `most` rows may take, in the order of its rows: with
    /// `has_adapters` also those in which rows have one.
    pub fn shapes(&self, most: usize, has_adapters: bool) -> Vec<StepShape> {
        let adapted = [false, true].into_iter().filter(move |&it| has_adapters || !it);
        let of_bucket = |rows: usize| {
            let mut classes: Vec<u32> =
                self.classes.iter().map(|&needed| self.class(rows, needed)).collect();
            classes.dedup();
            let adapted = adapted.clone();
            classes.into_iter().flat_map(move |class| {
                let of =
                    move |is_adapted| StepShape { is_adapted, ..StepShape::decode(rows, class) };
                adapted.clone().map(of)
            })
        };
        decode_buckets(most).into_iter().flat_map(of_bucket).collect()
    }
}

#[cfg(test)]
mod tests {
    use tgi_cuda_kernels::signatures::SPLIT_TOKENS;

    use super::*;

    /// 32 splits at most.
    const CONTEXT: usize = 32 * SPLIT_TOKENS as usize;

    #[test]
    fn every_decode_step_has_a_shape_that_was_captured() {
        let rule = SplitRule::new(CONTEXT, 8, 132);
        let shapes = rule.shapes(64, true);
        let buckets = decode_buckets(64);
        for rows in 1..=64 {
            for needed in 1..=32 {
                let bucket = bucket_of(&buckets, rows).unwrap();
                let shape = StepShape::decode(bucket, rule.class(bucket, needed));
                assert!(shapes.contains(&shape), "{rows} {needed}");
                assert!(shapes.contains(&StepShape { is_adapted: true, ..shape }));
                assert!(shape.splits == 0 || shape.splits >= needed);
            }
        }
    }

    #[test]
    fn steps_that_fill_the_device_are_captured_without_splits_alone() {
        let rule = SplitRule::new(CONTEXT, 8, 132);
        let of = |rows| rule.shapes(64, false).iter().filter(|shape| shape.rows == rows).count();
        assert_eq!((of(1), of(32), of(48)), (4, 4, 1));
    }
}
