//! Commands on a terminal.

mod sign;

use std::env;
use std::process::ExitCode;

use ask_core::Settings;
use ask_core::lang::Lang;

use crate::handler::Handler;

/// Answers one question.
///
/// Prints the answer and returns status 0, or prints the failure to standard error and returns
/// status 1.
pub fn ask(question: &str) -> ExitCode {
    ask_host::hide_panic_messages("ask");
    match Handler::new(settings()).answer_one(question) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("ask: {}", failure.message(lang()));
            ExitCode::FAILURE
        }
    }
}

/// Prints a signed link: `[--expires 7d] [--question …] URL`.
pub fn sign(args: &[String]) -> ExitCode {
    match sign::link(args, settings()) {
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

fn settings() -> Settings {
    Settings::read(|name| env::var_os(name))
}

/// Returns the language of the locale.
fn lang() -> Lang {
    let locales = ["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| env::var(name).unwrap_or_default());
    let locale = locales.into_iter().find(|locale| !locale.is_empty());
    Lang::from_locale(&locale.unwrap_or_default())
}
