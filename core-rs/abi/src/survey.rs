//! What a configuration would take and serve, found without loading the weights: for `tgi plan`.

use serde::Serialize;
use tgi_backend_cpu::isa::choice::Choice;

use crate::backends::{cpu_needs, open_adapters, open_model, scripted_needs};
use crate::candle::Site;
use crate::config::Config;
use crate::errors::OpenError;
use crate::memory::available_bytes;
use crate::plan::{LargestStep, Needs, check, draft};
use crate::stats::MemoryPlan;

/// Facts of a plan that nobody has carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    backend: String,
    isa: String,
    dtype: &'static str,
    architecture: String,
    chat_template: bool,
    /// Positions that the model knows, tokens.
    context: usize,
    max_input_tokens: usize,
    max_total_tokens: usize,
    max_batch_prefill_tokens: usize,
    max_batch_total_tokens: usize,
    max_batch_size: usize,
    plan: MemoryPlan,
    /// Why it cannot be carried out, one sentence that names the flag to change.
    problem: Option<String>,
}

/// A model as the survey sees it.
struct Subject {
    isa: String,
    dtype: &'static str,
    architecture: String,
    chat_template: bool,
}

/// The [`Survey`] of the configuration in `json`, as JSON.
///
/// # Errors
/// Every [`OpenError`] but those that a [`Survey`] carries as its problem.
pub fn survey(json: &[u8]) -> Result<String, OpenError> {
    let config = Config::from_json(json)?;
    Ok(serde_json::to_string(&of(&config, available_bytes())?)?)
}

fn of(config: &Config, available: u64) -> Result<Survey, OpenError> {
    let with_model = |isa, dtype, model: &tgi_model::Model| Subject {
        isa,
        dtype,
        architecture: model.spec.architecture.clone(),
        chat_template: model.chat_template.is_some(),
    };
    match config.backend.as_str() {
        "candle" => {
            let model = open_model(config)?;
            let site = Site::open(config)?;
            let subject = with_model(site.isa(), site.dtype_name(), &model);
            let adapters = open_adapters(config, &model)?;
            finish(config, subject, &site.needs(&model, &adapters), site.available(available))
        }
        #[cfg(feature = "cuda")]
        "cuda" => {
            let model = open_model(config)?;
            let site = crate::cuda::Site::open(config, &model)?;
            let subject = with_model(site.isa(), site.dtype_name(), &model);
            let adapters = open_adapters(config, &model)?;
            finish(config, subject, &site.needs(&model, &adapters), site.available())
        }
        "cpu" => {
            let choice = Choice::new(config.cpu_isa.as_deref())?;
            let model = open_model(config)?;
            let subject = with_model(choice.isa.name().to_owned(), "int8", &model);
            let adapters = open_adapters(config, &model)?;
            finish(config, subject, &cpu_needs(config, &model, &adapters), available)
        }
        "scripted" => {
            let options = config.scripted.clone().unwrap_or_default();
            let (isa, architecture) = ("none".to_owned(), "scripted".to_owned());
            let subject = Subject { isa, dtype: "float32", architecture, chat_template: false };
            finish(config, subject, &scripted_needs(&options), available)
        }
        other => Err(OpenError::Backend(other.to_owned())),
    }
}

fn finish<A: Fn(LargestStep) -> u64>(
    config: &Config,
    subject: Subject,
    needs: &Needs<A>,
    available: u64,
) -> Result<Survey, OpenError> {
    let plan = draft(config, needs, available)?;
    Ok(Survey {
        backend: config.backend.clone(),
        isa: subject.isa,
        dtype: subject.dtype,
        architecture: subject.architecture,
        chat_template: subject.chat_template,
        context: needs.context,
        max_input_tokens: plan.max_input_tokens,
        max_total_tokens: plan.max_total_tokens,
        max_batch_prefill_tokens: plan.max_batch_prefill_tokens,
        max_batch_total_tokens: plan.max_batch_total_tokens,
        max_batch_size: plan.max_batch_size,
        plan: MemoryPlan::new(&plan),
        problem: check(&plan, config).err().map(|error| error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backends::load;
    use crate::config::tests::config;

    #[test]
    fn a_survey_says_what_a_load_then_takes() {
        let config = config(&json!({"scripted": {"pages": 16, "context": 300}}));
        let survey = of(&config, 1 << 30).unwrap();
        let loaded = load(&config, 1 << 30).unwrap();
        assert_eq!(survey.plan, MemoryPlan::new(&loaded.plan));
        assert_eq!(survey.max_total_tokens, loaded.plan.max_total_tokens);
        assert_eq!((survey.context, survey.problem), (300, None));
    }

    #[test]
    fn what_does_not_fit_is_surveyed_all_the_same() {
        let config = config(&json!({"maxBatchTotalTokens": 1_000_000}));
        let survey = of(&config, 1 << 20).unwrap();
        let problem = survey.problem.unwrap();
        assert!(problem.starts_with("Cannot plan the memory"), "{problem}");
        assert!(problem.contains("lower --max-batch-total-tokens to "), "{problem}");
    }

    #[test]
    fn the_instruction_set_is_the_one_to_compute_with() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tiny-llama.gguf");
        let with = |isa| config(&json!({"backend": "cpu", "modelPath": model, "cpuIsa": isa}));
        assert_eq!(of(&with("portable"), 1 << 30).unwrap().isa, "portable");
        let message = of(&with("sse9"), 1 << 30).unwrap_err().to_string();
        assert!(message.contains("set --cpu-isa to one of them"), "{message}");
    }

    #[test]
    fn a_model_that_cannot_be_read_has_no_survey() {
        let config = config(&json!({"backend": "cpu", "modelPath": "/nowhere/a.gguf"}));
        let message = of(&config, 1 << 30).unwrap_err().to_string();
        assert!(message.starts_with("Cannot open /nowhere/a.gguf"), "{message}");
    }
}
