//! The event function `ask`: a question by URL, answered by a chat model.
//!
//! [`function`] is the whole of it behind SCF's runtime API, [`terminal`] the same for one question on a command line.
//! The rooms: `ask` takes an event to its reply, `provider` asks the model, `connect`, `tcp` and `tls` open the way there,
//! `transport` is how bytes travel on it, `traffic` watches them, `sign` makes links. What a request means and what a reply
//! looks like is `ask-core`'s, the event loop `scf-runtime`'s.

mod ask;
mod connect;
mod provider;
mod sign;
mod tcp;
mod tls;
mod traffic;
mod transport;

use std::process::ExitCode;
use std::{env, panic};

use ask_core::Settings;
use ask_core::lang::Lang;

use crate::ask::Ask;

/// Answers events, one after the other. Returns only where the runtime API is broken, with status 1 and a line in
/// the log and on standard error that says why.
pub fn function() -> ExitCode {
    keep_panics_quiet();
    let mut ask = Ask::new(settings());
    ask.announce();
    if let Err(error) = scf_runtime::run_bytes(|event, context| ask.reply(event, context)) {
        let why = format!("{error:#}");
        ask.end(&why);
        eprintln!("ask: {why}");
    }
    ExitCode::FAILURE
}

/// Answers one question: the answer on standard output and status 0, or the failure's sentence on standard error and
/// status 1.
pub fn terminal(question: &str) -> ExitCode {
    keep_panics_quiet();
    match Ask::new(settings()).once(question) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let locales =
                ["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| env::var(name).unwrap_or_default());
            let locale = locales.into_iter().find(|locale| !locale.is_empty());
            let lang = Lang::of_locale(&locale.unwrap_or_default());
            eprintln!("ask: {}", failure.sentence(lang));
            ExitCode::FAILURE
        }
    }
}

/// Prints a link that may ask without a token, signed with `ASK_SIGNING_KEY`: `[--expires 7d] [--question …] URL`.
pub fn sign(args: &[String]) -> ExitCode {
    match sign::link(args) {
        Ok(link) => {
            println!("{link}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The settings in the environment. Reading them is much code, which is here but once.
fn settings() -> Settings {
    Settings::read(|name| env::var_os(name))
}

/// A panic's text may hold what was asked, or a key: where it was is all that anybody gets to see.
fn keep_panics_quiet() {
    panic::set_hook(Box::new(|info| match info.location() {
        Some(location) => eprintln!("ask: panicked at {location}"),
        None => eprintln!("ask: panicked"),
    }));
}

#[cfg(test)]
mod tests {
    use scf_emulator::{Function, Settings};
    use scf_runtime::Context;

    use super::*;

    const IS_FUNCTION: &str = "IS_FUNCTION";

    /// A process that panics where an event says so, with the panic hook and the loop of the function.
    fn panicking() {
        keep_panics_quiet();
        let handler = |event: Vec<u8>, _: &Context| match event.as_slice() {
            b"\"panic\"" => panic!("sk-{}", "secret"),
            _ => Ok(event),
        };
        scf_runtime::run_bytes(handler).unwrap();
    }

    #[test]
    fn a_panic_is_reported_shown_by_its_place_alone_and_survived() {
        if env::var_os(IS_FUNCTION).is_some() {
            return panicking();
        }
        // This very test is the function.
        let function = Function::new(env::current_exe().unwrap())
            .arg("--exact")
            .arg("tests::a_panic_is_reported_shown_by_its_place_alone_and_survived")
            .arg("--nocapture")
            .env(IS_FUNCTION, "1")
            .env("RUST_BACKTRACE", "1");
        let emulator = Settings::new(function).start("127.0.0.1:0").unwrap();
        assert_eq!(emulator.invoke("\"before\"").reply, Ok(b"\"before\"".to_vec()));
        let pid = emulator.pid();
        let panicked = emulator.invoke("\"panic\"");
        let report = panicked.reply.unwrap_err().report;
        assert_eq!(
            report.as_deref(),
            Some(br#"{"errorMessage":"the handler panicked"}"#.as_slice())
        );
        let [line] = panicked.log.as_slice() else { panic!("{:?}", panicked.log) };
        assert!(line.starts_with("ask: panicked at src/lib.rs:"), "{line}");
        assert_eq!(emulator.invoke("\"after\"").reply, Ok(b"\"after\"".to_vec()));
        assert_eq!(emulator.pid(), pid);
    }
}
