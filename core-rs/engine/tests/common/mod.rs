//! What the tests of the engine share: a sink that keeps everything, and a core to step by hand.
#![allow(dead_code, missing_docs)]

pub mod schedule;
pub mod step_by_step;
pub mod watched;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tgi_backend::{Ahead, Backend, BackendError, Batch, Capacity, Logits, PAGE_TOKENS};
use tgi_backend_scripted::{FAIL, ScriptedBackend, ScriptedOptions, tokenizer};
use tgi_engine::{
    Core, EngineConfig, Event, EventSink, FailureKind, FinishReason, Intake, Profile, Progress,
    Request, StepReport, TokenInfo, Usage,
};
use tgi_model::Tokenizer;

/// A token with its logprob as bits, so that equal means equal in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: u32,
    pub logprob: u32,
    pub special: bool,
    pub text: String,
}

impl From<&TokenInfo<'_>> for Token {
    fn from(token: &TokenInfo<'_>) -> Self {
        let (logprob, text) = (token.logprob.to_bits(), token.text.to_owned());
        Self { id: token.id, logprob, special: token.special, text }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Done(FinishReason, Option<u64>),
    Rendered(String),
    Failed(FailureKind, String),
}

/// Everything told of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    pub accepted: bool,
    pub prompt: Vec<Token>,
    pub tokens: Vec<(Token, Vec<Token>)>,
    pub has_last: bool,
    pub text: String,
    pub end: Option<End>,
}

#[derive(Debug, Default)]
pub struct Log {
    pub stories: HashMap<u32, Story>,
    pub usages: HashMap<u32, Usage>,
    pub steps: Vec<StepReport>,
    pub published: usize,
}

/// Keeps all events, and checks that they come in order.
#[derive(Clone, Debug, Default)]
pub struct Recorder(pub Arc<Mutex<Log>>);

impl Recorder {
    pub fn story(&self, id: u32) -> Story {
        self.0.lock().unwrap().stories.get(&id).cloned().unwrap_or_default()
    }

    pub fn usage(&self, id: u32) -> Usage {
        self.0.lock().unwrap().usages[&id]
    }

    pub fn last_step(&self) -> StepReport {
        *self.0.lock().unwrap().steps.last().unwrap()
    }

    pub fn steps(&self) -> usize {
        self.0.lock().unwrap().steps.len()
    }
}

impl EventSink for Recorder {
    fn emit(&mut self, event: Event<'_>) {
        let mut log = self.0.lock().unwrap();
        let request = match event {
            Event::Step(report) => return log.steps.push(report),
            Event::Accepted { request, .. }
            | Event::Prefill { request, .. }
            | Event::Token { request, .. }
            | Event::Text { request, .. }
            | Event::Done { request, .. }
            | Event::Rendered { request, .. }
            | Event::Failed { request, .. } => request,
        };
        if let Event::Done { usage, .. } = event {
            log.usages.insert(request, usage);
        }
        let story = log.stories.entry(request).or_default();
        assert!(story.end.is_none(), "an event after the end of {request}: {event:?}");
        match event {
            Event::Accepted { .. } => {
                assert_eq!(*story, Story::default(), "accepted comes first");
                story.accepted = true;
            }
            Event::Prefill { tokens, .. } => {
                assert!(story.tokens.is_empty() && (1..=256).contains(&tokens.len()));
                story.prompt.extend(tokens.iter().map(Token::from));
            }
            Event::Token { index, last, token, top, .. } => {
                assert!(story.text.is_empty() && !story.has_last, "the last token comes last");
                story.has_last = last;
                assert_eq!(index as usize, story.tokens.len() + 1);
                story.tokens.push(((&token).into(), top.iter().map(Token::from).collect()));
            }
            Event::Text { text, .. } => {
                assert!((1..=16 * 1024).contains(&text.len()));
                story.text.push_str(text);
            }
            Event::Done { finish_reason, seed, .. } => {
                assert!(story.has_last, "the end comes with the last token");
                story.end = Some(End::Done(finish_reason, seed));
            }
            Event::Rendered { prompt, .. } => {
                assert_eq!(*story, Story::default(), "a prompt comes alone");
                story.end = Some(End::Rendered(prompt.to_owned()));
            }
            Event::Failed { kind, message, .. } => {
                story.end = Some(End::Failed(kind, message.to_owned()));
            }
            Event::Step(_) => {}
        }
    }

    fn publish(&mut self) {
        self.0.lock().unwrap().published += 1;
    }
}

/// The scripted backend, leaning towards tokens that follow from the last one alone: its texts
/// run in circles, so that drafts are often right.
pub struct Circular(pub ScriptedBackend);

