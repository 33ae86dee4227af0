//! A mixture of experts (Shazeer et al. 2017, <https://arxiv.org/abs/1701.06538>).
//!
//! The rows of an expert are multiplied together, so that its weights are read once a step for all
//! of them. A row's sum runs over its experts in their order, so that its bytes do not depend on
//! the rows beside it.

use std::ops::Range;

use super::mlp::Activate;
use super::project::{Put, Target, token_chunks};
use super::{Routes, Rows, Source, Step, input, part};
use crate::arena::{FEW_ROWS, Worker};
use crate::isa::Kernel;
use crate::matrix::Input;
use crate::pool::Team;
use crate::product::PanelRow;
use crate::simd::Simd;
use crate::weights::{Experts, Mlp};

/// Panels of an expert that an item takes together: few enough to stay in the second-level cache
/// while all rows of the expert pass, and enough to be worth the gathering of the rows.
const GROUP: usize = 4;

/// `sums[place / used] += weights[place] * values` for each place.
struct Weigh<'a> {
    sums: &'a mut [PanelRow],
    weights: &'a [f32],
    places: &'a [u32],
    used: usize,
    values: &'a [PanelRow],
}

impl Kernel for Weigh<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (&place, values) in self.places.iter().zip(self.values) {
            let weight = simd.splat(self.weights[place as usize]);
            let sum = &mut self.sums[place as usize / self.used];
            for (sum, values) in sum.iter_mut().zip(values.iter()) {
                simd.store(simd.fma(weight, simd.load(values), simd.load(sum)), sum);
            }
        }
    }
}

impl Step<'_> {
    /// The feed-forward part of the whole rows, to `joining`.
    pub(super) fn experts(
        &self,
        team: &Team,
        rows: &Rows,
        source: &Source,
        experts: &Experts,
        joining: Target,
    ) {
        let (Some(routes), whole) = (&self.arena.routes, rows.whole) else { return };
        let scores = Target::Rows(&routes.scores, routes.width);
        self.project(team, rows, source, &[(&experts.router, scores, whole)]);
        let items = self.items(whole);
        team.region(items, |item| {
            for row in part(whole, items, item) {
                // SAFETY: the one item that has the row, after the region that wrote its scores.
                unsafe { routes.pick(self.isa, row) };
            }
        });
        // SAFETY: the only item, after the region that picked.
        team.region(1, |_| unsafe { routes.sort(whole) });
        self.expert_inputs(team, rows, source, (experts, routes));
        self.expert_outputs(team, rows, (experts, routes), joining);
    }

    /// Up and gate projections and activation of all places, by slot. An expert's panels are dealt
    /// out to the items group by group: which experts are in use differs from step to step.
    fn expert_inputs(
        &self,
        team: &Team,
        rows: &Rows,
        source: &Source,
        (experts, routes): (&Experts, &Routes),
    ) {
        let group = if rows.whole > FEW_ROWS { GROUP } else { 1 };
        let panels = experts.mlps.first().map_or(0, |mlp| mlp.up.matrix.panels());
        let groups = panels.div_ceil(group);
        let items = (experts.mlps.len() * groups).min(self.threads * 24);
        let mut is_ready = false;
        team.region(items, |item| {
            let input = self.read(team, source, rows, &mut is_ready);
            for (index, mlp) in experts.mlps.iter().enumerate() {
                // SAFETY: earlier regions picked and sorted.
                let slots = unsafe { routes.slots(index) };
                let first = (item + items - index * groups % items) % items;
                for start in (first..groups).step_by(items).map(|at| at * group) {
                    let range = start..panels.min(start + group);
                    for slots in token_chunks(slots.clone()) {
                        let at = (routes, slots, rows.whole * routes.experts.used);
                        self.expert_panels(team, (mlp, range.clone()), &input, at);
                    }
                }
            }
        });
    }

    /// Some panels of one expert, for some of its slots.
    fn expert_panels(
        &self,
        team: &Team,
        (mlp, panels): (&Mlp, Range<usize>),
        input: &Input,
        (routes, slots, stride): (&Routes, Range<usize>, usize),
    ) {
        // SAFETY: earlier regions picked and sorted; the worker is this thread's own memory.
        let (places, worker) =
            unsafe { (routes.places(slots.clone()), self.arena.workers.get(team.worker)) };
        let Worker { panels: [ups, gates], gathered, .. } = worker;
        let of_places = places.iter().map(|&place| place as usize / routes.experts.used);
        let (input, rows) = match (of_places.len(), of_places.clone().next()) {
            (1, Some(row)) => (*input, row..row + 1),
            (count, _) => {
                let readers = [Some(&mlp.up), mlp.gate.as_ref()].into_iter().flatten();
                let readers = readers.map(|linear| &*linear.matrix);
                (gathered.gather(input, of_places, &readers), 0..count)
            }
        };
        for panel in panels {
            let up = &mut ups[..slots.len()];
            mlp.up.matrix.product(self.isa, panel, &input, rows.clone(), up);
            let gate = mlp.gate.as_ref().map(|gate| {
                let gates = &mut gates[..slots.len()];
                gate.matrix.product(self.isa, panel, &input, rows.clone(), gates);
                &*gates
            });
            let range = panel * stride + slots.start..panel * stride + slots.end;
            // SAFETY: a panel's blocks and columns of a slot are written by the one item that has
            // the panel of the slot's expert.
            let blocks = unsafe { self.arena.gated.blocks.write(range) };
            self.isa.run(Activate { activation: self.spec.mlp.activation, gate, up, blocks });
            if mlp.down.matrix.reads_floats() {
                // SAFETY: as above.
                unsafe { self.keep_floats(panel, slots.clone(), up) };
            }
        }
    }

    /// Down projections of all slots, and each row's sum of them.
    fn expert_outputs(
        &self,
        team: &Team,
        rows: &Rows,
        (experts, routes): (&Experts, &Routes),
        joining: Target,
    ) {
        let (used, whole) = (routes.experts.used, rows.whole);
        let panels = experts.mlps.first().map_or(0, |mlp| mlp.down.matrix.panels());
        let items = self.items(panels);
        team.region(items, |item| {
            // SAFETY: the region before wrote them, earlier ones the weights; the worker is this
            // thread's own memory.
            let (input, weights, worker) = unsafe {
                let input = input(&self.arena.gated, whole * used);
                (input, routes.weights(whole * used), self.arena.workers.get(team.worker))
            };
            let Worker { panels: [products, _], sums, .. } = worker;
            let sums = &mut sums[..whole];
            for panel in part(panels, items, item) {
                sums.fill(PanelRow::default());
                for (index, mlp) in experts.mlps.iter().enumerate() {
                    // SAFETY: earlier regions picked and sorted.
                    for slots in token_chunks(unsafe { routes.slots(index) }) {
                        let values = &mut products[..slots.len()];
                        mlp.down.matrix.product(self.isa, panel, &input, slots.clone(), values);
                        // SAFETY: as above.
                        let places = unsafe { routes.places(slots) };
                        self.isa.run(Weigh { sums, weights, places, used, values });
                    }
                }
                self.isa.run(Put { rows, target: joining, panel, first: 0, results: sums });
            }
        });
    }
}
