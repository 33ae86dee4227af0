//! The C functions: the only way in. `ffi/symbols.ts` is their other side.
//!
//! Numbers and buffers only. A negative result is `-errno` ([`crate::errors::errno`]) or -1, and
//! [`tgi_last_error`] has its text. Only [`tgi_open`], [`tgi_plan`], [`tgi_poll`] and
//! [`tgi_close`] may block.
//! A buffer is `len` readable or `cap` writable bytes at `ptr`, for the time of the call; one that
//! is null is empty.

use std::time::Duration;

use crate::capturing;
use crate::errors::errno;
use crate::machine;
use crate::outbox::Polled;
use crate::panics::guarded;
use crate::presence::presence;
use crate::record::MAX_RECORD_BYTES;
use crate::state::{self, session, set_last_error};
use crate::survey;

/// Counts up with every change of a signature, a record or the JSON.
const ABI_VERSION: u32 = 4;
const FAILURE: i32 = -1;
const PAUSE: u32 = 1;

/// # Safety
/// `ptr` is null, or good for `len` bytes to read for `'a`.
unsafe fn input<'a>(ptr: *const u8, len: u32) -> &'a [u8] {
    if ptr.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(ptr, len as usize) }
}

/// # Safety
/// `ptr` is null, or good for `cap` bytes to write for `'a`, and nobody else uses them.
unsafe fn output<'a>(ptr: *mut u8, cap: u32) -> &'a mut [u8] {
    if ptr.is_null() {
        return &mut [];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(ptr, cap as usize) }
}

/// Copies `text` whole; returns its bytes, or minus the bytes needed.
fn copy_text(text: &str, out: &mut [u8]) -> i32 {
    match out.get_mut(..text.len()) {
        Some(out) => {
            out.copy_from_slice(text.as_bytes());
            text.len() as i32
        }
        None => -(text.len() as i32),
    }
}

fn refuse(errno: i32, text: impl Into<String>) -> i32 {
    set_last_error(text);
    -errno
}

fn refuse_closed() -> i32 {
    refuse(errno::EPIPE, "Cannot reach the core: it is not open")
}

/// The version of this ABI; the bridge refuses any other.
#[unsafe(no_mangle)]
pub extern "C" fn tgi_abi_version() -> u32 {
    ABI_VERSION
}

/// Opens the core that the JSON describes ([`crate::config::Config`]): 0, `-ENODEV` when the driver, the
/// GPU or kernels for it are missing, or -1. Blocks.
///
/// # Safety
/// The buffer as in the module's text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tgi_open(ptr: *const u8, len: u32) -> i32 {
    guarded(FAILURE, || {
        // SAFETY: the caller's promise.
        let json = unsafe { input(ptr, len) };
        match state::open(json) {
            Ok(()) => 0,
            Err(error) => {
                set_last_error(error.to_string());
                error.errno().map_or(FAILURE, |errno| -errno)
            }
        }
    })
}

/// How far [`tgi_open`] is with the capture of CUDA graphs: those in all in the high 32 bits, 0 where
/// none are captured, and those that are there in the low 32.
#[unsafe(no_mangle)]
pub extern "C" fn tgi_captured() -> u64 {
    capturing::noted()
}

/// Queues the job in the JSON ([`tgi_engine::Job`]): its id above 0, or `-EAGAIN` when the
/// queue is full, `-EINVAL` for JSON that cannot be read, `-EPIPE` when the core is not open.
///
/// # Safety
/// The buffer as in the module's text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tgi_submit(ptr: *const u8, len: u32) -> i32 {
    guarded(FAILURE, || {
        // SAFETY: the caller's promise.
        let json = unsafe { input(ptr, len) };
        let Some(session) = session() else { return refuse_closed() };
        session.submit(json).unwrap_or_else(|(errno, text)| refuse(errno, text))
    })
}

/// Ends a request within one step; its records stop. Unknown ids are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn tgi_cancel(id: u32) {
    guarded((), || {
        if let Some(session) = session() {
            session.engine.cancel(id);
        }
    });
}

/// Holds a request back (1) or lets it go on (0). Unknown ids are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn tgi_flow(id: u32, flow: u32) {
    guarded((), || match session() {
        Some(session) if flow == PAUSE => session.engine.pause(id),
        Some(session) => session.engine.resume(id),
        None => {}
    });
}

