//! One MLP.

use candle_core::{Result, Tensor};
use tgi_model::spec::{Activation, Mlp as MlpSpec};
use tgi_model::{ModelSpec, Role};

use crate::CandleError;
use crate::linear::Linear;
use crate::loader::Loader;
use crate::lora::AdaptedRows;

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
        let biases = [Role::GateBias, Role::UpBias, Role::DownBias];
        let biases = biases.map(|role| spec.mlp.bias.then_some(role));
        Self::of_roles(loader, spec, [Role::Gate, Role::Up, Role::Down], biases)
    }

    /// Reads one expert of the loader's layer.
    pub fn load_expert(
        loader: &mut Loader,
        spec: &ModelSpec,
        expert: u32,
    ) -> std::result::Result<Self, CandleError> {
        let roles = [Role::ExpertGate(expert), Role::ExpertUp(expert), Role::ExpertDown(expert)];
        Self::of_roles(loader, spec, roles, [None; 3])
    }

    fn of_roles(
        loader: &mut Loader,
        spec: &ModelSpec,
        [gate, up, down]: [Role; 3],
        [gate_bias, up_bias, down_bias]: [Option<Role>; 3],
    ) -> std::result::Result<Self, CandleError> {
        let MlpSpec { intermediate, activation, gated, .. } = spec.mlp;
        let (inward, outward) = ([intermediate, spec.hidden], [spec.hidden, intermediate]);
        Ok(Self {
            activation,
            gate: gated.then(|| Linear::load(loader, gate, gate_bias, inward)).transpose()?,
            up: Linear::load(loader, up, up_bias, inward)?,
            down: Linear::load(loader, down, down_bias, outward)?,
        })
    }

    /// `[tokens, hidden]` to the same shape.
    pub fn forward(&self, x: &Tensor, adapted: &[AdaptedRows]) -> Result<Tensor> {
        let up = self.up.forward_adapted(x, adapted)?;
        let inner = match &self.gate {
            Some(gate) => (activate(self.activation, &gate.forward_adapted(x, adapted)?)? * up)?,
            None => activate(self.activation, &up)?,
        };
        self.down.forward_adapted(&inner, adapted)
    }

    /// The projections that adapters may change.
    pub fn projections(&mut self) -> impl Iterator<Item = (Role, &mut Linear)> {
        let gate = self.gate.as_mut().map(|gate| (Role::Gate, gate));
        gate.into_iter().chain([(Role::Up, &mut self.up), (Role::Down, &mut self.down)])
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
