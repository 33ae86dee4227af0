//! Which clients have closed their connection to this process.
//!
//! Deno tells a handler so, but not while it works on a request whose body came after its head: then
//! nothing reads from the connection until the answer begins. The kernel knows: a connection that
//! the other end has closed has an end to read, or an error.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{FromRawFd, RawFd};

use serde::Serialize;

/// The process' own descriptors (proc(5)); elsewhere than on Linux there are none, and nothing is
/// known of anybody.
const DESCRIPTORS: &str = "/proc/self/fd";

/// What is known of some peers. A peer is written as `ADDRESS PORT`, the address without brackets.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// Connected.
    here: Vec<String>,
    /// Have closed their end. One that broke its connection is nowhere: the kernel forgets who it was.
    left: Vec<String>,
}

/// What is known of `peers`; one without a connection to this process is not in the answer.
pub fn presence(peers: &BTreeSet<String>) -> Presence {
    let mut presence = Presence::default();
    for socket in connections() {
        let Some(peer) = socket.peer_addr().ok().map(name).filter(|peer| peers.contains(peer))
        else {
            continue;
        };
        let list = if has_ended(&socket) { &mut presence.left } else { &mut presence.here };
        list.push(peer);
    }
    presence
}

fn name(address: SocketAddr) -> String {
    format!("{} {}", address.ip(), address.port())
}

/// Every descriptor of this process, read as a connection: asking one that is none for its peer
/// fails.
fn connections() -> impl Iterator<Item = ManuallyDrop<TcpStream>> {
    let entries = std::fs::read_dir(DESCRIPTORS).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    // SAFETY: the descriptor is only asked for its peer and peeked at, and never closed: `ManuallyDrop`.
    // One that its owner closes meanwhile, and the number used anew, answers for another file; no
    // memory depends on it.
    numbers.map(|number| ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(number) }))
}

/// Whether there is an end or an error to read. The sockets of Deno do not block.
fn has_ended(socket: &TcpStream) -> bool {
    match socket.peek(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener};
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    /// Both ends of a connection of this process, the accepted one as Deno has it.
    fn connection(address: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        (client, accepted)
    }

    fn peers(of: &[&TcpStream]) -> BTreeSet<String> {
        of.iter().map(|socket| name(socket.peer_addr().unwrap())).collect()
    }

    /// Waits until the kernel has carried over what the other end did.
    fn until(all: &BTreeSet<String>, expected: &Presence) {
        for _ in 0..1000 {
            if presence(all) == *expected {
                return;
            }
            sleep(Duration::from_millis(1));
        }
        panic!("of {all:?} is known {:?}, not {expected:?}", presence(all));
    }

    fn list(peers: BTreeSet<String>) -> Vec<String> {
        peers.into_iter().collect()
    }

    #[test]
    fn who_closes_has_left_and_who_waits_is_here() {
        let (leaving, first) = connection("127.0.0.1:0");
        let (_waiting, second) = connection("[::1]:0");
        let all = peers(&[&first, &second]);
        assert_eq!(presence(&all).left, Vec::<String>::new());
        assert_eq!(presence(&all).here.len(), 2);
        drop(leaving);
        let (here, left) = (list(peers(&[&second])), list(peers(&[&first])));
        until(&all, &Presence { here, left });
    }

    #[test]
    fn who_breaks_the_connection_is_nowhere() {
        let (client, mut accepted) = connection("127.0.0.1:0");
        let all = peers(&[&accepted]);
        accepted.write_all(b"unread: the client's system resets the connection").unwrap();
        drop(client);
        until(&all, &Presence::default());
    }

    #[test]
    fn an_end_behind_unread_bytes_is_not_seen_yet_and_takes_none_of_them() {
        let (mut client, accepted) = connection("127.0.0.1:0");
        client.write_all(b"GET").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let all = peers(&[&accepted]);
        let mut bytes = [0; 3];
        while accepted.peek(&mut bytes).unwrap_or(0) < 3 {
            sleep(Duration::from_millis(1));
        }
        assert_eq!(presence(&all), Presence { here: list(all.clone()), left: Vec::new() });
        assert_eq!(accepted.peek(&mut bytes).unwrap(), 3);
    }

    #[test]
    fn of_a_stranger_nothing_is_known() {
        let (_client, _accepted) = connection("127.0.0.1:0");
        assert_eq!(presence(&BTreeSet::from(["127.0.0.1 1".to_owned()])), Presence::default());
    }
}
