//! What may be asked of this backend; checked before any weight is read.

use candle_core::DType;
use tgi_backend::PAGE_TOKENS;
use tgi_model::ModelSpec;
use tgi_model::spec::{Experts, Position};

use crate::{CandleError, CandleOptions};

/// Checks that the decoder computes what `spec` asks for, and that its numbers fit together.
pub(crate) fn check_spec(spec: &ModelSpec) -> Result<(), CandleError> {
    let fail = |reason: String| {
        Err(CandleError::Unsupported { architecture: spec.architecture.clone(), reason })
    };
    let attention = &spec.attention;
    if attention.kv_heads == 0 || !attention.heads.is_multiple_of(attention.kv_heads) {
        let (heads, kv_heads) = (attention.heads, attention.kv_heads);
        return fail(format!("{heads} query heads do not share {kv_heads} key heads evenly"));
    }
    if attention.windows.len() != spec.layers {
        let windows = attention.windows.len();
        return fail(format!("it has {windows} attention windows for {} layers", spec.layers));
    }
    if attention.windows.contains(&Some(0)) {
        return fail("an attention window is 0 tokens, expected 1 or more".to_owned());
    }
    if let Some(Experts { count, used, .. }) = spec.mlp.experts {
        if used == 0 || used > count {
            return fail(format!("a token uses {used} of {count} experts, expected 1 to {count}"));
        }
        if spec.mlp.bias {
            return fail("its experts have biases, which are not known".to_owned());
        }
    }
    match &spec.position {
        Position::Alibi { .. } | Position::Learned { .. } => Ok(()),
        Position::Rope { dimensions, layers, .. } => {
            let size = attention.head_size;
            if layers.len() != spec.layers {
                let ropes = layers.len();
                return fail(format!("it has {ropes} ropes for {} layers", spec.layers));
            }
            if *dimensions == 0 || *dimensions > size || !dimensions.is_multiple_of(2) {
                return fail(format!(
                    "rope turns {dimensions} elements, expected an even number up to {size}"
                ));
            }
            Ok(())
        }
    }
}

/// Checks that sizes are in range and that the device computes in the type.
pub(crate) fn check_options(options: &CandleOptions) -> Result<(), CandleError> {
    let fail = |reason: String| Err(CandleError::Options(reason));
    let slots = options.pages.checked_mul(PAGE_TOKENS);
    if options.pages == 0 || slots.is_none_or(|slots| u32::try_from(slots).is_err()) {
        let limit = u32::MAX as usize / PAGE_TOKENS;
        return fail(format!("{} KV pages, expected 1 to {limit}", options.pages));
    }
    if options.batch_tokens == 0 || options.logit_rows == 0 {
        let (tokens, rows) = (options.batch_tokens, options.logit_rows);
        return fail(format!("{tokens} tokens and {rows} logit rows a step, expected 1 or more"));
    }
    let is_float = matches!(options.dtype, DType::F32 | DType::F16 | DType::BF16);
    if !is_float || (options.device.is_cpu() && options.dtype != DType::F32) {
        let dtype = options.dtype.as_str();
        return fail(format!("dtype {dtype}, expected f32 (bf16 or f16 also on a GPU)"));
    }
    Ok(())
}
