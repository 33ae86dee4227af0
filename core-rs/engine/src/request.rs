//! A request as it arrives: shapes and ranges were checked by the server, and every integer that
//! reaches an index or an allocation is checked again here.

use serde::Deserialize;
use serde_json::Value;

/// What a client asks of the engine. In JSON a generation is an object with `inputs` and
/// `parameters`, a chat one with `chat`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "Fields")]
pub enum Job {
    /// Tokens after a prompt.
    Generate(Request),
    /// The prompt of a conversation.
    Chat(Conversation),
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
    #[serde(default)]
    parameters: Parameters,
    cache_salt: Option<String>,
    chat: Option<Conversation>,
}

impl TryFrom<Fields> for Job {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { inputs, parameters, cache_salt, chat } = fields;
        match (inputs, chat) {
            (Some(inputs), None) => Ok(Self::Generate(Request { inputs, parameters, cache_salt })),
            (None, Some(conversation)) => Ok(Self::Chat(conversation)),
            _ => Err("exactly one of `inputs` and `chat` is wanted"),
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
}

/// A generation request.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Request {
    /// Prompt.
    pub inputs: String,
    /// Everything else.
    #[serde(default)]
    pub parameters: Parameters,
    /// Cached prefixes are shared only between requests of equal salt, such as a hash of the
    /// client's key; those without are one group.
    #[serde(default)]
    pub cache_salt: Option<String>,
}

/// TGI's generation parameters. Absent is TGI's default.
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
    /// Generate past the end-of-sequence token.
    pub ignore_eos: bool,
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
    }
}
