//! Both sides of the function: the platform that asks it, and the provider that it asks.

mod function;
mod proxy;
mod server;
mod tls;

pub(crate) use function::{Ask, KEY, Reply, runtime_api};
pub(crate) use proxy::Proxy;
pub(crate) use server::{
    Act, Gate, Request, Server, answer, chunked, failing, json_reply, listen, reply, splice,
};
pub(crate) use tls::{Authority, Scratch};

/// Runs a check on each row at once: most rows wait for something, and none for another.
pub(crate) fn each<T: Sync>(rows: &[T], check: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for row in rows {
            scope.spawn(|| check(row));
        }
    });
}
