//! One layer of the decoder.

use candle_core::{Result, Tensor};
use tgi_model::spec::Block as BlockSpec;
use tgi_model::{ModelSpec, Role};

use crate::CandleError;
use crate::attention::Attention;
use crate::kv::KvPages;
use crate::loader::Loader;
use crate::mlp::Mlp;
use crate::norm::Norm;
use crate::step::LayerStep;

/// Attention and MLP with their norms, joined as [`BlockSpec`] says.
pub(crate) struct Block {
    attention_norm: Norm,
    attention: Attention,
    post_attention_norm: Option<Norm>,
    /// `None`: the MLP reads what attention reads, and both are added at once.
    mlp_norm: Option<Norm>,
    mlp: Mlp,
    post_mlp_norm: Option<Norm>,
}

impl Block {
    /// Reads the weights of the loader's layer.
    pub fn load(loader: &mut Loader, spec: &ModelSpec) -> std::result::Result<Self, CandleError> {
        let mut norm = |weight, bias| Norm::load(loader, &spec.norm, weight, bias, spec.hidden);
        let attention_norm = norm(Role::AttentionNorm, Some(Role::AttentionNormBias))?;
        let (mut mlp_norm, mut post_attention_norm, mut post_mlp_norm) = (None, None, None);
        if let BlockSpec::Sequential { post_norms } = spec.block {
            mlp_norm = Some(norm(Role::MlpNorm, Some(Role::MlpNormBias))?);
            if post_norms {
                post_attention_norm = Some(norm(Role::PostAttentionNorm, None)?);
                post_mlp_norm = Some(norm(Role::PostMlpNorm, None)?);
            }
        }
        Ok(Self {
            attention_norm,
            attention: Attention::load(loader, spec)?,
            post_attention_norm,
            mlp_norm,
            mlp: Mlp::load(loader, spec)?,
            post_mlp_norm,
        })
    }

    /// The residual stream, `[tokens, hidden]`, through this layer.
    pub fn forward(&self, x: &Tensor, kv: &KvPages, step: LayerStep) -> Result<Tensor> {
        let normed = self.attention_norm.forward(x)?;
        let attended = self.attention.forward(&normed, kv, step)?;
        let x = (x + apply(self.post_attention_norm.as_ref(), attended)?)?;
        let mlp = match &self.mlp_norm {
            Some(norm) => self.mlp.forward(&norm.forward(&x)?)?,
            None => self.mlp.forward(&normed)?,
        };
        &x + apply(self.post_mlp_norm.as_ref(), mlp)?
    }
}

fn apply(norm: Option<&Norm>, x: Tensor) -> Result<Tensor> {
    match norm {
        Some(norm) => norm.forward(&x),
        None => Ok(x),
    }
}
