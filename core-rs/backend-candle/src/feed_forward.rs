//! The feed-forward part of a layer: one MLP, or experts.

use candle_core::{Result, Tensor};
use tgi_model::{ModelSpec, Role};

use crate::CandleError;
use crate::experts::Experts;
use crate::linear::Linear;
use crate::loader::Loader;
use crate::lora::AdaptedRows;
use crate::mlp::Mlp;

/// What a layer has.
pub(crate) enum FeedForward {
    /// One MLP for all tokens.
    Dense(Mlp),
    /// Several, of which each token uses a few.
    Experts(Experts),
}

impl FeedForward {
    /// Reads the weights of the loader's layer.
    pub fn load(loader: &mut Loader, spec: &ModelSpec) -> std::result::Result<Self, CandleError> {
        match spec.mlp.experts {
            None => Ok(Self::Dense(Mlp::load(loader, spec)?)),
            Some(experts) => Ok(Self::Experts(Experts::load(loader, spec, experts)?)),
        }
    }

    /// `[tokens, hidden]` to the same shape.
    pub fn forward(&self, x: &Tensor, adapted: &[AdaptedRows]) -> Result<Tensor> {
        match self {
            Self::Dense(mlp) => mlp.forward(x, adapted),
            Self::Experts(experts) => experts.forward(x),
        }
    }

    /// The projections that adapters may change; none of experts.
    pub fn projections(&mut self) -> impl Iterator<Item = (Role, &mut Linear)> {
        let dense = match self {
            Self::Dense(mlp) => Some(mlp.projections()),
            Self::Experts(_) => None,
        };
        dense.into_iter().flatten()
    }
}
