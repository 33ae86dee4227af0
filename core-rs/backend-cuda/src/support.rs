//! What may be asked of this backend; checked before any weight is read.

use tgi_backend::PAGE_TOKENS;
use tgi_cuda_kernels::signatures::{MAX_EXPERTS, MAX_HEAD_SIZE, MAX_USED_EXPERTS};
use tgi_model::ModelSpec;
use tgi_model::spec::{Experts, Position};

use crate::{CudaError, CudaOptions};

/// Checks that the decoder computes what `spec` asks for, and that its numbers fit together.
///
/// # Errors
/// [`CudaError::Unsupported`] names what it does not.
pub fn check_spec(spec: &ModelSpec) -> Result<(), CudaError> {
    let fail = |reason: String| {
        Err(CudaError::Unsupported { architecture: spec.architecture.clone(), reason })
    };
    let attention = &spec.attention;
    if let Some(experts) = &spec.mlp.experts {
        check_experts(experts, spec.mlp.bias).or_else(fail)?;
    }
    if attention.kv_heads == 0 || !attention.heads.is_multiple_of(attention.kv_heads) {
        let (heads, kv_heads) = (attention.heads, attention.kv_heads);
        return fail(format!("{heads} query heads do not share {kv_heads} key heads evenly"));
    }
    if attention.head_size == 0 || attention.head_size > MAX_HEAD_SIZE as usize {
        let size = attention.head_size;
        return fail(format!("its heads have {size} elements, expected 1 to {MAX_HEAD_SIZE}"));
    }
    if attention.windows.len() != spec.layers {
        let windows = attention.windows.len();
        return fail(format!("it has {windows} attention windows for {} layers", spec.layers));
    }
    if attention.windows.contains(&Some(0)) {
        return fail("an attention window is 0 tokens, expected 1 or more".to_owned());
    }
    let Position::Rope { dimensions, layers, .. } = &spec.position else { return Ok(()) };
    if layers.len() != spec.layers {
        return fail(format!("it has {} ropes for {} layers", layers.len(), spec.layers));
    }
    let size = attention.head_size;
    if *dimensions == 0 || *dimensions > size || !dimensions.is_multiple_of(2) {
        return fail(format!(
            "rope turns {dimensions} elements, expected an even number up to {size}"
        ));
    }
    Ok(())
}

/// Checks what the kernels take of experts.
fn check_experts(&Experts { count, used, .. }: &Experts, has_bias: bool) -> Result<(), String> {
    if count > MAX_EXPERTS as usize {
        return Err(format!("it has {count} experts a layer, expected up to {MAX_EXPERTS}"));
    }
    let most = count.min(MAX_USED_EXPERTS as usize);
    if used == 0 || used > most {
        return Err(format!("a token uses {used} of {count} experts, expected 1 to {most}"));
    }
    if has_bias {
        return Err("its experts have biases, which are not known".to_owned());
    }
    Ok(())
}

/// Checks that sizes are in range.
///
/// # Errors
/// [`CudaError::Options`] names the one that is not.
pub fn check_options(options: &CudaOptions) -> Result<(), CudaError> {
    let fail = |reason: String| Err(CudaError::Options(reason));
    // Slots are u32, and the largest stands for none.
    let limit = (u32::MAX - 1) as usize / PAGE_TOKENS;
    if options.pages == 0 || options.pages > limit {
        return fail(format!("{} KV pages, expected 1 to {limit}", options.pages));
    }
    // What a grid has in y and z.
    let most = usize::from(u16::MAX);
    for (what, number) in [("tokens", options.batch_tokens), ("logit rows", options.logit_rows)] {
        if number == 0 || number > most {
            return fail(format!(
                "{number} {what} a step, expected 1 to {most}; lower --max-batch-prefill-tokens or \
                 --max-batch-size"
            ));
        }
    }
    Ok(())
}
