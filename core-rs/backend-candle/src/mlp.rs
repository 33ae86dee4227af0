//! Feed-forward part of a layer.

use candle_core::{Result, Tensor};
use tgi_model::spec::{Activation, Mlp as MlpSpec};
use tgi_model::{ModelSpec, Role};

use crate::CandleError;
use crate::linear::Linear;
use crate::loader::Loader;

/// Plain, or gated (Shazeer 2020, <https://arxiv.org/abs/2002.05202>).
pub(crate) struct Mlp {
    activation: Activation,
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
}

impl Mlp {
    /// Reads the weights of the loader's layer.
    pub fn load(loader: &mut Loader, spec: &ModelSpec) -> std::result::Result<Self, CandleError> {
        let MlpSpec { intermediate, activation, gated, bias } = spec.mlp;
        let inward = [intermediate, spec.hidden];
        let bias_of = |role| bias.then_some(role);
        Ok(Self {
            activation,
            gate: gated.then(|| Linear::load(loader, Role::Gate, None, inward)).transpose()?,
            up: Linear::load(loader, Role::Up, bias_of(Role::UpBias), inward)?,
            down: Linear::load(
                loader,
                Role::Down,
                bias_of(Role::DownBias),
                [spec.hidden, intermediate],
            )?,
        })
    }

    /// `[tokens, hidden]` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let up = self.up.forward(x)?;
        let inner = match &self.gate {
            Some(gate) => (activate(self.activation, &gate.forward(x)?)? * up)?,
            None => activate(self.activation, &up)?,
        };
        self.down.forward(&inner)
    }
}

fn activate(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::Silu => x.silu(),
        Activation::GeluTanh => x.gelu(),
        Activation::GeluErf => x.gelu_erf(),
        Activation::Relu => x.relu(),
    }
}
