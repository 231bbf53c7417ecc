//! `ask`: the event function if a runtime API is set, and the command line otherwise.

use std::env;
use std::process::ExitCode;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: ask_host::Allocator = ask_host::allocator(64 * 1024);

fn main() -> ExitCode {
    match env::var_os("SCF_RUNTIME_API") {
        Some(_) => scf_ask::run_function(),
        None => scf_ask::run_command(),
    }
}
