//! The command line of the packaged function, which is not made for one.

use std::env;
use std::process::ExitCode;

use ask_host::print_line;

/// Prints the version if the argument asks for it. Otherwise names the missing variable and returns
/// status 2.
pub fn run() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    match args.as_slice() {
        [arg] if arg == "--version" || arg == "-V" => {
            print_line(concat!("ask ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("ask: SCF_RUNTIME_API is not set (this is the packaged function)");
            ExitCode::from(2)
        }
    }
}
