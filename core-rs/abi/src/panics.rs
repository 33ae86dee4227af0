//! How panics are told and held back.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};

use crate::state::set_last_error;

/// Tells a panic in one line on the standard error, without a trace: the engine goes on, and its
/// client reads of the failure.
pub fn report_in_one_line() {
    set_hook(Box::new(|info| eprintln!("{}", line(info))));
}

/// Gives the way of telling panics back to the standard library.
pub fn report_as_before() {
    drop(take_hook());
}

fn line(info: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
    let text = info.payload_as_str().unwrap_or("no message").replace('\n', " ");
    format!("libtgi_core: thread {} panicked{place}: {text}", thread.name().unwrap_or("unnamed"))
}

/// Runs the body of an export: a panic becomes `failure`, it never leaves the library.
pub fn guarded<T>(failure: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        set_last_error("Cannot finish the call: the core panicked; see the standard error");
        failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_failure_value() {
        assert_eq!(guarded(-1, || panic!("on purpose")), -1);
        assert_eq!(guarded(-1, || 7), 7);
    }
}
