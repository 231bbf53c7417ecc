//! `ask`: a question by URL, answered by a chat model.
//!
//! Behind SCF's runtime API it is the event function; on a terminal it answers one question.

mod ask;
mod connect;
mod provider;

use std::process::ExitCode;
use std::{env, panic};

use ask_core::Settings;
use ask_core::lang::Lang;

use crate::ask::Ask;

const HELP: &str = "\
ask: ask a chat model by URL

Usage: ask QUESTION…      answers on the terminal
       ask                answers events, where SCF_RUNTIME_API names a runtime API
       ask --help | --version

Settings come from the environment; OPENAI_API_KEY is needed. OPENAI_BASE_URL and
OPENAI_MODEL choose another provider and model.";

fn main() -> ExitCode {
    // A panic's text may hold what was asked or a key: where it was is all that anybody gets to see.
    panic::set_hook(Box::new(|info| match info.location() {
        Some(location) => eprintln!("panicked at {location}"),
        None => eprintln!("panicked"),
    }));
    let args: Vec<String> = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    if env::var_os("SCF_RUNTIME_API").is_some() {
        return function();
    }
    match args.first().map(String::as_str) {
        Some("--version" | "-V") => {
            println!("ask {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some("--help" | "-h") => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("{HELP}");
            ExitCode::FAILURE
        }
        Some(_) => terminal(&args.join(" ")),
    }
}

/// The event function. It ends only where the runtime API is broken.
fn function() -> ExitCode {
    let mut ask = Ask::new(Settings::read(|name| env::var_os(name)));
    ask.announce();
    let ended = scf_runtime::run_bytes(|event, context| ask.reply(event, context));
    if let Err(error) = ended {
        eprintln!("ask: {error:#}");
    }
    ExitCode::FAILURE
}

/// One question from the command line: the answer on standard output, a failure on standard error.
fn terminal(question: &str) -> ExitCode {
    match Ask::new(Settings::read(|name| env::var_os(name))).once(question) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| env::var(name).ok());
            let lang = Lang::of_locale(&locale.unwrap_or_default());
            eprintln!("ask: {}", failure.sentence(lang));
            ExitCode::FAILURE
        }
    }
}
