//! Idle connections to the upstream.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::yield_now;
use tokio::time::Instant;

use super::connection::Connection;

/// A connection that was idle for longer is not reused. While the process is frozen, it does not
/// learn that the upstream has closed a connection.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// A connection that was used within this time needs no check for a freeze.
const RECENT: Duration = Duration::from_millis(10);

/// Maximum number of idle connections: the concurrency of an instance.
/// <https://www.tencentcloud.com/document/product/583/47183>
const MAX_CONNECTIONS: usize = 100;

/// Idle connections, the last used one at the back.
#[derive(Default)]
pub(super) struct Pool(Mutex<VecDeque<IdleConnection>>);

struct IdleConnection {
    connection: Connection,
    since: (Instant, SystemTime),
}

impl Pool {
    /// Takes an open connection, the last used one first.
    pub(super) async fn checkout(&self) -> Option<Connection> {
        if self.lock().back().is_some_and(|last| last.age() > RECENT) {
            // After a freeze, let the I/O driver deliver pending events, such as a FIN, before
            // choosing a connection.
            yield_now().await;
        }
        let mut idle = self.lock();
        while let Some(mut last) = idle.pop_back() {
            if last.age() < MAX_IDLE && last.connection.is_idle() {
                return Some(last.connection);
            }
        }
        None
    }

    /// Adds an idle connection, and drops those that are too old or too many.
    pub(super) fn put(&self, connection: Connection) {
        let mut idle = self.lock();
        while idle.len() >= MAX_CONNECTIONS
            || idle.front().is_some_and(|first| first.age() >= MAX_IDLE)
        {
            idle.pop_front();
        }
        idle.push_back(IdleConnection { connection, since: (Instant::now(), SystemTime::now()) });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<IdleConnection>> {
        // The list is valid whenever the lock is free.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdleConnection {
    /// Returns the idle time. Monotonic time passes in a frozen process, wall time on a suspended
    /// machine too.
    fn age(&self) -> Duration {
        let (since, system) = self.since;
        // An error means that the wall clock was set back.
        since.elapsed().max(system.elapsed().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;

    /// Opens a connection. Returns it with the upstream's end.
    async fn open(listener: &TcpListener) -> (Connection, TcpStream) {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let connection = Connection::handshake(Box::new(stream)).await.unwrap();
        (connection, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn old_connections_are_closed_when_another_is_added() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = Pool::default();
        let (old, mut peer_of_old) = open(&listener).await;
        let (recent, peer_of_recent) = open(&listener).await;
        let (new, _peer_of_new) = open(&listener).await;

        pool.put(old);
        pool.put(recent);
        // The machine was suspended, so only wall time has passed.
        pool.lock()[0].since.1 -= MAX_IDLE;
        pool.lock()[1].since.1 -= MAX_IDLE / 2;
        pool.put(new);
        let eof = timeout(Duration::from_secs(20), peer_of_old.read(&mut [0])).await;
        assert_eq!(eof.expect("EOF").unwrap(), 0);
        assert_eq!(pool.lock().len(), 2);
        peer_of_recent.try_read(&mut [0]).expect_err("open");
    }
}
