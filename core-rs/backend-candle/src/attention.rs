//! Multi-head attention with grouped keys and values (Ainslie et al. 2023,
//! <https://arxiv.org/abs/2305.13245>) over paged KV.

use candle_core::{D, DType, Result, Tensor};
use tgi_model::spec::{Attention as AttentionSpec, Norm as NormSpec, NormKind, Position, QkNorm};
use tgi_model::{ModelSpec, Role, alibi};

use crate::CandleError;
use crate::kv::KvPages;
use crate::linear::Linear;
use crate::loader::Loader;
use crate::norm::Norm;
use crate::step::{LayerStep, View};

/// Attention of one layer.
pub(crate) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    /// Norms of q and of k, and what they run over.
    qk_norms: Option<(QkNorm, [Norm; 2])>,
    /// Slopes of linear biases, `[heads, 1, 1]`.
    slopes: Option<Tensor>,
    heads: usize,
    kv_heads: usize,
    head_size: usize,
    scale: f64,
    soft_cap: Option<f64>,
}

impl Attention {
    /// Reads the weights of the loader's layer.
    pub fn load(loader: &mut Loader, spec: &ModelSpec) -> std::result::Result<Self, CandleError> {
        let hidden = spec.hidden;
        let AttentionSpec { heads, kv_heads, head_size, qk_norm, qkv_bias, output_bias, .. } =
            spec.attention;
        let (q_width, kv_width) = (heads * head_size, kv_heads * head_size);
        let mut project = |weight, bias: Role, width| {
            Linear::load(loader, weight, qkv_bias.then_some(bias), [width, hidden])
        };
        let query = project(Role::Query, Role::QueryBias, q_width)?;
        let key = project(Role::Key, Role::KeyBias, kv_width)?;
        let value = project(Role::Value, Role::ValueBias, kv_width)?;
        let output_bias = output_bias.then_some(Role::AttentionOutputBias);
        let output = Linear::load(loader, Role::AttentionOutput, output_bias, [hidden, q_width])?;
        let qk_norms = qk_norm.map(|over| load_qk_norms(loader, spec, over)).transpose()?;
        let slopes = match spec.position {
            Position::Alibi { factor } => {
                let slopes = (0..heads).map(|head| factor * alibi::slope(head, heads));
                Some(Tensor::from_iter(slopes, loader.device())?.reshape((heads, 1, 1))?)
            }
            _ => None,
        };
        Ok(Self {
            query,
            key,
            value,
            output,
            qk_norms,
            slopes,
            heads,
            kv_heads,
            head_size,
            scale: f64::from(spec.attention.scale),
            soft_cap: spec.attention.soft_cap.map(f64::from),
        })
    }

    /// The projections that adapters may change.
    pub fn projections(&mut self) -> [(Role, &mut Linear); 4] {
        [
            (Role::Query, &mut self.query),
            (Role::Key, &mut self.key),
            (Role::Value, &mut self.value),
            (Role::AttentionOutput, &mut self.output),
        ]
    }

    /// Stores K and V of all tokens, then lets each sequence attend to its own pages.
    /// `[tokens, hidden]` to the same shape.
    pub fn forward(&self, x: &Tensor, kv: &KvPages, step: LayerStep) -> Result<Tensor> {
        let tokens = x.dim(0)?;
        let project = |linear: &Linear| linear.forward_adapted(x, step.adapted);
        let split = |y: Tensor, heads| y.reshape((tokens, heads, self.head_size));
        let (mut q, mut k) = (project(&self.query)?, project(&self.key)?);
        if let Some((QkNorm::Row, [query_norm, key_norm])) = &self.qk_norms {
            (q, k) = (query_norm.forward(&q)?, key_norm.forward(&k)?);
        }
        let (mut q, mut k) = (split(q, self.heads)?, split(k, self.kv_heads)?);
        let v = split(project(&self.value)?, self.kv_heads)?;
        if let Some((QkNorm::Head | QkNorm::Each, [query_norm, key_norm])) = &self.qk_norms {
            (q, k) = (query_norm.forward(&q)?, key_norm.forward(&k)?);
        }
        if let Some(rotation) = step.rotation {
            q = rotation.apply(&q)?;
            k = rotation.apply(&k)?;
        }
        kv.write(step.runs, &k, &v)?;
        let attend = |view: &View| self.attend(&q, kv, view);
        let attended = step.views.iter().map(attend).collect::<Result<Vec<_>>>()?;
        self.output.forward_adapted(&Tensor::cat(&attended, 0)?, step.adapted)
    }

    /// One sequence: its rows of `q` `[tokens, heads, head_size]` to `[rows, heads * head_size]`.
    fn attend(&self, q: &Tensor, kv: &KvPages, view: &View) -> Result<Tensor> {
        let (rows, size) = (view.rows.len(), self.head_size);
        let group = self.heads / self.kv_heads;
        let (k, v) = kv.read(&view.slots)?;
        // Query heads that share a key head become rows of one product.
        let q = q
            .narrow(0, view.rows.start, rows)?
            .reshape((rows, self.kv_heads, group, size))?
            .permute((1, 2, 0, 3))?
            .reshape((self.kv_heads, group * rows, size))?;
        let mut scores = (q.matmul(&k.t()?)?.to_dtype(DType::F32)? * self.scale)?;
        if let Some(cap) = self.soft_cap {
            scores = soft_cap(&scores, cap)?;
        }
        let shape = scores.shape().clone();
        let by_head = (self.heads, rows, view.slots.elem_count());
        if let (Some(slopes), Some(distances)) = (&self.slopes, &view.distances) {
            let biases = slopes.broadcast_mul(distances)?;
            scores = (scores.reshape(by_head)? + biases)?.reshape(&shape)?;
        }
        if let Some(mask) = &view.mask {
            scores = scores.reshape(by_head)?.broadcast_add(mask)?.reshape(&shape)?;
        }
        soft_max(&scores)?
            .to_dtype(v.dtype())?
            .matmul(&v)?
            .reshape((self.kv_heads, group, rows, size))?
            .permute((2, 0, 1, 3))?
            .reshape((rows, self.heads * size))
    }
}

/// The norms of q and of k.
fn load_qk_norms(
    loader: &mut Loader,
    spec: &ModelSpec,
    over: QkNorm,
) -> std::result::Result<(QkNorm, [Norm; 2]), CandleError> {
    let AttentionSpec { heads, kv_heads, head_size, .. } = spec.attention;
    let (kind, shapes) = match over {
        QkNorm::Head => (NormKind::Rms, [vec![head_size], vec![head_size]]),
        QkNorm::Row => (NormKind::Rms, [heads, kv_heads].map(|heads| vec![heads * head_size])),
        QkNorm::Each => (NormKind::Layer, [heads, kv_heads].map(|heads| vec![heads, head_size])),
    };
    let spec = NormSpec { kind, bias: false, ..spec.norm };
    let [query, key] = shapes;
    Ok((
        over,
        [
            Norm::load_without_bias(loader, &spec, Role::QueryNorm, &query)?,
            Norm::load_without_bias(loader, &spec, Role::KeyNorm, &key)?,
        ],
    ))
}

/// `cap * tanh(x / cap)` (Gemma 2, <https://arxiv.org/abs/2408.00118>).
pub(crate) fn soft_cap(x: &Tensor, cap: f64) -> Result<Tensor> {
    (x / cap)?.tanh()? * cap
}

/// Over the last dimension; each row has a finite number.
fn soft_max(x: &Tensor) -> Result<Tensor> {
    let powers = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
}
