//! The event function `ask`: answers a question in an event with a chat model.
//!
//! [`run_function`] runs it on SCF, [`run_command`] is the command line.
//!
//! # Map
//!
//! - `handler`: an event in, a reply out, a line in the log.
//! - `terminal/`: the command line, under the feature of that name. `packaged` is in its place
//!   without it, as in the package.
//! - `attempts`: the attempts at one question.
//! - `upstream/`: the upstream over ureq.
//!
//! What a request means and what a response looks like is in [`ask_core`], the event loop in
//! [`scf_runtime`].

mod attempts;
mod handler;
#[cfg(not(feature = "terminal"))]
mod packaged;
#[cfg(feature = "terminal")]
mod terminal;
mod upstream;

use std::env;
use std::process::ExitCode;

use ask_core::Settings;

use handler::Handler;
#[cfg(not(feature = "terminal"))]
pub use packaged::run as run_command;
#[cfg(feature = "terminal")]
pub use terminal::run as run_command;

/// Handles events until the runtime API fails for good.
///
/// Returns status 1 then. The reason is in the log and on standard error.
pub fn run_function() -> ExitCode {
    ask_host::hide_panic_messages("ask");
    let mut handler = Handler::new(Settings::read(|name| env::var_os(name)));
    handler.log_start();
    if let Err(error) = scf_runtime::run_bytes(|event, context| handler.handle(event, context)) {
        let reason = format!("{error:#}");
        handler.log_exit(&reason);
        eprintln!("ask: {reason}");
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use scf_emulator::{Function, Settings};
    use scf_runtime::{Context, Failure};

    use super::*;

    const IS_FUNCTION: &str = "IS_FUNCTION";

    /// Runs a function that panics if the event says so.
    fn panicking() {
        ask_host::hide_panic_messages("ask");
        let handler = |event: Vec<u8>, _: &Context| match event.as_slice() {
            b"\"panic\"" => panic!("sk-{}", "secret"),
            _ => Ok::<_, Failure>(event),
        };
        scf_runtime::run_bytes(handler).unwrap();
    }

    #[test]
    fn panic_is_reported_by_its_place_and_survived() {
        if env::var_os(IS_FUNCTION).is_some() {
            return panicking();
        }
        // This test is the function.
        let function = Function::new(env::current_exe().unwrap())
            .arg("--exact")
            .arg("tests::panic_is_reported_by_its_place_and_survived")
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
            Some(br#"{"errorType":"Panic","errorMessage":"the handler panicked"}"#.as_slice())
        );
        let [line] = panicked.log.as_slice() else { panic!("{:?}", panicked.log) };
        assert!(line.starts_with("ask: panicked at src/lib.rs:"), "{line}");
        assert_eq!(emulator.invoke("\"after\"").reply, Ok(b"\"after\"".to_vec()));
        assert_eq!(emulator.pid(), pid);
    }
}
