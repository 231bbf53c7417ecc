//! The command `scf-emulator [options] CODE [arguments]`.

mod args;
mod invoke;
mod watch;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
    thread,
};

use scf_emulator::{Console, Line, Source};

use args::{Args, Command};

fn main() -> ExitCode {
    match args::parse(lexopt::Parser::from_env()) {
        Ok(Command::Serve(args)) => match serve(*args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, 1),
        },
        Ok(Command::Invoke(args, event)) => {
            match invoke::run(args.settings, &args.addresses, event) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error, 1),
            }
        }
        Ok(Command::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, 2),
    }
}

/// Prints the error. Status 1 is a failure, status 2 an invalid command line.
fn fail(error: &anyhow::Error, status: u8) -> ExitCode {
    eprintln!("scf-emulator: {error:#}");
    ExitCode::from(status)
}

fn serve(args: Args) -> anyhow::Result<()> {
    let Args { mut settings, addresses, watch, build, is_web, .. } = args;
    let code = settings.function.as_ref().map(|function| function.program.clone());
    // On a terminal, both streams are the same, and the order of their lines counts.
    settings.console = Some(match io::stdout().is_terminal() {
        true => Console::new(print),
        false => Console::split(print),
    });
    settings.signals = true;
    let emulator = Arc::new(settings.start(&*addresses)?);
    let url = emulator.url();
    let example = if is_web { "/" } else { "/?question=hello" };
    emulator.log(format!("listening at {url}; try curl '{url}{example}'"));
    if let Some(code) = code.filter(|_| watch) {
        let emulator = emulator.clone();
        thread::spawn(move || watch::run(&code, build.as_deref(), &emulator));
    }
    emulator.wait();
    Ok(())
}

/// Prints lines of the function to the stream that it wrote to, others to standard error.
fn print(line: &Line) {
    // A closed pipe does not end the emulator.
    let _ = match line.source {
        Source::Stdout => writeln!(io::stdout(), "{line}"),
        Source::Stderr | Source::Platform => writeln!(io::stderr(), "{line}"),
    };
}
