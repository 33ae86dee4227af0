//! A mixture of experts (Shazeer et al. 2017, <https://arxiv.org/abs/1701.06538>).
//!
//! Every expert's weights are read once a step, for all rows that use it. A row's sum runs over its
//! experts in their order, so that its bytes do not depend on the rows beside it.

use super::mlp::Activate;
use super::project::{Put, Target, token_chunks};
use super::{Routes, Rows, Source, Step, input, part};
use crate::isa::Kernel;
use crate::matrix::Input;
use crate::pool::Team;
use crate::product::PanelRow;
use crate::simd::Simd;
use crate::weights::{Experts, Mlp};

/// `sum += weight * values`.
struct Weigh<'a> {
    sum: &'a mut PanelRow,
    weight: f32,
    values: &'a PanelRow,
}

impl Kernel for Weigh<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let weight = simd.splat(self.weight);
        for (sum, values) in self.sum.iter_mut().zip(self.values.iter()) {
            simd.store(simd.fma(weight, simd.load(values), simd.load(sum)), sum);
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

    /// Up and gate projections and activation of all places. An expert's panels are dealt out to
    /// the items one by one: which experts are in use differs from step to step.
    fn expert_inputs(
        &self,
        team: &Team,
        rows: &Rows,
        source: &Source,
        (experts, routes): (&Experts, &Routes),
    ) {
        let panels = experts.mlps.first().map_or(0, |mlp| mlp.up.matrix.panels());
        let items = (experts.mlps.len() * panels).min(self.threads * 24);
        let used = routes.experts.used;
        let mut is_ready = false;
        team.region(items, |item| {
            let input = self.read(team, source, rows, &mut is_ready);
            for (index, mlp) in experts.mlps.iter().enumerate() {
                // SAFETY: earlier regions picked and sorted.
                let places = unsafe { routes.places(index) };
                let first = (item + items - index * panels % items) % items;
                for panel in (first..panels).step_by(items) {
                    let of_places = (places, used, rows.whole * used);
                    self.expert_panel(team, mlp, panel, &input, of_places);
                }
            }
        });
    }

    fn expert_panel(
        &self,
        team: &Team,
        mlp: &Mlp,
        panel: usize,
        input: &Input,
        (places, used, stride): (&[u32], usize, usize),
    ) {
        let gated = &self.arena.gated;
        // SAFETY: this thread's own memory.
        let worker = unsafe { self.arena.workers.get(team.worker) };
        let [ups, gates] = &mut worker.panels;
        let (up, gates) = (&mut ups[..1], &mut gates[..1]);
        for &place in places {
            let place = place as usize;
            let row = place / used;
            mlp.up.matrix.product(self.isa, panel, input, row..row + 1, up);
            let gate = mlp.gate.as_ref().map(|gate| {
                gate.matrix.product(self.isa, panel, input, row..row + 1, gates);
                &*gates
            });
            // SAFETY: a panel's block and columns of a place are written by the one item that has
            // the panel of the place's expert.
            let (blocks, floats) = unsafe {
                let at = panel * stride + place;
                let start = place * gated.width + panel * 32;
                (gated.blocks.write(at..at + 1), gated.floats.write(start..start + 32))
            };
            self.isa.run(Activate { activation: self.spec.mlp.activation, gate, up, blocks });
            floats.copy_from_slice(up[0].as_flattened());
        }
    }

    /// Down projections of all places, and each row's sum of them.
    fn expert_outputs(
        &self,
        team: &Team,
        rows: &Rows,
        (experts, routes): (&Experts, &Routes),
        joining: Target,
    ) {
        let used = routes.experts.used;
        let panels = experts.mlps.first().map_or(0, |mlp| mlp.down.matrix.panels());
        let items = self.items(panels);
        team.region(items, |item| {
            // SAFETY: the region before wrote them.
            let input = unsafe { input(&self.arena.gated, rows.whole * used) };
            // SAFETY: this thread's own memory.
            let worker = unsafe { self.arena.workers.get(team.worker) };
            let [sums, products] = &mut worker.panels;
            for panel in part(panels, items, item) {
                for range in token_chunks(rows.whole) {
                    let sums = &mut sums[..range.len()];
                    sums.fill(PanelRow::default());
                    for (index, mlp) in experts.mlps.iter().enumerate() {
                        // SAFETY: earlier regions picked and sorted.
                        for &place in unsafe { routes.places_of(index, &range) } {
                            let (place, product) = (place as usize, &mut products[..1]);
                            let of_place = place..place + 1;
                            mlp.down.matrix.product(self.isa, panel, &input, of_place, product);
                            // SAFETY: as above.
                            let weight = unsafe { routes.weight(place) };
                            let sum = &mut sums[place / used - range.start];
                            self.isa.run(Weigh { sum, weight, values: &product[0] });
                        }
                    }
                    let (target, first) = (joining, range.start);
                    self.isa.run(Put { rows, target, panel, first, results: sums });
                }
            }
        });
    }
}
