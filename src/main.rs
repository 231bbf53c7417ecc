//! `ask`: the event function if a runtime API is set, and one question on a terminal otherwise.

use std::env;
use std::process::ExitCode;

use scf_ask::terminal;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: ask_host::Allocator = ask_host::allocator(64 * 1024);

const HELP: &str = "\
ask: ask a chat model by URL

Usage: ask QUESTION…      prints the answer
       ask                handles events, if SCF_RUNTIME_API is set
       ask sign [--expires 7d] [--question QUESTION] URL
                          prints a link that may ask without a token (needs ASK_SIGNING_KEY)
       ask --help | --version

Settings are environment variables. OPENAI_API_KEY is required; OPENAI_BASE_URL and
OPENAI_MODEL choose another provider and model.";

fn main() -> ExitCode {
    if env::var_os("SCF_RUNTIME_API").is_some() {
        return scf_ask::run_function();
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
        Some("sign") => terminal::sign(&args[1..]),
        Some(_) => terminal::ask(&args.join(" ")),
        None => {
            eprintln!("{HELP}");
            ExitCode::FAILURE
        }
    }
}
