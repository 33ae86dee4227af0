//! A request as it arrives: shapes and ranges were checked by the server, and every integer that
//! reaches an index or an allocation is checked again here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::grammar::Grammar;

/// What a client asks of the engine. In JSON a generation is an object with `inputs` and
/// `parameters`, a chat one with `chat`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "Fields")]
pub enum Job {
    /// Tokens after a prompt.
    Generate(Request),
    /// The prompt of a conversation.
    Chat(Conversation),
    /// The tokens of a text.
    Tokenize(Text),
}

impl From<Request> for Job {
    fn from(request: Request) -> Self {
        Self::Generate(request)
    }
}

impl From<Conversation> for Job {
    fn from(conversation: Conversation) -> Self {
        Self::Chat(conversation)
    }
}

#[derive(Deserialize)]
struct Fields {
    inputs: Option<String>,
    input_ids: Option<Vec<u32>>,
    #[serde(default)]
    parameters: Parameters,
    cache_salt: Option<String>,
    adapter: Option<u32>,
    chat: Option<Conversation>,
    tokenize: Option<Text>,
}

impl TryFrom<Fields> for Job {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { inputs, input_ids, parameters, cache_salt, adapter, chat, tokenize } = fields;
        match (chat, tokenize) {
            (None, None) if inputs.is_some() || input_ids.is_some() => {
                let inputs = inputs.unwrap_or_default();
                Ok(Self::Generate(Request { inputs, input_ids, parameters, cache_salt, adapter }))
            }
            (Some(conversation), None) if inputs.is_none() => Ok(Self::Chat(conversation)),
            (None, Some(text)) if inputs.is_none() => Ok(Self::Tokenize(text)),
            _ => Err("exactly one of `inputs`, `chat` and `tokenize` is wanted"),
        }
    }
}

/// Messages to write as a prompt, by the template of the model.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Conversation {
    /// Array of objects with `role` and `content`.
    pub messages: Value,
    /// Array of functions that the model may call.
    pub tools: Option<Value>,
    /// Whether the prompt ends with the head of the assistant's turn.
    pub add_generation_prompt: bool,
    /// Further variables of the template; those above win.
    #[serde(default)]
    pub variables: Map<String, Value>,
}

/// A text to tokenize.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Whether the tokenizer adds its special tokens.
    pub add_special_tokens: bool,
}

/// A generation request.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Request {
    /// Prompt.
    #[serde(default)]
    pub inputs: String,
    /// Prompt as token ids, taken as they are; in place of `inputs`.
    #[serde(default)]
    pub input_ids: Option<Vec<u32>>,
    /// Everything else.
    #[serde(default)]
    pub parameters: Parameters,
    /// Cached prefixes are shared only between requests of equal salt, such as a hash of the
    /// client's key; those without are one group.
    #[serde(default)]
    pub cache_salt: Option<String>,
    /// Number of the adapter that answers; none is the model itself.
    #[serde(default)]
    pub adapter: Option<u32>,
}

/// TGI's generation parameters, and extensions that are off by default. Absent is TGI's default.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the parameters are TGI's")]
pub struct Parameters {
    /// Sample even where no other parameter asks for it.
    pub do_sample: bool,
    /// Divides the logits; above 0.
    pub temperature: Option<f32>,
    /// Divides positive and multiplies negative logits of tokens seen; above 0.
    pub repetition_penalty: Option<f32>,
    /// Taken off the logits of tokens seen, by their frequency; -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// Keeps the best `k` tokens; above 0.
    pub top_k: Option<u32>,
    /// Keeps the smallest set of tokens with this probability; above 0, at most 1.
    pub top_p: Option<f32>,
    /// Keeps the tokens nearest to the expected information; above 0, below 1.
    pub typical_p: Option<f32>,
    /// Tokens to generate at most; `None` fills up to the total limit.
    pub max_new_tokens: Option<u32>,
    /// Keeps only the last `n` tokens of the prompt.
    pub truncate: Option<u32>,
    /// Texts that end the generation when the text ends with one.
    pub stop: Vec<String>,
    /// Seed of the random numbers; drawn when absent.
    pub seed: Option<u64>,
    /// Most likely tokens to report at each place.
    pub top_n_tokens: u32,
    /// Report the prompt's tokens with their logprobs.
    pub decoder_input_details: bool,
    /// Whether the tokenizer adds its special tokens.
    pub add_special_tokens: bool,
    /// Generate past the end-of-sequence token; under a grammar, past every end that it leaves open.
    pub ignore_eos: bool,
    /// Every token keeps to it.
    pub grammar: Option<Grammar>,
    /// TGI's watermark.
    pub watermark: Option<Watermark>,
    /// Extension: keeps the tokens with at least this share of the best one's probability; 0 to 1.
    pub min_p: Option<f32>,
    /// Extension, as `OpenAI`'s: added to the logits of these token ids; -100 to 100.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Extension, as `OpenAI`'s: taken off the logits of the tokens generated so far; -2 to 2.
    pub presence_penalty: Option<f32>,
    /// Extension, `OpenAI`'s `frequency_penalty`: taken off for each time that a token was
    /// generated; -2 to 2.
    pub openai_frequency_penalty: Option<f32>,
    /// Extension: neither the end-of-sequence token nor a stop sequence counts before.
    pub min_new_tokens: u32,
    /// Extension: logprobs, and the top tokens, are those of the model, before all warpers.
    pub raw_logprobs: bool,
    /// Extension: a stop sequence is found inside a token too, and the text is cut there.
    pub stop_anywhere: bool,
    /// With `stop_anywhere`: whether the stop sequence stays in the text.
    pub include_stop_str: bool,
}

/// The watermark of TGI (Kirchenbauer et al. 2023): lifts a part of the vocabulary that the token
/// before chooses.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub struct Watermark {
    /// Share of the vocabulary that is lifted; 0 to 1.
    pub gamma: f32,
    /// What is added to its logits.
    pub delta: f32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            do_sample: false,
            temperature: None,
            repetition_penalty: None,
            frequency_penalty: None,
            top_k: None,
            top_p: None,
            typical_p: None,
            max_new_tokens: None,
            truncate: None,
            stop: Vec::new(),
            seed: None,
            top_n_tokens: 0,
            decoder_input_details: false,
            add_special_tokens: true,
            ignore_eos: false,
            grammar: None,
            watermark: None,
            min_p: None,
            logit_bias: BTreeMap::new(),
            presence_penalty: None,
            openai_frequency_penalty: None,
            min_new_tokens: 0,
            raw_logprobs: false,
            stop_anywhere: false,
            include_stop_str: true,
        }
    }
}

impl Parameters {
    /// TGI's rule: sampling is on when asked for, or when a warper that needs it is given.
    #[expect(clippy::float_cmp, reason = "TGI compares exactly")]
    pub fn is_sampling(&self) -> bool {
        self.do_sample
            || self.temperature.is_some_and(|value| value != 1.0)
            || self.top_k.is_some()
            || self.top_p.is_some_and(|value| value < 1.0)
            || self.typical_p.is_some_and(|value| value < 1.0)
            || self.min_p.is_some_and(|value| value > 0.0)
    }
}
