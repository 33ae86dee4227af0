//! What a load refuses.

use crate::common::{RandomModel, load, options, random_model};
use tgi_backend::Backend;
use tgi_backend_cuda::{CudaOptions, Stored, WeightSource};
use tgi_model::spec::Experts;
use tgi_model::{ModelError, ModelSpec, Role};

fn refusal(spec: &ModelSpec, options: &CudaOptions) -> String {
    load(spec, &RandomModel, options).err().unwrap().to_string()
}

#[test]
fn a_model_that_it_does_not_compute_is_refused_by_what_it_is() {
    let mut experts = random_model::experts();
    experts.mlp.experts = experts.mlp.experts.map(|it| Experts { used: 5, ..it });
    assert_eq!(
        refusal(&experts, &options(4, 64)),
        "Cannot run experts on the cuda backend: a token uses 5 of 4 experts, expected 1 to 4; give \
         --backend candle or --device cpu"
    );
    let mut wide = random_model::llama();
    wide.attention.head_size = 1024;
    assert!(
        refusal(&wide, &options(4, 64)).contains("heads have 1024 elements, expected 1 to 512")
    );
}

#[test]
fn options_out_of_range_are_refused() {
    let spec = random_model::llama();
    assert!(refusal(&spec, &options(0, 64)).contains("0 KV pages, expected 1 to 134217727"));
    assert!(refusal(&spec, &options(4, 0)).contains("0 tokens a step"));
}

/// Weights that the device makes up.
struct MadeUp;

impl WeightSource for MadeUp {
    fn weight(&self, _: Role, _: Option<usize>, _: &[usize]) -> Result<Stored<'_>, ModelError> {
        Ok(Stored::Random)
    }
}

#[test]
fn random_weights_are_made_on_the_device_and_computed_with() {
    let spec = random_model::llama();
    let mut backend = load(&spec, &MadeUp, &options(4, 64)).unwrap();
    let logits = crate::common::plain_pass(&mut backend, &[1, 2, 3]);
    assert!(logits.iter().flatten().all(|logit| logit.is_finite()));
    assert_ne!(logits[1], logits[2]);
    assert_eq!(backend.name(), "cuda");
}
