//! A backend without a model: its logits are a hash of the tokens that the page table shows.
//!
//! KV pages hold the tokens themselves. One wrong page, position, length or hole therefore changes
//! the generated text, and whoever drives [`tgi_backend::Backend`] can be tested by text alone, in
//! microseconds. Faults come on demand: a prompt that holds `<fail>`, `<panic>` or `<slow>` makes
//! the step that computes it fail, panic or take 50 ms longer.
//!
//! With [`ScriptedOptions::ahead`] a step is computed when it is finished, and no sooner: whoever
//! takes a result too early, hands over the wrong row or gives a page away while a step needs it has
//! another text.

mod ahead;
mod backend;
mod choice;
mod logits;
mod options;
mod vocabulary;

pub use backend::ScriptedBackend;
pub use options::ScriptedOptions;
pub use vocabulary::{BOS, EOS, FAIL, PANIC, SLOW, VOCAB, Vocabulary, tokenizer, vocabulary};
