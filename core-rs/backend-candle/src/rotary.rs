//! Rotary position embedding (Su et al. 2021, <https://arxiv.org/abs/2104.09864>), in f32.

use candle_core::{DType, Device, Result, Tensor};
use tgi_model::rope::RopeTable;
use tgi_model::spec::{Rope, RopeLayout};

/// Frequencies of one set of rope parameters.
pub(crate) struct Rotary {
    layout: RopeLayout,
    /// Pairs that turn.
    pairs: usize,
    table: RopeTable,
}

/// Angles of one step's tokens.
pub(crate) struct Rotation {
    layout: RopeLayout,
    /// `[tokens, 1, dimensions / 2]`.
    cos: Tensor,
    /// `[tokens, 1, dimensions / 2]`.
    sin: Tensor,
}

impl Rotary {
    /// The leading `dimensions` elements of each head will turn.
    pub fn new(rope: &Rope, layout: RopeLayout, dimensions: usize) -> Self {
        Self { layout, pairs: dimensions / 2, table: RopeTable::new(rope, dimensions) }
    }

    /// Angles at `positions`, `[tokens]`.
    pub fn at(&self, positions: &[u32], device: &Device) -> Result<Rotation> {
        let angles = positions.iter().flat_map(|&position| {
            let frequencies = self.table.frequencies(position as usize);
            frequencies.map(move |frequency| position as f32 * frequency)
        });
        let angles = Tensor::from_iter(angles, device)?.reshape(((), 1, self.pairs))?;
        let amplitude = f64::from(self.table.amplitude());
        Ok(Rotation {
            layout: self.layout,
            cos: (angles.cos()? * amplitude)?,
            sin: (angles.sin()? * amplitude)?,
        })
    }
}

impl Rotation {
    /// Turns each head of `[tokens, heads, head_size]`.
    pub fn apply(&self, heads: &Tensor) -> Result<Tensor> {
        let x = heads.to_dtype(DType::F32)?;
        let (tokens, count, size) = x.dims3()?;
        let pairs = self.cos.dim(2)?;
        let turning = x.narrow(2, 0, 2 * pairs)?;
        // Both layouts are one array of [.., 2] or [2, ..] pairs.
        let (shape, axis) = match self.layout {
            RopeLayout::Interleaved => ([tokens, count, pairs, 2], 3),
            RopeLayout::Halves => ([tokens, count, 2, pairs], 2),
        };
        let turning = turning.reshape(&shape)?;
        let a = turning.get_on_dim(axis, 0)?;
        let b = turning.get_on_dim(axis, 1)?;
        let turned_a = (a.broadcast_mul(&self.cos)? - b.broadcast_mul(&self.sin)?)?;
        let turned_b = (b.broadcast_mul(&self.cos)? + a.broadcast_mul(&self.sin)?)?;
        let turned = Tensor::stack(&[turned_a, turned_b], axis)?.flatten_from(2)?;
        let rest = x.narrow(2, 2 * pairs, size - 2 * pairs)?;
        Tensor::cat(&[turned, rest], 2)?.to_dtype(heads.dtype())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::FRAC_PI_2;
    use tgi_model::spec::RopeScaling;

    /// Four elements turn and two do not, at position 1.
    fn turn(layout: RopeLayout) -> Vec<f32> {
        // A quarter turn for the first pair, next to none for the second.
        let divisors = [FRAC_PI_2.recip(), 1e9].into();
        let rope = Rope { base: 1e4, scaling: RopeScaling::Divided(divisors) };
        let rotary = Rotary::new(&rope, layout, 4);
        let rotation = rotary.at(&[1], &Device::Cpu).unwrap();
        let x = Tensor::new(&[[[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]]], &Device::Cpu).unwrap();
        let turned = rotation.apply(&x).unwrap().flatten_all().unwrap();
        turned.to_vec1::<f32>().unwrap().iter().map(|x| (x * 1e4).round() / 1e4).collect()
    }

    #[test]
    fn interleaved_turns_neighbours() {
        assert_eq!(turn(RopeLayout::Interleaved), [-2.0, 1.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn halves_turn_elements_half_the_dimensions_apart() {
        assert_eq!(turn(RopeLayout::Halves), [-3.0, 2.0, 1.0, 4.0, 5.0, 6.0]);
    }
}
