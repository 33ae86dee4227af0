//! The first half of the MLP: up (and gate) projections, activation, and quantization for down.

use std::ops::Range;

use tgi_model::spec::Activation;

use super::project::{add_bias, token_chunks};
use super::{Rows, Source, Step, part};
use crate::activation::{ActivationBlock, quantize};
use crate::isa::Kernel;
use crate::math::activate;
use crate::matrix::Input;
use crate::pool::Team;
use crate::product::PanelRow;
use crate::simd::Simd;
use crate::weights::Mlp;

/// `up = activation(gate) * up`, or `activation(up)`, and the same quantized.
pub struct Activate<'a> {
    /// Which function.
    pub activation: Activation,
    /// Gates, one for each of `up`.
    pub gate: Option<&'a [PanelRow]>,
    /// Results.
    pub up: &'a mut [PanelRow],
    /// The same quantized.
    pub blocks: &'a mut [ActivationBlock],
}

impl Kernel for Activate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // Two short loops: the long chains of one token's operations hide behind those of others.
        for (token, up) in self.up.iter_mut().enumerate() {
            for half in 0..2 {
                let out = simd.load(&up[half]);
                let out = match self.gate {
                    Some(gate) => {
                        let gate = simd.load(&gate[token][half]);
                        simd.mul(activate(simd, self.activation, gate), out)
                    }
                    None => activate(simd, self.activation, out),
                };
                simd.store(out, &mut up[half]);
            }
        }
        for (up, block) in self.up.iter().zip(self.blocks) {
            *block = quantize(simd, simd.load(&up[0]), simd.load(&up[1]));
        }
    }
}

impl Step<'_> {
    /// Computes what the down projection reads for the whole rows, panel by panel.
    pub(super) fn mlp(&self, team: &Team, rows: &Rows, source: &Source, mlp: &Mlp) {
        let inward = [Some(&mlp.up), mlp.gate.as_ref()];
        self.lower(team, (rows, rows.whole), source, &inward.into_iter().flatten());
        let panels = mlp.up.matrix.panels();
        let items = self.items(panels);
        let mut is_ready = false;
        team.region(items, |item| {
            let input = self.read(team, source, rows, &mut is_ready);
            for panel in part(panels, items, item) {
                self.mlp_panel(team, mlp, panel, &input, rows);
            }
        });
    }

    /// Keeps a panel's columns of some rows for a down projection that reads floats.
    ///
    /// # Safety
    /// One item of the region has the columns of these rows.
    pub(super) unsafe fn keep_floats(&self, panel: usize, rows: Range<usize>, values: &[PanelRow]) {
        let gated = &self.arena.gated;
        for (row, values) in rows.zip(values) {
            let start = row * gated.width + panel * 32;
            // SAFETY: the caller's promise.
            let out = unsafe { gated.floats.write(start..start + 32) };
            out.copy_from_slice(values.as_flattened());
        }
    }

    fn mlp_panel(&self, team: &Team, mlp: &Mlp, panel: usize, input: &Input, all: &Rows) {
        let rows = all.whole;
        let arena = self.arena;
        // SAFETY: this thread's own memory.
        let worker = unsafe { arena.workers.get(team.worker) };
        let [ups, gates] = &mut worker.panels;
        for range in token_chunks(0..rows) {
            let up = &mut ups[..range.len()];
            mlp.up.matrix.product(self.isa, panel, input, range.clone(), up);
            self.raise(all, (&mlp.up, 0), panel, range.clone(), up, &mut worker.terms);
            for row in up.iter_mut() {
                add_bias(row, mlp.up.bias.as_deref(), panel);
            }
            let gate = mlp.gate.as_ref().map(|gate| {
                let rows = &mut gates[..range.len()];
                gate.matrix.product(self.isa, panel, input, range.clone(), rows);
                self.raise(all, (gate, 1), panel, range.clone(), rows, &mut worker.terms);
                if let Some(bias) = &gate.bias {
                    for row in rows.iter_mut() {
                        add_bias(row, Some(bias), panel);
                    }
                }
                &*rows
            });
            let first = panel * rows;
            // SAFETY: a panel's blocks and columns are written by the one item that has the panel.
            let blocks =
                unsafe { arena.gated.blocks.write(first + range.start..first + range.end) };
            self.isa.run(Activate { activation: self.spec.mlp.activation, gate, up, blocks });
            if !self.keeps_floats() {
                continue;
            }
            // SAFETY: as above.
            unsafe { self.keep_floats(panel, range, up) };
        }
    }
}
