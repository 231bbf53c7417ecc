//! A forwarder that delays what it passes on, as a long way does.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use testkit::Endpoint;

/// Forwards connections to `upstream`. Each direction takes half of `round_trip`.
pub(crate) fn start(upstream: SocketAddr, round_trip: Duration) -> Endpoint {
    Endpoint::start(move |client| {
        // A side that has left ends its connection alone.
        let _ = forward(client, upstream, round_trip / 2);
    })
}

fn forward(client: &TcpStream, upstream: SocketAddr, delay: Duration) -> io::Result<()> {
    let upstream = TcpStream::connect(upstream)?;
    for stream in [client, &upstream] {
        stream.set_nodelay(true)?;
    }
    thread::scope(|scope| {
        scope.spawn(|| pass(client, &upstream, delay));
        pass(&upstream, client, delay)
    })
}

/// Passes bytes on until the end. Each read is written `delay` after it came.
fn pass(mut from: &TcpStream, mut to: &TcpStream, delay: Duration) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for (due, bytes) in receiver {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                to.write_all(&bytes)?;
            }
            to.shutdown(Shutdown::Write)
        });
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut buffer)?;
            if count == 0
                || sender.send((Instant::now() + delay, buffer[..count].to_vec())).is_err()
            {
                break;
            }
        }
        drop(sender);
        writer.join().unwrap_or(Ok(()))
    })
}
