//! The program `ask-web`: see the library.

use std::process::ExitCode;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: ask_host::Allocator = ask_host::allocator(256 * 1024);

fn main() -> ExitCode {
    ask_web::run()
}
