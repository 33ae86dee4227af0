//! Low-rank updates against plain sums in `f64`.

use proptest::prelude::*;
use tgi_cuda_kernels::emulate::Order;
use tgi_cuda_kernels::signatures::{Element, Kernel, LowRankParams, LowRankUpdate, NO_ADAPTER};

use crate::buffers::{Buffer, Memory, assert_near, in_both_orders, noise, run, step, through};

/// Adapters of some projections that share an input.
struct Updates {
    element: Element,
    inputs: usize,
    /// Columns of each projection.
    outputs: Vec<usize>,
    /// Rank of each adapter's update of each projection.
    ranks: Vec<Vec<usize>>,
}

impl Updates {
    fn width(&self) -> usize {
        self.outputs.iter().sum()
    }

    /// Elements of `down` and of `up`.
    fn matrices(&self, adapter: usize, slot: usize) -> [Vec<f32>; 2] {
        let (rank, seed) = (self.ranks[adapter][slot], (10 * adapter + slot) as u64);
        [noise(100 + seed, rank * self.inputs), noise(200 + seed, rank * self.outputs[slot])]
            .map(|numbers| through(self.element, &numbers))
    }

    /// The updates, in memory that lives as long as `memory`.
    fn table(&self, memory: &Memory) -> Vec<LowRankUpdate> {
        let mut table = Vec::new();
        for adapter in 0..self.ranks.len() {
            for (slot, &outputs) in self.outputs.iter().enumerate() {
                let [down, up] = self
                    .matrices(adapter, slot)
                    .map(|numbers| Buffer::rounded(self.element, &numbers).keep(memory));
                let first = self.outputs[..slot].iter().sum::<usize>() as u32;
                let (rank, outputs) = (self.ranks[adapter][slot] as u32, outputs as u32);
                table.push(LowRankUpdate { down, up, rank, first, outputs, reserved: 0 });
            }
        }
        table
    }

    fn run(&self, (x, y): (&[f32], &[f32]), adapters: &[u32], order: Order) -> Vec<f32> {
        let memory = Memory::default();
        let (slots, rows) = (self.outputs.len(), adapters.len());
        let rank = self.ranks.iter().flatten().copied().max().unwrap_or(0);
        let mut out = Buffer::rounded(self.element, y);
        let params = LowRankParams {
            x: Buffer::rounded(self.element, x).keep(&memory),
            out: out.pointer(),
            adapters: Buffer::new(adapters).keep(&memory),
            updates: Buffer::new(&self.table(&memory)).keep(&memory),
            low: Buffer::new(&vec![f32::NAN; rows * slots * rank]).keep(&memory),
            rows: rows as u32,
            count: self.ranks.len() as u32,
            slots: slots as u32,
            rank: rank as u32,
            inputs: self.inputs as u32,
            out_stride: self.width() as u32,
            outputs: self.outputs.iter().copied().max().unwrap_or(0) as u32,
            reserved: 0,
        };
        run(Kernel::LowRankDown(self.element), &params.launch_down(), &params, order);
        run(Kernel::LowRankUp(self.element), &params.launch_up(), &params, order);
        out.numbers(self.element)
    }

    fn check(&self, adapters: &[u32]) {
        let (rows, width) = (adapters.len(), self.width());
        let x = through(self.element, &noise(1, rows * self.inputs));
        let y = through(self.element, &noise(2, rows * width));
        let found = in_both_orders(|order| self.run((&x, &y), adapters, order));
        let mut expected: Vec<f64> = y.iter().copied().map(f64::from).collect();
        for (row, &adapter) in adapters.iter().enumerate().filter(|(_, it)| **it != NO_ADAPTER) {
            let x = &x[row * self.inputs..(row + 1) * self.inputs];
            let dot = |a: &[f32], b: &[f64]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum()
            };
            let x: Vec<f64> = x.iter().copied().map(f64::from).collect();
            let mut first = row * width;
            for (slot, &outputs) in self.outputs.iter().enumerate() {
                let rank = self.ranks[adapter as usize][slot];
                let [down, up] = self.matrices(adapter as usize, slot);
                let low: Vec<f64> = down.chunks(self.inputs).map(|row| dot(row, &x)).collect();
                for column in 0..outputs {
                    expected[first + column] += dot(&up[column * rank..(column + 1) * rank], &low);
                }
                first += outputs;
            }
        }
        assert_near(&found, &expected, step(self.element) + 2e-5, self.element.name());
    }
}

fn updates(element: Element) -> Updates {
    let ranks = vec![vec![6, 0, 17], vec![3, 3, 3], vec![0, 0, 0]];
    Updates { element, inputs: 72, outputs: vec![300, 33, 9], ranks }
}

#[test]
fn each_row_has_the_terms_of_its_own_adapter() {
    for element in Element::ALL {
        updates(element).check(&[0, 0, NO_ADAPTER, 1, 1, 2, 0, 1, 1, 1, NO_ADAPTER]);
        updates(element).check(&[1; 17]);
        let odd = Updates { inputs: 13, ..updates(element) };
        odd.check(&[0, 1, NO_ADAPTER]);
    }
}

#[test]
fn a_row_gives_the_same_bytes_alone_and_among_others() {
    for element in Element::ALL {
        let updates = updates(element);
        let adapters = [1, 0, 0, 0, NO_ADAPTER, 0, 0, 1, 1, 0];
        let (inputs, width) = (updates.inputs, updates.width());
        let (x, y) = (noise(1, adapters.len() * inputs), noise(2, adapters.len() * width));
        let all = updates.run((&x, &y), &adapters, Order::Forward);
        for row in 0..adapters.len() {
            let own = (&x[row * inputs..][..inputs], &y[row * width..][..width]);
            let alone = updates.run(own, &adapters[row..=row], Order::Forward);
            assert_eq!(alone, all[row * width..(row + 1) * width], "row {row}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn updates_of_any_shape_are_right(
        adapters in prop::collection::vec(prop_oneof![3 => 0u32..2, 1 => Just(NO_ADAPTER)], 1..30),
        (inputs, outputs) in (1usize..90, prop::collection::vec(1usize..300, 1..4)),
        ranks in prop::array::uniform2(prop::array::uniform3(0usize..20)),
        element in prop::sample::select(&Element::ALL),
    ) {
        let ranks = ranks.map(|ranks| ranks[..outputs.len()].to_vec()).to_vec();
        Updates { element, inputs, outputs, ranks }.check(&adapters);
    }
}
