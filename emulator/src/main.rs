//! The command `scf-emulator [options] ./bootstrap [arguments]`.

use std::{
    env,
    io::Write,
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use lexopt::{Arg, Parser, ValueExt};
use scf_emulator::{Console, Function, Line, Settings, Source, Trigger};

const HELP: &str = "\
Runs a custom runtime for Tencent Cloud SCF on this machine.

Usage: scf-emulator [options] ./bootstrap [arguments of the function]

  --listen HOST:PORT      HTTP address (default: $HOST:$PORT, else 127.0.0.1:9000)
  --api-gateway           API Gateway with integrated response (default: Function URL)
  --passthrough           API Gateway without integrated response: the reply is the body
  --time-limit SECONDS    maximum duration of an invocation (default: 60)
  --init-timeout SECONDS  maximum time until the function is ready (default: 65)
  --memory MB             memory reported to the function, not enforced (default: 128)
  --freeze                stop the function's processes between events
  --env NAME=VALUE        set a variable of the function; repeatable
  --env NAME              pass a variable of this environment; repeatable
  --env-all               pass all variables of this environment
  --allow-host NAME       accept this Host besides loopback names; repeatable
  --allow-origin ORIGIN   accept requests of this origin's pages, * for all; repeatable
  -h, --help              print this help
  -V, --version           print the version

Without --env and --env-all, the function gets only the platform's variables.
";

/// The parsed command line.
enum Command {
    Run(Box<Settings>, Vec<SocketAddr>),
    Print(String),
}

fn main() -> ExitCode {
    match parse(Parser::from_env()) {
        Ok(Command::Run(settings, addresses)) => match run(*settings, &addresses) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, 1),
        },
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

fn run(settings: Settings, addresses: &[SocketAddr]) -> anyhow::Result<()> {
    let emulator = settings.start(addresses)?;
    let url = emulator.url();
    eprintln!("[scf] listening at {url}; try\n\n  curl '{url}/?question=hello'\n");
    emulator.wait();
    Ok(())
}

fn parse(mut parser: Parser) -> anyhow::Result<Command> {
    let mut settings = Settings::in_process();
    settings.console = Some(Console::new(print));
    settings.signals = true;
    let mut listen = default_address();
    let mut variables = Vec::new();
    let mut env_all = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("listen") => listen = parser.value()?.string()?,
            Arg::Long("api-gateway") => settings.trigger = Trigger::ApiGateway,
            Arg::Long("passthrough") => settings.trigger = Trigger::ApiGatewayPassthrough,
            Arg::Long("time-limit") => settings.limits.time = seconds(&mut parser)?,
            Arg::Long("init-timeout") => settings.limits.init = seconds(&mut parser)?,
            Arg::Long("memory") => settings.limits.memory_mb = megabytes(&mut parser)?,
            Arg::Long("freeze") => settings.freeze = true,
            Arg::Long("env") => variables.push(variable(parser.value()?.string()?)?),
            Arg::Long("env-all") => env_all = true,
            Arg::Long("allow-host") => settings.hosts.push(parser.value()?.string()?),
            Arg::Long("allow-origin") => settings.origins.push(parser.value()?.string()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Print(HELP.to_owned())),
            Arg::Long("version") | Arg::Short('V') => {
                return Ok(Command::Print(
                    concat!("scf-emulator ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
                ));
            }
            Arg::Long(name) => bail!("unknown option --{name} (see --help)"),
            Arg::Short(name) => bail!("unknown option -{name} (see --help)"),
            Arg::Value(program) => {
                let mut function = Function::new(program);
                let path = function.program.display();
                ensure!(exists(&function.program), "bootstrap file {path} does not exist");
                function.args = parser.raw_args()?.collect();
                function.env = variables;
                function.env_all = env_all;
                settings.function = Some(function);
                let addresses = listen
                    .to_socket_addrs()
                    .with_context(|| format!("invalid address {listen:?} (use HOST:PORT)"))?;
                return Ok(Command::Run(Box::new(settings), addresses.collect()));
            }
        }
    }
    bail!("missing bootstrap file (use scf-emulator ./bootstrap, see --help)")
}

fn default_address() -> String {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let host = set("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = set("PORT").unwrap_or_else(|| "9000".to_owned());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn seconds(parser: &mut Parser) -> anyhow::Result<Duration> {
    let value = parser.value()?.string()?;
    let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .with_context(|| format!("invalid duration {value:?} (use seconds above 0, such as 2.5)"))
}

fn megabytes(parser: &mut Parser) -> anyhow::Result<u32> {
    let value = parser.value()?.string()?;
    value.parse().ok().with_context(|| format!("invalid memory {value:?} (use MB, such as 128)"))
}

fn variable(text: String) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => {
            let value = env::var(&text)
                .with_context(|| format!("invalid variable {text:?} (use --env NAME=VALUE)"))?;
            Ok((text, value))
        }
    }
}

/// Returns whether the program exists. A name without a slash may be a program in `PATH`.
fn exists(program: &Path) -> bool {
    program.is_file() || program.components().count() == 1
}

/// Prints lines of the function to the stream that it wrote to, others to standard error.
fn print(line: &Line) {
    // A closed pipe does not end the emulator.
    let _ = match line.source {
        Source::Stdout => writeln!(std::io::stdout(), "{line}"),
        Source::Stderr | Source::Platform => writeln!(std::io::stderr(), "{line}"),
    };
}
