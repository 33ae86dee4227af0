//! The one core of this process, and the text of the last error.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::errors::OpenError;
use crate::open::Session;
use crate::panics;

enum Slot {
    Empty,
    /// A thread is opening a core; it does not hold the lock, so that no other export waits.
    Opening,
    Open(Arc<Session>),
}

static SLOT: RwLock<Slot> = RwLock::new(Slot::Empty);
static LAST_ERROR: Mutex<String> = Mutex::new(String::new());

fn replace(slot: Slot) -> Slot {
    std::mem::replace(&mut SLOT.write().unwrap_or_else(PoisonError::into_inner), slot)
}

/// Opens the core; refuses while another one is open.
pub fn open(json: &[u8]) -> Result<(), OpenError> {
    {
        let mut slot = SLOT.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*slot, Slot::Empty) {
            return Err(OpenError::AlreadyOpen);
        }
        *slot = Slot::Opening;
    }
    panics::report_in_one_line();
    let opening = Opening;
    let session = Session::open(json)?;
    std::mem::forget(opening);
    replace(Slot::Open(Arc::new(session)));
    Ok(())
}

/// Undoes the start of an opening that failed or panicked.
struct Opening;

impl Drop for Opening {
    fn drop(&mut self) {
        replace(Slot::Empty);
        panics::report_as_before();
    }
}

/// The open core.
pub fn session() -> Option<Arc<Session>> {
    match &*SLOT.read().unwrap_or_else(PoisonError::into_inner) {
        Slot::Open(session) => Some(Arc::clone(session)),
        Slot::Empty | Slot::Opening => None,
    }
}

/// Closes the open core and joins its threads; `false` when there is none.
pub fn close() -> bool {
    let session = {
        let mut slot = SLOT.write().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *slot, Slot::Empty) {
            Slot::Open(session) => session,
            other => {
                *slot = other;
                return false;
            }
        }
    };
    session.close();
    panics::report_as_before();
    true
}

/// The text for `tgi_last_error`.
pub fn last_error() -> MutexGuard<'static, String> {
    LAST_ERROR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a text for `tgi_last_error`.
pub fn set_last_error(text: impl Into<String>) {
    *last_error() = text.into();
}
