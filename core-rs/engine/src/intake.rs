//! The front of the engine: requests go in here, and so do the wishes about them.

use std::sync::Arc;

use tgi_model::Tokenizer;

use crate::{
    config::Profile,
    generation::Generation,
    grammar::Compiler,
    mailbox::Mailbox,
    prepare::{Invalid, TokenLimits, prepare},
    registry::{Registry, Ticket},
    request::Request,
    sequence::Sequence,
};

/// Shared by everyone who hands requests or wishes to an engine's thread.
pub struct Intake {
    pub(crate) tokenizer: Arc<Tokenizer>,
    grammars: Compiler,
    limits: TokenLimits,
    speculate: usize,
    profile: Profile,
    registry: Arc<Registry>,
    pub(crate) mailbox: Mailbox,
}

impl Intake {
    pub(crate) fn new(
        tokenizer: Arc<Tokenizer>,
        limits: TokenLimits,
        speculate: usize,
        profile: Profile,
    ) -> Self {
        let (registry, mailbox) = (Arc::default(), Mailbox::default());
        let grammars = Compiler::new(Arc::clone(&tokenizer));
        Self { tokenizer, grammars, limits, speculate, profile, registry, mailbox }
    }

    /// Opens request `id`; `None` when it is open already.
    pub fn open(&self, id: u32) -> Option<Ticket> {
        self.registry.open(id)
    }

    /// Requests that are open.
    pub fn open_requests(&self) -> usize {
        self.registry.open_requests()
    }

    /// Tokenizes and checks a request, compiles its grammar, and takes the memory of its whole generation.
    ///
    /// # Errors
    /// [`Invalid`] says which limit it breaks, in TGI's words.
    pub fn prepare(&self, ticket: Ticket, request: &Request) -> Result<Sequence, Invalid> {
        let prepared = prepare(request, &self.tokenizer, self.limits)?;
        let parameters = &request.parameters;
        let grammar = parameters.grammar.as_ref().map(|grammar| self.grammars.compile(grammar));
        let grammar = grammar.transpose()?;
        let generation = Generation::new(parameters, &prepared, self.profile, self.tokenizer.eos());
        let details = parameters.decoder_input_details;
        let sequence = Sequence::new(ticket, prepared, self.speculate, details, generation);
        Ok(sequence.constrained_by(grammar))
    }

    /// Queues a sequence; false when the engine's thread has ended.
    pub fn push(&self, sequence: Sequence) -> bool {
        self.mailbox.push(sequence)
    }

    /// Ends request `id` within one step; nothing more is told of it.
    pub fn cancel(&self, id: u32) {
        self.registry.cancel(id);
        self.mailbox.wake();
    }

    /// Holds request `id` back; it keeps its pages unless others need them.
    pub fn pause(&self, id: u32) {
        self.registry.set_paused(id, true);
        self.mailbox.wake();
    }

    /// Lets request `id` go on.
    pub fn resume(&self, id: u32) {
        self.registry.set_paused(id, false);
        self.mailbox.wake();
    }
}
