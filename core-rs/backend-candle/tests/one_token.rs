//! Parts that none of the checkpoints use, against the same model written out in scalars: a single
//! token attends to itself alone, so its attention is the value projection.

mod common;

use common::random_model::{layer_normed, llama, weights};
use common::{largest_difference, plain_pass, random_backend};
use tgi_model::ModelSpec;
use tgi_model::spec::{Activation, Block, NormKind, Norms, Position, Role};

const TOKEN: usize = 7;

/// Logits after one token, from the definition.
struct Scalars {
    spec: ModelSpec,
}

impl Scalars {
    fn logits(&self) -> Vec<f32> {
        let spec = &self.spec;
        let mut x = self.row(Role::TokenEmbedding, spec.vocab, TOKEN);
        for x in &mut x {
            *x *= spec.embedding.scale;
        }
        if let Position::Learned { offset } = spec.position {
            let rows = spec.context + offset;
            x = add(&x, &self.row(Role::PositionEmbedding, rows, offset));
        }
        for layer in 0..spec.layers {
            x = self.block(layer, &x);
        }
        let has_norm = spec.block != Block::NormedSums;
        let norm = |x: Vec<f32>| self.norm(Role::OutputNorm, Role::OutputNormBias, None, &x);
        let x = if has_norm { norm(x) } else { x };
        let mut logits = linear(Role::Output, None, None, [spec.vocab, spec.hidden], &x);
        for logit in &mut logits {
            *logit *= spec.embedding.logit_scale;
            if let Some(cap) = spec.embedding.logit_soft_cap {
                *logit = cap * (*logit / cap).tanh();
            }
        }
        logits
    }

    fn block(&self, layer: usize, x: &[f32]) -> Vec<f32> {
        let norm = |weight, bias, x: &[f32]| self.norm(weight, bias, Some(layer), x);
        if self.spec.block == Block::NormedSums {
            let sum = add(x, &self.attention(layer, x));
            let x = norm(Role::AttentionNorm, Role::AttentionNormBias, &sum);
            let sum = add(&x, &self.mlp(layer, &x));
            return norm(Role::MlpNorm, Role::MlpNormBias, &sum);
        }
        let normed = norm(Role::AttentionNorm, Role::AttentionNormBias, x);
        let attended = add(x, &self.attention(layer, &normed));
        let mlp = match self.spec.block {
            Block::Parallel { mlp_norm: false } => self.mlp(layer, &normed),
            Block::Parallel { mlp_norm: true } => {
                self.mlp(layer, &norm(Role::MlpNorm, Role::MlpNormBias, x))
            }
            Block::Sequential(_) | Block::NormedSums => {
                self.mlp(layer, &norm(Role::MlpNorm, Role::MlpNormBias, &attended))
            }
        };
        add(&attended, &mlp)
    }

    fn attention(&self, layer: usize, x: &[f32]) -> Vec<f32> {
        let (hidden, layer, a) = (self.spec.hidden, Some(layer), &self.spec.attention);
        let bias = a.qkv_bias.then_some(Role::ValueBias);
        let shape = [a.kv_heads * a.head_size, hidden];
        let value = linear(Role::Value, bias, layer, shape, x);
        let of_head = |head| value.chunks(a.head_size).nth(head * a.kv_heads / a.heads).unwrap();
        let heads: Vec<f32> = (0..a.heads).flat_map(|head| of_head(head).to_vec()).collect();
        let bias = a.output_bias.then_some(Role::AttentionOutputBias);
        linear(Role::AttentionOutput, bias, layer, [hidden, heads.len()], &heads)
    }