/// Waits up to `timeout_ms` for records and writes whole ones: their bytes, 0 when there were none
/// in time, -1 when the core is or gets closed; `-EINVAL` when the buffer cannot hold the longest
/// record, `-EBUSY` while another poll runs. Blocks.
///
/// # Safety
/// The buffer as in the module's text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tgi_poll(ptr: *mut u8, cap: u32, timeout_ms: u32) -> i32 {
    guarded(FAILURE, || {
        // SAFETY: the caller's promise.
        let out = unsafe { output(ptr, cap.min(i32::MAX as u32)) };
        if out.len() < MAX_RECORD_BYTES {
            let text = format!("Cannot poll into {cap} bytes: a record has {MAX_RECORD_BYTES}");
            return refuse(errno::EINVAL, text);
        }
        let Some(session) = session() else { return FAILURE };
        match session.outbox.poll(out, Duration::from_millis(timeout_ms.into())) {
            Polled::Records(bytes) => bytes as i32,
            Polled::Timeout => 0,
            Polled::Closed => FAILURE,
            Polled::Busy => refuse(errno::EBUSY, "Cannot poll: another poll is under way"),
        }
    })
}

/// Writes what the core chose at load ([`crate::stats::EngineInfo`]): its bytes, or minus the bytes
/// needed, or -1 when the core is not open.
///
/// # Safety
/// The buffer as in the module's text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tgi_stats(ptr: *mut u8, cap: u32) -> i32 {
    guarded(FAILURE, || {
        // SAFETY: the caller's promise.
        let out = unsafe { output(ptr, cap) };
        if let Some(session) = session() {
            return copy_text(&session.info, out);
        }
        refuse_closed();
        FAILURE
    })
}

/// Writes what the core would take and serve for the configuration in the JSON, without loading
/// the weights ([`crate::survey::Survey`]): its bytes, or minus the bytes needed, or -1 when the
/// model cannot be read. Works whether a core is open or not. Blocks.
///
/// # Safety
/// The buffers as in the module's text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tgi_plan(ptr: *const u8, len: u32, out: *mut u8, cap: u32) -> i32 {
    guarded(FAILURE, || {
        // SAFETY: the caller's promise.
        let (json, out) = unsafe { (input(ptr, len), output(out, cap)) };
        match survey::survey(json) {
            Ok(text) => copy_text(&text, out),
            Err(error) => {
                set_last_error(error.to_string());
                FAILURE
            }
        }
    })
}

/// Writes what this machine offers ([`crate::machine::Machine`]): its bytes, or minus the bytes
/// needed.
///
/// # Safety
/// The buffer as in the module's text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tgi_machine(ptr: *mut u8, cap: u32) -> i32 {
    guarded(FAILURE, || {
        // SAFETY: the caller's promise.
        let out = unsafe { output(ptr, cap) };
        copy_text(&machine::describe(), out)
    })
}

/// Writes which of the TCP peers in the JSON, a list, are here and which have left
/// ([`crate::presence`]): its bytes, or minus the bytes needed, or `-EINVAL` for JSON that cannot be
/// read. Works whether a core is open or not.
///
/// # Safety
/// The buffers as in the module's text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tgi_presence(ptr: *const u8, len: u32, out: *mut u8, cap: u32) -> i32 {
    guarded(FAILURE, || {
        // SAFETY: the caller's promise.
        let (json, out) = unsafe { (input(ptr, len), output(out, cap)) };
        match serde_json::from_slice(json) {
            // Texts always have a JSON form.
            Ok(peers) => {
                copy_text(&serde_json::to_string(&presence(&peers)).unwrap_or_default(), out)
            }
            Err(error) => refuse(errno::EINVAL, format!("Cannot read the peers: {error}")),
        }
    })
}

/// Ends every poll, stops the engine and joins its threads: 0, or `-EPIPE` when the core is not
/// open. Blocks until the running step ends.
#[unsafe(no_mangle)]
pub extern "C" fn tgi_close() -> i32 {
    guarded(FAILURE, || if state::close() { 0 } else { refuse_closed() })
}

/// Writes the text of the last error in this process: its bytes, or minus the bytes needed.
///
/// # Safety
/// The buffer as in the module's text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tgi_last_error(ptr: *mut u8, cap: u32) -> i32 {
    guarded(FAILURE, || {
        // SAFETY: the caller's promise.
        let out = unsafe { output(ptr, cap) };
        copy_text(&state::last_error(), out)
    })
}

/// Whether the core is open and its engine runs: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn tgi_alive() -> u32 {
    guarded(0, || session().is_some_and(|session| session.engine.is_alive()).into())
}
