//! A linear map of rows.

use candle_core::{Result, Tensor};
use tgi_model::Role;

use crate::CandleError;
use crate::loader::Loader;
use crate::lora::{AdaptedRows, Updates};

/// `x W^T + b`.
pub(crate) struct Linear {
    /// `[outputs, inputs]`.
    weight: Tensor,
    /// `[outputs]`.
    bias: Option<Tensor>,
    /// What adapters change.
    pub updates: Updates,
}

impl Linear {
    /// Reads a map of `shape` `[outputs, inputs]`; `bias` names its bias when it has one.
    pub fn load(
        loader: &mut Loader,
        weight: Role,
        bias: Option<Role>,
        shape: [usize; 2],
    ) -> std::result::Result<Self, CandleError> {
        let bias = bias.map(|role| loader.tensor(role, &shape[..1])).transpose()?;
        Ok(Self { weight: loader.tensor(weight, &shape)?, bias, updates: Updates::default() })
    }

    /// A map without bias by a weight that is there already: a tied head.
    pub fn from_weight(weight: Tensor) -> Self {
        Self { weight, bias: None, updates: Updates::default() }
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = x.matmul(&self.weight.t()?)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }

    /// The same with the adapters of some rows.
    pub fn forward_adapted(&self, x: &Tensor, adapted: &[AdaptedRows]) -> Result<Tensor> {
        self.updates.add(x, self.forward(x)?, adapted)
    }
}
