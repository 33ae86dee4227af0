//! A mixture of experts (Shazeer et al. 2017, <https://arxiv.org/abs/1701.06538>).

use candle_core::{D, DType, Result, Tensor};
use tgi_model::spec::Experts as ExpertsSpec;
use tgi_model::{ModelSpec, Role};

use crate::CandleError;
use crate::linear::Linear;
use crate::loader::Loader;
use crate::mlp::Mlp;

/// Several MLPs and the router that picks a few of them for each token.
pub(crate) struct Experts {
    spec: ExpertsSpec,
    router: Linear,
    mlps: Vec<Mlp>,
}

impl Experts {
    /// Reads the weights of the loader's layer.
    pub fn load(
        loader: &mut Loader,
        spec: &ModelSpec,
        experts: ExpertsSpec,
    ) -> std::result::Result<Self, CandleError> {
        let router = Linear::load(loader, Role::Router, None, [experts.count, spec.hidden])?;
        let expert = |expert| Mlp::load_expert(loader, spec, expert);
        let mlps = (0..experts.count as u32).map(expert).collect::<std::result::Result<_, _>>()?;
        Ok(Self { spec: experts, router, mlps })
    }

    /// `[tokens, hidden]` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let scores = self.router.forward(x)?.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        let picks: Vec<_> = scores.iter().map(|scores| pick(scores, self.spec)).collect();
        let mut sum = x.zeros_like()?;
        for (index, expert) in self.mlps.iter().enumerate() {
            let of_token = |(token, picks): (usize, &Vec<(usize, f32)>)| {
                let pick = picks.iter().find(|(expert, _)| *expert == index)?;
                Some((token as u32, pick.1))
            };
            let (tokens, weights): (Vec<u32>, Vec<f32>) =
                picks.iter().enumerate().filter_map(of_token).unzip();
            if tokens.is_empty() {
                continue;
            }
            let count = tokens.len();
            let tokens = Tensor::from_vec(tokens, count, x.device())?;
            let weights = Tensor::from_vec(weights, (count, 1), x.device())?.to_dtype(x.dtype())?;
            let out = expert.forward(&x.index_select(&tokens, 0)?, &[])?.broadcast_mul(&weights)?;
            sum = sum.index_add(&tokens, &out, D::Minus2)?;
        }
        Ok(sum)
    }
}

/// The experts with the largest scores, the first among equals, and the weight of each.
fn pick(scores: &[f32], spec: ExpertsSpec) -> Vec<(usize, f32)> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order.truncate(spec.used);
    let sum: f32 = if spec.normalized {
        order.iter().map(|&expert| powers[expert]).sum()
    } else {
        powers.iter().sum()
    };
    order.into_iter().map(|expert| (expert, powers[expert] / sum)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shares_of_all_experts_or_of_the_used_ones() {
        let scores = [1f32.ln(), 4f32.ln(), 2f32.ln(), 1f32.ln()];
        let spec = ExpertsSpec { count: 4, used: 2, normalized: false };
        for (normalized, sum) in [(false, 8.0), (true, 6.0)] {
            let picks = pick(&scores, ExpertsSpec { normalized, ..spec });
            assert_eq!(picks.iter().map(|pick| pick.0).collect::<Vec<_>>(), [1, 2]);
            assert!((picks[0].1 - 4.0 / sum).abs() < 1e-6 && (picks[1].1 - 2.0 / sum).abs() < 1e-6);
        }
    }

    #[test]
    fn equal_scores_pick_the_first() {
        let spec = ExpertsSpec { count: 3, used: 1, normalized: true };
        assert_eq!(pick(&[0.5, 0.5, 0.1], spec), [(0, 1.0)]);
    }
}