    fn mlp(&self, layer: usize, x: &[f32]) -> Vec<f32> {
        let (mlp, hidden, layer) = (&self.spec.mlp, self.spec.hidden, Some(layer));
        let bias = |role| mlp.bias.then_some(role);
        let inward = [mlp.intermediate, hidden];
        let mut inner = linear(Role::Up, bias(Role::UpBias), layer, inward, x);
        if mlp.gated {
            let gate = linear(Role::Gate, bias(Role::GateBias), layer, inward, x);
            for (up, gate) in inner.iter_mut().zip(gate) {
                *up *= activate(mlp.activation, gate);
            }
        } else {
            for up in &mut inner {
                *up = activate(mlp.activation, *up);
            }
        }
        linear(Role::Down, bias(Role::DownBias), layer, [hidden, mlp.intermediate], &inner)
    }

    fn norm(&self, weight: Role, bias: Role, layer: Option<usize>, x: &[f32]) -> Vec<f32> {
        let (norm, size) = (self.spec.norm, x.len() as f32);
        let mean = if norm.kind == NormKind::Layer { x.iter().sum::<f32>() / size } else { 0.0 };
        let squares: f32 = x.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = (squares / size + norm.epsilon).sqrt();
        let weight = weights(weight, layer, &[x.len()]);
        let scaled: Vec<f32> =
            x.iter().zip(weight).map(|(x, weight)| (x - mean) / deviation * weight).collect();
        if norm.bias { add(&scaled, &weights(bias, layer, &[x.len()])) } else { scaled }
    }

    fn row(&self, table: Role, rows: usize, row: usize) -> Vec<f32> {
        let hidden = self.spec.hidden;
        weights(table, None, &[rows, hidden])[row * hidden..(row + 1) * hidden].to_vec()
    }
}

fn linear(
    weight: Role,
    bias: Option<Role>,
    layer: Option<usize>,
    shape: [usize; 2],
    x: &[f32],
) -> Vec<f32> {
    let matrix = weights(weight, layer, &shape);
    let product = |row: &[f32]| row.iter().zip(x).map(|(weight, x)| weight * x).sum();
    let y: Vec<f32> = matrix.chunks(shape[1]).map(product).collect();
    match bias {
        Some(role) => add(&y, &weights(role, layer, &shape[..1])),
        None => y,
    }
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn activate(activation: Activation, x: f32) -> f32 {
    match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Relu => x.max(0.0),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        // The normal distribution up to x, by Simpson's rule from 0.
        Activation::GeluErf => {
            let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let (steps, x) = (200, f64::from(x));
            let weight = |n| if n == 0 || n == steps { 1.0 } else { 2.0 + 2.0 * f64::from(n % 2) };
            let width = x / f64::from(steps);
            let sum: f64 = (0..=steps).map(|n| weight(n) * density(f64::from(n) * width)).sum();
            (x * (0.5 + sum * width / 3.0)) as f32
        }
    }
}

fn agrees_with_scalars(spec: ModelSpec) {
    let found = plain_pass(&mut random_backend(&spec, 1), &[TOKEN as u32]);
    let difference = largest_difference(&found, &[Scalars { spec }.logits()]);
    assert!(difference < 1e-4, "logits differ by up to {difference}");
}

#[test]
fn layer_norms_learned_positions_and_all_biases_in_a_parallel_block() {
    agrees_with_scalars(layer_normed());
}

#[test]
fn layer_norms_in_a_sequential_block() {
    agrees_with_scalars(ModelSpec { block: Block::Sequential(Norms::Before), ..layer_normed() });
}

#[test]
fn sums_that_are_normed() {
    agrees_with_scalars(ModelSpec { block: Block::NormedSums, ..layer_normed() });
}

#[test]
fn every_activation_gated_and_plain() {
    use Activation::{GeluErf, GeluTanh, Relu, Silu};
    for activation in [GeluErf, GeluTanh, Relu, Silu] {
        for gated in [false, true] {
            let mut spec = llama();
            spec.mlp.activation = activation;
            spec.mlp.gated = gated;
            agrees_with_scalars(spec);
        }
    }
}

#[test]
fn scales_and_the_soft_cap_of_logits() {
    let mut spec = llama();
    spec.embedding.scale = 3.0;
    spec.embedding.logit_scale = 2.0;
    spec.embedding.logit_soft_cap = Some(1.5);
    agrees_with_scalars(spec);
}
