//! Cosines and sines of rope, as the kernels read them.

use tgi_model::rope::RopeTable;
use tgi_model::spec::Rope;

/// `[positions, dimensions / 2, 2]`: cosine and sine of each pair, amplitude included.
pub(crate) fn table(rope: &Rope, dimensions: usize, positions: usize) -> Vec<f32> {
    let table = RopeTable::new(rope, dimensions);
    let amplitude = table.amplitude();
    let mut values = Vec::with_capacity(positions * dimensions);
    for position in 0..positions {
        for frequency in table.frequencies(position) {
            let (sine, cosine) = (position as f32 * frequency).sin_cos();
            values.extend([cosine * amplitude, sine * amplitude]);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use tgi_model::spec::RopeScaling;

    use super::*;

    #[test]
    fn a_row_of_the_table_holds_the_turns_of_its_position() {
        let rope = Rope { base: 1e4, scaling: RopeScaling::Linear { factor: 2.0 } };
        let values = table(&rope, 4, 3);
        assert_eq!((values.len(), &values[..4]), (12, &[1.0, 0.0, 1.0, 0.0][..]));
        assert!((values[8] - 1f32.cos()).abs() < 1e-6 && (values[9] - 1f32.sin()).abs() < 1e-6);
    }
}
