//! Norms, computed in f32.

use candle_core::{D, DType, Result, Tensor};
use tgi_model::Role;
use tgi_model::spec::{Norm as NormSpec, NormKind};

use crate::CandleError;
use crate::loader::Loader;

/// RMS norm (Zhang and Sennrich 2019, <https://arxiv.org/abs/1910.07467>) or layer norm (Ba et al.
/// 2016, <https://arxiv.org/abs/1607.06450>) over the last dimension.
pub(crate) struct Norm {
    kind: NormKind,
    epsilon: f64,
    /// `[size]` or `[heads, size]`, f32, the specification's offset added.
    weight: Tensor,
    /// `[size]`, f32.
    bias: Option<Tensor>,
}

impl Norm {
    /// Reads a norm over `size` elements; `bias` names its bias, which is read when `spec` has one.
    pub fn load(
        loader: &mut Loader,
        spec: &NormSpec,
        weight: Role,
        bias: Option<Role>,
        size: usize,
    ) -> std::result::Result<Self, CandleError> {
        let bias = bias.filter(|_| spec.bias);
        let bias = bias.map(|role| loader.float(role, &[size])).transpose()?;
        Ok(Self { bias, ..Self::load_without_bias(loader, spec, weight, &[size])? })
    }

    /// Reads a norm whose weights have a shape of their own: `[heads, size]` for one of each head.
    pub fn load_without_bias(
        loader: &mut Loader,
        spec: &NormSpec,
        weight: Role,
        shape: &[usize],
    ) -> std::result::Result<Self, CandleError> {
        let (weight, bias) =
            ((loader.float(weight, shape)? + f64::from(spec.weight_offset))?, None);
        Ok(Self { kind: spec.kind, epsilon: f64::from(spec.epsilon), weight, bias })
    }

    /// `[.., size]` to the same shape and type.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let float = x.to_dtype(DType::F32)?;
        let centred = match self.kind {
            NormKind::Rms => float,
            NormKind::Layer => float.broadcast_sub(&float.mean_keepdim(D::Minus1)?)?,
        };
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + self.epsilon)?.sqrt()?;
        let scaled = centred.broadcast_div(&deviation)?.broadcast_mul(&self.weight)?;
        match &self.bias {
            Some(bias) => scaled.broadcast_add(bias)?,
            None => scaled,
        }
        .to_dtype(x.dtype())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn norm(kind: NormKind, bias: bool, weight_offset: f32) -> Vec<f32> {
        let spec = NormSpec { kind, epsilon: 1e-6, weight_offset, bias };
        let mut read = |role: Role, _: Option<usize>, _: &[usize]| match role {
            Role::OutputNorm => Ok(vec![1.0, 1.0, 2.0, 1.0]),
            _ => Ok(vec![0.5; 4]),
        };
        let mut loader = Loader::new(&mut read, &Device::Cpu, DType::F32);
        let roles = (Role::OutputNorm, Some(Role::OutputNormBias));
        let norm = Norm::load(&mut loader, &spec, roles.0, roles.1, 4).unwrap();
        let x = Tensor::new(&[[1f32, -1.0, 3.0, 5.0]], &Device::Cpu).unwrap();
        norm.forward(&x).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn assert_near(found: &[f32], expected: [f32; 4]) {
        let near =
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5);
        assert!(near, "{found:?} {expected:?}");
    }

    #[test]
    fn rms_divides_by_the_root_of_the_mean_square() {
        assert_near(&norm(NormKind::Rms, false, 0.0), [1.0 / 3.0, -1.0 / 3.0, 2.0, 5.0 / 3.0]);
    }

    #[test]
    fn the_offset_is_added_to_each_weight() {
        assert_near(&norm(NormKind::Rms, false, 1.0), [2.0 / 3.0, -2.0 / 3.0, 3.0, 10.0 / 3.0]);
    }

    #[test]
    fn layer_norm_takes_the_mean_off_and_adds_its_bias() {
        let root = 5f32.sqrt();
        let expected = [0.5 - 1.0 / root, 0.5 - 3.0 / root, 0.5 + 2.0 / root, 0.5 + 3.0 / root];
        assert_near(&norm(NormKind::Layer, true, 0.0), expected);
    }
}
