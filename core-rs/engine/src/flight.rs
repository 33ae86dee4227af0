//! Steps that are begun and not finished, and which rows of them belong to whom.
//!
//! Two at most: the oldest, which the device computes, and the one behind it. A backend without
//! [`tgi_backend::Ahead`] has one, computed when it is finished.

use std::time::Instant;

use tgi_backend::{BackendError, Batch};

use crate::sequence::Sequence;

/// A step that is begun.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Place in the order of arrival and first wanted row of each sequence, ascending.
    members: Vec<(u64, usize)>,
    /// Wanted rows.
    pub(crate) rows: usize,
    /// Sequences admitted for it.
    pub(crate) admitted: u32,
    pub(crate) begun: Instant,
    /// Why it could not be begun; it shows when the step would be finished.
    pub(crate) failed: Option<BackendError>,
}

impl Flight {
    fn new(sequences: usize) -> Self {
        let members = Vec::with_capacity(sequences);
        Self { members, rows: 0, admitted: 0, begun: Instant::now(), failed: None }
    }

    /// The first wanted row of a sequence, if the step computes any of it. A sequence that ended
    /// meanwhile is asked for no more, so that its row is ignored.
    pub(crate) fn row_of(&self, sequence: &Sequence) -> Option<usize> {
        let place = self.members.binary_search_by_key(&sequence.arrival, |member| member.0);
        Some(self.members[place.ok()?].1)
    }
}

/// The steps that are begun and not finished.
#[derive(Debug)]
pub(crate) struct Flights {
    /// The oldest first; behind those that are begun, the one that was finished last.
    steps: [Flight; 2],
    begun: usize,
}

impl Flights {
    /// None; takes the memory for steps of so many sequences.
    pub(crate) fn new(sequences: usize) -> Self {
        Self { steps: [Flight::new(sequences), Flight::new(sequences)], begun: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.begun == 0
    }

    /// The only step, if it could be begun.
    pub(crate) fn single(&self) -> Option<&Flight> {
        (self.begun == 1 && self.steps[0].failed.is_none()).then(|| &self.steps[0])
    }

    /// Adds the step that computes `sequences`, which are those of `batch`, in its order.
    pub(crate) fn add<'a>(
        &mut self,
        batch: &Batch,
        sequences: impl Iterator<Item = &'a Sequence>,
        admitted: u32,
        failed: Option<BackendError>,
    ) {
        let flight = &mut self.steps[self.begun];
        let first_row =
            |token: usize| batch.logit_rows.partition_point(|&at| (at as usize) < token);
        let spans = batch.sequences.iter().map(|span| first_row(span.tokens.start));
        flight.members.clear();
        flight.members.extend(sequences.map(|sequence| sequence.arrival).zip(spans));
        flight.rows = batch.logit_rows.len();
        flight.admitted = admitted;
        flight.begun = Instant::now();
        flight.failed = failed;
        self.begun += 1;
    }

    /// Takes the oldest step out, and says whether another is behind it.
    pub(crate) fn take_oldest(&mut self) -> (&mut Flight, bool) {
        self.steps.swap(0, 1);
        self.begun -= 1;
        (&mut self.steps[1], self.begun > 0)
    }
}
