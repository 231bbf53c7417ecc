//! `ask`: the event function where a runtime API is there, and one question on a terminal.

use std::alloc::System;
use std::env;
use std::process::ExitCode;

use spin::Yield;
use spin::mutex::SpinMutex;
use talc::TalcLock;
use talc::source::GlobalAllocSource;

// Answers allocate much, and musl's allocator is slow.
#[global_allocator]
static ALLOCATOR: TalcLock<SpinMutex<(), Yield>, GlobalAllocSource<System>> =
    TalcLock::new(GlobalAllocSource::with_block_size(System, 64 * 1024));

const HELP: &str = "\
ask: ask a chat model by URL

Usage: ask QUESTION…      answers on the terminal
       ask                answers events, where SCF_RUNTIME_API names a runtime API
       ask sign [--expires 7d] [--question QUESTION] URL
                          prints a link that may ask without a token, signed with ASK_SIGNING_KEY
       ask --help | --version

Settings come from the environment; OPENAI_API_KEY is needed. OPENAI_BASE_URL and
OPENAI_MODEL choose another provider and model.";

fn main() -> ExitCode {
    if env::var_os("SCF_RUNTIME_API").is_some() {
        return scf_ask::function();
    }
    let args: Vec<String> =
        env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    match args.first().map(String::as_str) {
        Some("--version" | "-V") => {
            println!("ask {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some("--help" | "-h") => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Some("sign") => scf_ask::sign(&args[1..]),
        Some(_) => scf_ask::terminal(&args.join(" ")),
        None => {
            eprintln!("{HELP}");
            ExitCode::FAILURE
        }
    }
}
