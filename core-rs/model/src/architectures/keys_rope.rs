//! Rope in GGUF: keys `rope.*`, and tensors of divisors.

use super::keys::Keys;
use crate::error::Defect;
use crate::spec::{Rope, RopeScaling, Yarn};

impl Keys<'_> {
    /// Rope of the model; `base` counts when the file names none.
    pub fn rope(&self, base: f32) -> Result<Rope, Defect> {
        let base = self.positive("rope.freq_base")?.unwrap_or(base);
        Ok(Rope { base, scaling: self.rope_scaling()? })
    }

    /// How contexts are stretched. `scale_linear` is the older spelling of `linear`.
    fn rope_scaling(&self) -> Result<RopeScaling, Defect> {
        if let Some(divisors) = self.vector("rope_freqs.weight")? {
            return Ok(RopeScaling::Divided(divisors));
        }
        let lists =
            (self.vector("rope_factors_short.weight")?, self.vector("rope_factors_long.weight")?);
        if let (Some(short), Some(long)) = lists {
            return Ok(RopeScaling::LongRope {
                short,
                long,
                original: self.dimension("rope.scaling.original_context_length")?,
                amplitude: self.positive("rope.scaling.attn_factor")?.unwrap_or(1.0),
            });
        }
        let factor = || {
            let key = "rope.scaling.factor";
            self.positive(key)?
                .ok_or_else(|| Defect::malformed(format!("{} is missing", self.full(key))))
        };
        match self.text("rope.scaling.type")? {
            None => {
                let factor = self.positive("rope.scale_linear")?;
                Ok(factor.map_or(RopeScaling::None, |factor| RopeScaling::Linear { factor }))
            }
            Some("none") => Ok(RopeScaling::None),
            Some("linear") => Ok(RopeScaling::Linear { factor: factor()? }),
            Some("yarn") => self.yarn(factor()?),
            Some(other) => Err(Defect::unsupported(format!(
                "{} is {other:?}, this version knows \"linear\" and \"yarn\"",
                self.full("rope.scaling.type")
            ))),
        }
    }

    /// The amplitude is that of `rope_yarn` in ggml, times the file's factor.
    fn yarn(&self, factor: f32) -> Result<RopeScaling, Defect> {
        let scale = self.positive("rope.scaling.attn_factor")?.unwrap_or(1.0);
        Ok(RopeScaling::Yarn(Yarn {
            factor,
            original: self.dimension("rope.scaling.original_context_length")?,
            beta_fast: self.positive("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
            beta_slow: self.positive("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
            truncate: true,
            amplitude: scale * if factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 },
        }))
    }
}
