//! The model: embedding, layers, head.

use candle_core::{DType, Result, Tensor};
use tgi_model::spec::{Block as BlockSpec, Position, distinct};
use tgi_model::{ModelSpec, Role};

use crate::CandleError;
use crate::attention::soft_cap;
use crate::block::Block;
use crate::kv::KvPages;
use crate::linear::Linear;
use crate::loader::Loader;
use crate::norm::Norm;
use crate::rotary::Rotary;
use crate::step::Step;

/// All weights and what a specification says of their use.
pub(crate) struct Decoder {
    /// `[vocab, hidden]`.
    embedding: Tensor,
    embedding_scale: f64,
    embedding_norm: Option<Norm>,
    /// A learned table `[positions, hidden]`; row 0 is position 0.
    positions: Option<Tensor>,
    /// Those that differ.
    pub ropes: Vec<Rotary>,
    /// Those that differ.
    pub windows: Vec<Option<usize>>,
    /// Positions are linear biases on the scores.
    pub has_biases: bool,
    layers: Vec<Layer>,
    /// Before the head, where it has one.
    norm: Option<Norm>,
    head: Linear,
    logit_scale: f64,
    logit_soft_cap: Option<f64>,
}

/// A block, with its rope and window as indices into the decoder's.
struct Layer {
    block: Block,
    rope: Option<usize>,
    window: usize,
}

impl Decoder {
    /// Reads all weights of a checked specification.
    pub fn load(spec: &ModelSpec, mut loader: Loader) -> std::result::Result<Self, CandleError> {
        let table = [spec.vocab, spec.hidden];
        let embedding = loader.tensor(Role::TokenEmbedding, &table)?;
        let head = if spec.embedding.tied {
            Linear::from_weight(embedding.clone())
        } else {
            Linear::load(&mut loader, Role::Output, None, table)?
        };
        let mut load_norm = |wanted: bool, weight, bias| {
            let load = || Norm::load(&mut loader, &spec.norm, weight, Some(bias), spec.hidden);
            wanted.then(load).transpose()
        };
        let has_norm = spec.block != BlockSpec::NormedSums;
        let norm = load_norm(has_norm, Role::OutputNorm, Role::OutputNormBias)?;
        let embedding_norm =
            load_norm(spec.embedding.norm, Role::EmbeddingNorm, Role::EmbeddingNormBias)?;
        let (mut positions, mut ropes, mut rope_of) = (None, Vec::new(), vec![None; spec.layers]);
        match &spec.position {
            Position::Learned { offset } => {
                let shape = [spec.context + offset, spec.hidden];
                let all = loader.tensor(Role::PositionEmbedding, &shape)?;
                positions = Some(all.narrow(0, *offset, spec.context)?);
            }
            Position::Rope { layout, dimensions, layers } => {
                let (different, of_layer) = distinct(layers.iter().flatten());
                ropes = different.iter().map(|it| Rotary::new(it, *layout, *dimensions)).collect();
                let mut of_layer = of_layer.into_iter();
                let next = |rope: &Option<_>| rope.as_ref().and_then(|_| of_layer.next());
                rope_of = layers.iter().map(next).collect();
            }
            Position::Alibi { .. } => {}
        }
        let (windows, window_of) = distinct(spec.attention.windows.iter());
        let mut layers = Vec::with_capacity(spec.layers);
        for (number, (rope, window)) in rope_of.into_iter().zip(window_of).enumerate() {
            loader.layer = Some(number);
            layers.push(Layer { block: Block::load(&mut loader, spec)?, rope, window });
        }
        Ok(Self {
            embedding,
            embedding_scale: f64::from(spec.embedding.scale),
            embedding_norm,
            positions,
            ropes,
            windows: windows.into_iter().copied().collect(),
            has_biases: matches!(spec.position, Position::Alibi { .. }),
            layers,
            norm,
            head,
            logit_scale: f64::from(spec.embedding.logit_scale),
            logit_soft_cap: spec.embedding.logit_soft_cap.map(f64::from),
        })
    }

    /// The layers' blocks, in their order.
    pub fn blocks(&mut self) -> impl Iterator<Item = &mut Block> {
        self.layers.iter_mut().map(|layer| &mut layer.block)
    }

    /// Runs the tokens through all layers; K and V go to `kv`, one for each layer.
    /// Gives the residual stream, `[tokens, hidden]`.
    pub fn forward(&self, step: &Step, kv: &[KvPages]) -> Result<Tensor> {
        let mut x = (self.embedding.index_select(&step.tokens, 0)? * self.embedding_scale)?;
        if let Some(positions) = &self.positions {
            x = (x + positions.index_select(&step.positions, 0)?)?;
        }
        if let Some(norm) = &self.embedding_norm {
            x = norm.forward(&x)?;
        }
        for (layer, kv) in self.layers.iter().zip(kv) {
            x = layer.block.forward(&x, kv, step.layer(layer.rope, layer.window))?;
        }
        Ok(x)
    }

    /// Logits of some rows of the residual stream: `[rows]` in u32 to `[rows, vocab]` in f32.
    pub fn logits(&self, x: &Tensor, rows: &Tensor) -> Result<Tensor> {
        let x = x.index_select(rows, 0)?;
        let x = self.norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))?;
        let logits = (self.head.forward(&x)?.to_dtype(DType::F32)? * self.logit_scale)?;
        match self.logit_soft_cap {
            Some(cap) => soft_cap(&logits, cap),
            None => Ok(logits),
        }
    }
}
