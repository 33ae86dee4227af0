//! The open requests by id: how a cancel or a pause from outside reaches a request wherever it is.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// What the outside wants of a request.
#[derive(Debug, Default)]
struct Flow {
    cancelled: AtomicBool,
    paused: AtomicBool,
}

/// All open requests.
#[derive(Debug, Default)]
pub struct Registry {
    open: Mutex<HashMap<u32, Arc<Flow>>>,
}

impl Registry {
    /// Opens request `id`; `None` when it is open already.
    pub fn open(self: &Arc<Self>, id: u32) -> Option<Ticket> {
        let flow = Arc::new(Flow::default());
        let mut open = self.lock();
        if open.contains_key(&id) {
            return None;
        }
        open.insert(id, Arc::clone(&flow));
        Some(Ticket { id, flow, registry: Arc::clone(self) })
    }

    /// Asks for the end of request `id`; nothing happens when it is not open.
    pub fn cancel(&self, id: u32) {
        if let Some(flow) = self.lock().get(&id) {
            flow.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Asks for request `id` to be held back or to go on.
    pub fn set_paused(&self, id: u32, paused: bool) {
        if let Some(flow) = self.lock().get(&id) {
            flow.paused.store(paused, Ordering::Relaxed);
        }
    }

    /// Requests open now.
    pub fn open_requests(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Arc<Flow>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Travels with a request; dropping it closes the request, wherever it is.
#[derive(Debug)]
pub struct Ticket {
    id: u32,
    flow: Arc<Flow>,
    registry: Arc<Registry>,
}

impl Ticket {
    /// The request's id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether the request is to end without a further event.
    pub fn is_cancelled(&self) -> bool {
        self.flow.cancelled.load(Ordering::Relaxed)
    }

    /// Whether the request is to be held back.
    pub fn is_paused(&self) -> bool {
        self.flow.paused.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_reach_the_ticket_of_that_request_only() {
        let registry = Arc::new(Registry::default());
        let (one, two) = (registry.open(1).unwrap(), registry.open(2).unwrap());
        registry.cancel(1);
        registry.set_paused(2, true);
        assert!(one.is_cancelled() && !one.is_paused());
        assert!(!two.is_cancelled() && two.is_paused());
        registry.set_paused(2, false);
        assert!(!two.is_paused());
    }

    #[test]
    fn an_id_is_free_again_when_its_ticket_is_gone() {
        let registry = Arc::new(Registry::default());
        let ticket = registry.open(7).unwrap();
        assert!(registry.open(7).is_none());
        drop(ticket);
        assert_eq!(registry.open_requests(), 0);
        registry.cancel(7);
        assert!(!registry.open(7).unwrap().is_cancelled());
    }
}