impl Backend for Circular {
    fn name(&self) -> &'static str {
        "circular"
    }

    fn capacity(&self) -> Capacity {
        self.0.capacity()
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        let mut logits = self.0.forward(batch)?;
        for (index, &row) in batch.logit_rows.iter().enumerate() {
            let next = 300 + (batch.tokens[row as usize] as usize * 7 + 3) % 12;
            logits.row_mut(index)[next] += 11.5;
        }
        Ok(logits)
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        self.0.copy_page(from, to)
    }

    fn is_batch_invariant(&self) -> bool {
        true
    }
}

/// Leaves garbage in all pages that a failing batch writes to, as a real backend may.
pub struct Spoiling(pub Box<dyn Backend>);

impl Backend for Spoiling {
    fn name(&self) -> &'static str {
        "spoiling"
    }

    fn capacity(&self) -> Capacity {
        self.0.capacity()
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        self.spoil(batch)?;
        self.0.forward(batch)
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        self.0.copy_page(from, to)
    }

    fn is_batch_invariant(&self) -> bool {
        true
    }

    fn draws(&self) -> bool {
        self.0.draws()
    }

    fn ahead(&mut self) -> Option<&mut dyn Ahead> {
        if self.0.ahead().is_some() { Some(self) } else { None }
    }
}

impl Spoiling {
    fn spoil(&mut self, batch: &Batch) -> Result<(), BackendError> {
        if !batch.tokens.contains(&FAIL) {
            return Ok(());
        }
        for span in &batch.sequences {
            let pages = &batch.page_table[span.pages.clone()];
            let first = span.kv_len - span.kv_len % PAGE_TOKENS;
            for position in first..span.kv_len + span.tokens.len() {
                let mut garbage = Batch::default();
                garbage.push_sequence(&[99], pages, position);
                self.0.forward(&garbage)?;
            }
        }
        Ok(())
    }
}

impl Ahead for Spoiling {
    /// Only prompts fail, and nothing is unfinished when one begins.
    fn begin(&mut self, batch: &Batch) -> Result<(), BackendError> {
        self.spoil(batch)?;
        self.0.ahead().unwrap().begin(batch)
    }

    fn finish(&mut self) -> Result<Logits<'_>, BackendError> {
        self.0.ahead().unwrap().finish()
    }
}

pub fn config() -> EngineConfig {
    EngineConfig {
        max_input_tokens: 1 << 20,
        max_total_tokens: 1 << 20,
        max_batch_prefill_tokens: 1 << 20,
        max_batch_total_tokens: None,
        max_batch_size: None,
        prefix_caching: false,
        speculate: 0,
        validation_workers: 2,
        pause_limit: Duration::from_hours(1),
        profile: Profile::V0_3,
    }
}

/// A core to be stepped by hand.
pub struct Bench {
    pub core: Core,
    pub intake: Arc<Intake>,
    pub recorder: Recorder,
}

impl Bench {
    pub fn new(options: &ScriptedOptions, config: &EngineConfig) -> Self {
        Self::over(Box::new(ScriptedBackend::new(options)), config)
    }

    pub fn over(backend: Box<dyn Backend>, config: &EngineConfig) -> Self {
        Self::of_model(backend, Arc::new(tokenizer()), config)
    }

    pub fn of_model(
        backend: Box<dyn Backend>,
        tokenizer: Arc<Tokenizer>,
        config: &EngineConfig,
    ) -> Self {
        let recorder = Recorder::default();
        let sink = Box::new(recorder.clone());
        let (core, intake) = Core::open(backend, tokenizer, config, sink).unwrap();
        Self { core, intake, recorder }
    }

    pub fn submit(&self, id: u32, request: &Request) {
        let ticket = self.intake.open(id).unwrap();
        let sequence = self.intake.prepare(ticket, request).unwrap();
        assert!(self.intake.push(sequence));
    }

    /// Steps until there is nothing left to compute; fails when that takes more than `limit`.
    pub fn run(&mut self, limit: usize) {
        for _ in 0..limit {
            if let Progress::Idle(_) = self.core.step() {
                return;
            }
        }
        panic!("not done after {limit} steps: {:?}", self.recorder.last_step());
    }

    pub fn story(&self, id: u32) -> Story {
        self.recorder.story(id)
    }
}

/// A request for `max_new_tokens` greedy tokens.
pub fn greedy(inputs: impl Into<String>, max_new_tokens: u32) -> Request {
    let mut request = Request { inputs: inputs.into(), ..Request::default() };
    request.parameters.max_new_tokens = Some(max_new_tokens);
    request.parameters.ignore_eos = true;
    request
}

/// `count` bytes of text; no two neighbours merge, so that each is a token.
pub fn letters(count: usize) -> String {
    (0..count).map(|index| char::from(b'A' + (index * 7 % 26) as u8)).collect()
}
