//! The first half of the MLP: up (and gate) projections, activation, and quantization for down.

use tgi_model::spec::Activation;

use super::project::{add_bias, token_chunks};
use super::{Step, input, part};
use crate::activation::{ActivationBlock, quantize};
use crate::isa::Kernel;
use crate::math::activate;
use crate::pool::Team;
use crate::product::PanelRow;
use crate::simd::Simd;
use crate::weights::Layer;

/// `up = activation(gate) * up`, or `activation(up)`, and the same quantized.
struct Activate<'a> {
    activation: Activation,
    gate: Option<&'a [PanelRow]>,
    up: &'a mut [PanelRow],
    blocks: &'a mut [ActivationBlock],
}

impl Kernel for Activate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (token, (up, block)) in self.up.iter_mut().zip(self.blocks).enumerate() {
            let mut out = [simd.load(&up[0]), simd.load(&up[1])];
            for half in 0..2 {
                out[half] = match self.gate {
                    Some(gate) => {
                        let gate = simd.load(&gate[token][half]);
                        simd.mul(activate(simd, self.activation, gate), out[half])
                    }
                    None => activate(simd, self.activation, out[half]),
                };
                simd.store(out[half], &mut up[half]);
            }
            *block = quantize(simd, out[0], out[1]);
        }
    }
}

impl Step<'_> {
    /// Computes what the down projection reads, panel by panel.
    pub(super) fn mlp(&self, team: &Team, layer: &Layer) {
        let panels = layer.up.matrix.panels();
        let items = self.items(panels);
        team.region(items, |item| {
            for panel in part(panels, items, item) {
                self.mlp_panel(team, layer, panel);
            }
        });
    }

    fn mlp_panel(&self, team: &Team, layer: &Layer, panel: usize) {
        let (arena, tokens) = (self.arena, self.tokens());
        // SAFETY: an earlier region wrote the activations; the worker's memory is this thread's.
        let (input, worker) =
            unsafe { (input(&arena.normed, tokens), arena.workers.get(team.worker)) };
        let [ups, gates] = &mut worker.panels;
        for range in token_chunks(tokens) {
            let up = &mut ups[..range.len()];
            layer.up.matrix.product(self.isa, panel, &input, range.clone(), up);
            for row in up.iter_mut() {
                add_bias(row, layer.up.bias.as_deref(), panel);
            }
            let gate = layer.gate.as_ref().map(|gate| {
                let rows = &mut gates[..range.len()];
                gate.matrix.product(self.isa, panel, &input, range.clone(), rows);
                &*rows
            });
            let first = panel * tokens;
            // SAFETY: a panel's blocks and columns are written by the one item that has the panel.
            let blocks =
                unsafe { arena.gated.blocks.write(first + range.start..first + range.end) };
            self.isa.run(Activate { activation: self.spec.mlp.activation, gate, up, blocks });
            if !layer.down.matrix.reads_floats() {
                continue;
            }
            for (token, row) in range.zip(up) {
                let start = token * arena.gated.width + panel * 32;
                // SAFETY: as above.
                let out = unsafe { arena.gated.floats.write(start..start + 32) };
                out.copy_from_slice(row.as_flattened());
            }
        }
    }
}
