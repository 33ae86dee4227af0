use std::sync::Arc;

use llguidance::{Matcher, toktrie::SimpleVob};

use super::fault::explain;

/// Where one sequence stands in its grammar.
///
/// A step goes: [`walk`](Self::walk) beside the forward makes the mask of each row, the sampler
/// picks under [`mask`](Self::mask), [`feed`](Self::feed) takes what was picked. What a mask allows
/// depends on the grammar and the tokens before it alone, so neither drafts nor batch-mates show.
pub struct GrammarState {
    matcher: Matcher,
    /// The start of the grammar, never moved.
    start: Arc<Matcher>,
    /// Tokens that the sequence has.
    accepted: Vec<u32>,
    /// Drafts of this step that the matcher took, behind `accepted`.
    walked: Vec<u32>,
    /// Of the next token, and of those behind each walked draft.
    masks: Vec<SimpleVob>,
    /// Why there is no mask behind the last.
    fault: Option<String>,
    /// What the grammar allows only one way, from here on.
    forced: Vec<u32>,
}

impl GrammarState {
    pub(super) fn new(start: Arc<Matcher>) -> Self {
        Self {
            matcher: start.deep_clone(),
            start,
            accepted: Vec::new(),
            walked: Vec::new(),
            masks: Vec::new(),
            fault: None,
            forced: Vec::new(),
        }
    }

    /// Makes the masks of the next token and of those behind each of `drafts`, as far as the
    /// grammar allows them.
    pub fn walk(&mut self, drafts: &[u32]) {
        self.masks.clear();
        if self.fault.is_some() {
            return;
        }
        self.fault = self.try_walk(drafts).err();
    }

    fn try_walk(&mut self, drafts: &[u32]) -> Result<(), String> {
        self.push_mask()?;
        for &draft in drafts {
            let allowed = self.masks.last().is_some_and(|mask| is_allowed(mask, draft));
            if !allowed || self.matcher.is_stopped() {
                break;
            }
            self.walked.push(draft);
            told(self.matcher.consume_token(draft))?;
            self.push_mask()?;
        }
        Ok(())
    }

    fn push_mask(&mut self) -> Result<(), String> {
        self.masks.push(told(self.matcher.compute_mask_or_eos())?);
        Ok(())
    }

    /// The mask for the row `place` rows behind the first, a bit a token from the lowest of each
    /// word on; or why the grammar cannot go on there.
    pub fn mask(&self, place: usize) -> Result<&[u32], &str> {
        match self.masks.get(place) {
            Some(mask) => Ok(mask.as_slice()),
            None => Err(self.fault.as_deref().unwrap_or("no mask was made")),
        }
    }

    /// Takes the tokens that the step gave, and finds those that are forced behind them.
    pub fn feed(&mut self, tokens: &[u32]) {
        self.accepted.extend_from_slice(tokens);
        self.masks.clear();
        self.forced.clear();
        let fed = if self.fault.take().is_some() {
            // A draft that was not picked led into the fault; the matcher cannot leave it.
            self.matcher = self.start.deep_clone();
            self.matcher.consume_tokens(&self.accepted)
        } else {
            let same = self.walked.iter().zip(tokens).take_while(|(left, right)| left == right);
            let same = same.count();
            let back = self.walked.len() - same;
            self.matcher.rollback(back).and_then(|()| self.matcher.consume_tokens(&tokens[same..]))
        };
        self.walked.clear();
        match fed {
            Ok(()) if !self.matcher.is_stopped() => self.forced = self.matcher.compute_ff_tokens(),
            Ok(()) => {}
            Err(error) => self.fault = Some(explain(&error.to_string())),
        }
    }

    /// Ends the grammar here: there is no mask any more.
    pub(super) fn fail(&mut self, fault: &str) {
        self.masks.clear();
        self.forced.clear();
        self.fault = Some(fault.to_owned());
    }

    /// Tokens that must follow: the mask of each allows no other.
    pub fn forced(&self) -> &[u32] {
        &self.forced
    }
}

impl std::fmt::Debug for GrammarState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GrammarState")
            .field("accepted", &self.accepted.len())
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

fn told<T>(result: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    result.map_err(|error| explain(&error.to_string()))
}

fn is_allowed(mask: &SimpleVob, token: u32) -> bool {
    (token as usize) < mask.len() && mask.is_allowed(token)
}
