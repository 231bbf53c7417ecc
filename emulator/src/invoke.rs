//! `scf-emulator invoke`: one event and its reply.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, anyhow, bail};
use scf_emulator::{Console, Settings};

/// Invokes the function, and prints the reply on standard output and everything else on standard
/// error.
pub(crate) fn run(
    mut settings: Settings,
    addresses: &[SocketAddr],
    event: Vec<u8>,
) -> anyhow::Result<()> {
    // A closed pipe does not end the invocation.
    settings.console = Some(Console::new(|line| _ = writeln!(io::stderr(), "{line}")));
    let emulator = settings.start(addresses)?;
    let invocation = emulator.invoke(event);
    emulator.stop();
    match invocation.reply {
        Ok(mut reply) => {
            if !reply.ends_with(b"\n") {
                reply.push(b'\n');
            }
            io::stdout().write_all(&reply).context("standard output cannot be written")
        }
        Err(failure) => Err(anyhow!("{}: {}", failure.status, failure.message)),
    }
}

/// Reads an event from a file, or from standard input if it is `-`.
pub(crate) fn read_event(file: &OsStr) -> anyhow::Result<Vec<u8>> {
    let mut event = Vec::new();
    let read = match file == "-" {
        true => io::stdin().read_to_end(&mut event).map(|_| event),
        false => fs::read(file),
    };
    read.with_context(|| format!("event {} cannot be read", file.display()))
}

/// Returns a sample event, in the form of the platform's documents on triggers
/// (<https://cloud.tencent.com/document/product/583/9705>).
pub(crate) fn sample(name: &str) -> anyhow::Result<Vec<u8>> {
    let event = match name {
        "apigw" => include_str!("../events/apigw.json"),
        "ckafka" => include_str!("../events/ckafka.json"),
        "cls" => include_str!("../events/cls.json"),
        "cos" => include_str!("../events/cos.json"),
        "timer" => include_str!("../events/timer.json"),
        "url" => include_str!("../events/url.json"),
        _ => bail!("unknown sample {name:?} (use apigw, ckafka, cls, cos, timer or url)"),
    };
    Ok(event.as_bytes().to_vec())
}
