//! The threads that tokenize and check, so that the engine's thread only computes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc::Receiver},
    time::Instant,
};

use tgi_model::{ChatTemplate, ModelError};

use crate::{
    event::{Event, EventSink, FailureKind},
    intake::Intake,
    registry::Ticket,
    request::{Conversation, Job, Request, Text},
    sequence::Sequence,
    token_spans::token_spans,
};

/// What a request is told when the engine ends before it does; TGI's words.
pub(crate) const INCOMPLETE: &str = "Incomplete generation";

/// What a chat is told when the model has no template; TGI's words.
const NO_TEMPLATE: &str = "template not found";

/// A request on its way to a worker.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) ticket: Ticket,
    pub(crate) job: Job,
    pub(crate) received: Instant,
}

/// One validation thread.
pub(crate) struct Worker {
    pub(crate) queue: Arc<Mutex<Receiver<Box<Submission>>>>,
    pub(crate) intake: Arc<Intake>,
    /// Of the model, if it has one.
    pub(crate) template: Option<Arc<ChatTemplate>>,
    pub(crate) sink: Box<dyn EventSink>,
}

impl Worker {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        while let Some(submission) = self.next() {
            self.handle(*submission);
        }
    }

    fn next(&self) -> Option<Box<Submission>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }

    /// Does a job or hands it on, or says why not. A cancelled one just goes.
    fn handle(&mut self, submission: Submission) {
        let Submission { ticket, job, received } = submission;
        let id = ticket.id();
        if ticket.is_cancelled() {
            return;
        }
        if self.intake.mailbox.is_stopping() {
            return self.fail(id, FailureKind::Incomplete, INCOMPLETE);
        }
        match job {
            Job::Generate(request) => self.prepare(ticket, &request, received),
            Job::Chat(conversation) => self.render(&ticket, &conversation),
            Job::Tokenize(text) => self.tokenize(&ticket, &text),
        }
    }

    fn prepare(&mut self, ticket: Ticket, request: &Request, received: Instant) {
        let id = ticket.id();
        let prepare = AssertUnwindSafe(|| self.intake.prepare(ticket, request));
        let Ok(sequence) = catch_unwind(prepare) else {
            let message = "Server error: the tokenizer panicked";
            return self.fail(id, FailureKind::Generation, message);
        };
        match sequence {
            Err(invalid) => self.fail(id, FailureKind::Validation, &invalid.to_string()),
            Ok(sequence) if sequence.ticket.is_cancelled() => {}
            Ok(sequence) => self.queue(sequence, received),
        }
    }

    /// Writes a conversation as a prompt; the template limits its own steps and output.
    fn render(&mut self, ticket: &Ticket, conversation: &Conversation) {
        let id = ticket.id();
        let Some(template) = self.template.clone() else {
            return self.fail(id, FailureKind::Template, NO_TEMPLATE);
        };
        let Conversation { messages, tools, add_generation_prompt, variables } = conversation;
        let render =
            || template.render_with(messages, tools.as_ref(), *add_generation_prompt, variables);
        match catch_unwind(AssertUnwindSafe(render)) {
            _ if ticket.is_cancelled() => {}
            Ok(Ok(prompt)) => {
                self.sink.emit(Event::Rendered { request: id, prompt: &prompt });
                self.sink.publish();
            }
            Ok(Err(ModelError::Template(reason))) => self.fail(id, FailureKind::Template, &reason),
            Ok(Err(error)) => self.fail(id, FailureKind::Template, &error.to_string()),
            Err(_) => self.fail(id, FailureKind::Generation, "Server error: the template panicked"),
        }
    }

    /// Tells the tokens of a text, as JSON.
    fn tokenize(&mut self, ticket: &Ticket, Text { text, add_special_tokens }: &Text) {
        let id = ticket.id();
        let tokenizer = Arc::clone(&self.intake.tokenizer);
        let spans = || -> Result<String, String> {
            let ids = tokenizer.encode(text, *add_special_tokens).map_err(|e| e.to_string())?;
            let spans = token_spans(&tokenizer, text, &ids);
            serde_json::to_string(&spans).map_err(|error| error.to_string())
        };
        match catch_unwind(AssertUnwindSafe(spans)) {
            _ if ticket.is_cancelled() => {}
            Ok(Ok(json)) => {
                self.sink.emit(Event::Rendered { request: id, prompt: &json });
                self.sink.publish();
            }
            Ok(Err(reason)) => {
                self.fail(id, FailureKind::Validation, &format!("tokenizer error {reason}"));
            }
            Err(_) => {
                self.fail(id, FailureKind::Generation, "Server error: the tokenizer panicked");
            }
        }
    }

    /// Says that the request is accepted, before the engine's thread can say more of it.
    fn queue(&mut self, sequence: Sequence, received: Instant) {
        let id = sequence.id();
        self.sink.emit(Event::Accepted {
            request: id,
            prompt_tokens: sequence.prompt_tokens() as u32,
            max_new_tokens: sequence.max_new_tokens() as u32,
            validation: received.elapsed(),
        });
        self.sink.publish();
        if !self.intake.push(sequence) {
            self.fail(id, FailureKind::Incomplete, INCOMPLETE);
        }
    }

    fn fail(&mut self, request: u32, kind: FailureKind, message: &str) {
        self.sink.emit(Event::Failed { request, kind, message });
        self.sink.publish();
    }
}
