//! One layer of the decoder.

use candle_core::{Result, Tensor};
use tgi_model::spec::Block as BlockSpec;
use tgi_model::{ModelSpec, Role};

use crate::CandleError;
use crate::attention::Attention;
use crate::feed_forward::FeedForward;
use crate::kv::KvPages;
use crate::linear::Linear;
use crate::loader::Loader;
use crate::norm::Norm;
use crate::step::LayerStep;

/// Attention and MLP with their norms, joined as [`BlockSpec`] says.
pub(crate) struct Block {
    attention_norm: Option<Norm>,
    attention: Attention,
    post_attention_norm: Option<Norm>,
    mlp_norm: Option<Norm>,
    mlp: FeedForward,
    post_mlp_norm: Option<Norm>,
    is_parallel: bool,
    norms_sums: bool,
    residual_scale: f64,
}

impl Block {
    /// Reads the weights of the loader's layer.
    pub fn load(loader: &mut Loader, spec: &ModelSpec) -> std::result::Result<Self, CandleError> {
        let (is_parallel, before, after) = match spec.block {
            BlockSpec::Sequential(norms) => (false, [norms.before(); 2], norms.after()),
            BlockSpec::Parallel { mlp_norm } => (true, [true, mlp_norm], false),
            BlockSpec::NormedSums => (false, [true; 2], false),
        };
        let mut norm = |wanted: bool, weight, bias| {
            let load = || Norm::load(loader, &spec.norm, weight, bias, spec.hidden);
            wanted.then(load).transpose()
        };
        Ok(Self {
            attention_norm: norm(before[0], Role::AttentionNorm, Some(Role::AttentionNormBias))?,
            post_attention_norm: norm(after, Role::PostAttentionNorm, None)?,
            mlp_norm: norm(before[1], Role::MlpNorm, Some(Role::MlpNormBias))?,
            post_mlp_norm: norm(after, Role::PostMlpNorm, None)?,
            attention: Attention::load(loader, spec)?,
            mlp: FeedForward::load(loader, spec)?,
            is_parallel,
            norms_sums: spec.block == BlockSpec::NormedSums,
            residual_scale: f64::from(spec.residual_scale),
        })
    }

    /// The residual stream, `[tokens, hidden]`, through this layer.
    pub fn forward(&self, x: &Tensor, kv: &KvPages, step: LayerStep) -> Result<Tensor> {
        if self.norms_sums {
            let attended = self.attention.forward(x, kv, step)?;
            let x = apply(self.attention_norm.as_ref(), &self.join(x, None, &attended)?)?;
            let term = self.mlp.forward(&x, step.adapted)?;
            return apply(self.mlp_norm.as_ref(), &self.join(&x, None, &term)?);
        }
        let normed = apply(self.attention_norm.as_ref(), x)?;
        let attended = self.attention.forward(&normed, kv, step)?;
        let joined = self.join(x, self.post_attention_norm.as_ref(), &attended)?;
        let input = match (&self.mlp_norm, self.is_parallel) {
            (None, true) => normed,
            (norm, true) => apply(norm.as_ref(), x)?,
            (norm, false) => apply(norm.as_ref(), &joined)?,
        };
        self.join(&joined, self.post_mlp_norm.as_ref(), &self.mlp.forward(&input, step.adapted)?)
    }

    /// The projections that adapters may change.
    pub fn projections(&mut self) -> impl Iterator<Item = (Role, &mut Linear)> {
        self.attention.projections().into_iter().chain(self.mlp.projections())
    }

    fn join(&self, x: &Tensor, norm: Option<&Norm>, term: &Tensor) -> Result<Tensor> {
        x + (apply(norm, term)? * self.residual_scale)?
    }
}

fn apply(norm: Option<&Norm>, x: &Tensor) -> Result<Tensor> {
    match norm {
        Some(norm) => norm.forward(x),
        None => Ok(x.clone()),
    }
}
