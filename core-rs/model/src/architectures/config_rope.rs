//! Rope in `config.json`: at the top and in `rope_scaling`, or in `rope_parameters` as
//! transformers 5 writes it. Names and defaults are those of its `modeling_rope_utils.py`.

use std::sync::Arc;

use serde_json::Value;

use super::config::{Config, malformed};
use super::keys::MAX_DIMENSION;
use crate::error::Defect;
use crate::spec::{Rope, RopeScaling, Yarn};

type Names = &'static [&'static str];

const SCALINGS: Names = &["rope_scaling", "rope_parameters"];
const FACTOR: Names = &["factor"];
const ORIGINAL: Names = &["original_max_position_embeddings"];
const SHARE: Names = &["partial_rotary_factor", "rotary_pct", "rope_pct"];

impl Config<'_> {
    /// Rope of the model; `base` counts when the file names none.
    pub fn rope(&self, base: f32) -> Result<Rope, Defect> {
        let found = self.rope_number(&["rope_theta", "rotary_emb_base"])?;
        Ok(Rope { base: found.unwrap_or(base), scaling: self.rope_scaling()? })
    }

    /// Rope of the layers of one kind, which transformers 5 writes as an object of its own.
    pub fn rope_of_layers(&self, kind: Names) -> Result<Option<Rope>, Defect> {
        let Some(all) = self.within(&["rope_parameters"])? else { return Ok(None) };
        let Some(one) = all.within(kind)? else { return Ok(None) };
        let base = one.required(&["rope_theta"], one.positive(&["rope_theta"])?)?;
        Ok(Some(Rope { base, scaling: self.scaling_in(&one)? }))
    }

    /// Elements of a head that rotate: a share of it, `share` when the file names none.
    pub fn rope_dimensions(&self, head_size: usize, share: f32) -> Result<usize, Defect> {
        let share = self.rope_number(SHARE)?.unwrap_or(share);
        let dimensions = (head_size as f64 * f64::from(share)) as usize;
        if dimensions == 0 || dimensions > head_size || !dimensions.is_multiple_of(2) {
            let name = SHARE[0];
            return Err(malformed(format!(
                "{name} is {share}, which turns {dimensions} of {head_size} elements, \
                 expected an even number of them"
            )));
        }
        Ok(dimensions)
    }

    /// A number in `rope_parameters`, or at the top.
    fn rope_number(&self, names: Names) -> Result<Option<f32>, Defect> {
        let inner = self.within(&["rope_parameters"])?;
        let inner = inner.map(|inner| inner.positive(names)).transpose()?.flatten();
        Ok(inner.or(self.positive(names)?))
    }

    /// Positions once rope is stretched: a growing base and `YaRN` count from the original
    /// context; with the others the file's context is stretched already.
    pub fn context(&self, context: usize, scaling: &RopeScaling) -> usize {
        let (original, factor) = match scaling {
            RopeScaling::Dynamic { factor, original } => (*original, *factor),
            RopeScaling::Yarn(yarn) => (yarn.original, yarn.factor),
            _ => return context,
        };
        let stretched = (original as f64 * f64::from(factor)) as usize;
        context.max(stretched).min(MAX_DIMENSION as usize)
    }

    fn rope_scaling(&self) -> Result<RopeScaling, Defect> {
        let Some(scaling) = self.within(SCALINGS)? else { return Ok(RopeScaling::None) };
        if scaling.within(&["full_attention"])?.is_some() {
            return Err(Defect::unsupported(
                "config.json: rope_parameters differ by kind of layer, which this version knows \
                 for Gemma 3 alone",
            ));
        }
        self.scaling_in(&scaling)
    }

    fn scaling_in(&self, scaling: &Config) -> Result<RopeScaling, Defect> {
        let positive = |names| scaling.required(names, scaling.positive(names)?);
        let has_lists = scaling.list(&["short_factor"])?.is_some();
        match scaling.text(&["rope_type", "type"])? {
            None | Some("default") => Ok(RopeScaling::None),
            Some("linear") => Ok(RopeScaling::Linear { factor: positive(FACTOR)? }),
            Some("dynamic") => {
                let original = self.original(scaling)?;
                Ok(RopeScaling::Dynamic { factor: positive(FACTOR)?, original })
            }
            Some("llama3") => Ok(RopeScaling::Llama3 {
                factor: positive(FACTOR)?,
                low: positive(&["low_freq_factor"])?,
                high: positive(&["high_freq_factor"])?,
                original: scaling.dimension(ORIGINAL)?,
            }),
            // Phi 3 knew LongRoPE by these names too.
            Some("su" | "yarn" | "longrope") if has_lists => self.longrope(scaling),
            Some("yarn") => self.yarn(scaling),
            Some(other) => Err(Defect::unsupported(format!(
                "config.json: its rope scaling is {other:?}, this version knows linear, dynamic, \
                 llama3, yarn and longrope"
            ))),
        }
    }

    /// Positions of the original context.
    fn original(&self, scaling: &Config) -> Result<usize, Defect> {
        if let Some(original) = scaling.optional_dimension(ORIGINAL)? {
            return Ok(original);
        }
        match self.optional_dimension(ORIGINAL)? {
            Some(original) => Ok(original),
            None => self.dimension(&["max_position_embeddings"]),
        }
    }

    fn yarn(&self, scaling: &Config) -> Result<RopeScaling, Defect> {
        let factor = scaling.required(FACTOR, scaling.positive(FACTOR)?)?;
        let amplitude =
            |scale: f32| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
        let scales = (scaling.positive(&["mscale"])?, scaling.positive(&["mscale_all_dim"])?);
        let inferred = match scales {
            (Some(scale), Some(all)) => amplitude(scale) / amplitude(all),
            _ => amplitude(1.0),
        };
        Ok(RopeScaling::Yarn(Yarn {
            factor,
            original: self.original(scaling)?,
            beta_fast: scaling.positive(&["beta_fast"])?.unwrap_or(32.0),
            beta_slow: scaling.positive(&["beta_slow"])?.unwrap_or(1.0),
            truncate: scaling.bool(&["truncate"])?.unwrap_or(true),
            amplitude: scaling.positive(&["attention_factor"])?.unwrap_or(inferred),
        }))
    }

    fn longrope(&self, scaling: &Config) -> Result<RopeScaling, Defect> {
        let original = self.original(scaling)?;
        let context = self.dimension(&["max_position_embeddings"])?;
        let named = scaling.positive(FACTOR)?;
        let factor = match self.optional_dimension(ORIGINAL)? {
            Some(original) => context as f32 / original as f32,
            None => named.unwrap_or(context as f32 / original as f32),
        };
        let inferred =
            if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (original as f32).ln()).sqrt() };
        Ok(RopeScaling::LongRope {
            short: divisors(scaling, &["short_factor"])?,
            long: divisors(scaling, &["long_factor"])?,
            original,
            amplitude: scaling.positive(&["attention_factor"])?.unwrap_or(inferred),
        })
    }
}

/// A list of numbers above 0.
fn divisors(scaling: &Config, names: Names) -> Result<Arc<[f32]>, Defect> {
    let list = scaling.required(names, scaling.list(names)?)?;
    let number = |value: &Value| {
        value.as_f64().map(|number| number as f32).filter(|&x| x.is_finite() && x > 0.0)
    };
    list.iter()
        .map(number)
        .collect::<Option<_>>()
        .ok_or_else(|| malformed(format!("{} holds something else than numbers above 0", names[0])))
}
