//! The local platform as a command: `scf-emulator [options] ./bootstrap [arguments]`.

use std::{env, io::Write, net::ToSocketAddrs, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, ensure};
use lexopt::{Arg, Parser, ValueExt};
use scf_emulator::{Console, Function, Line, Settings, Source, Trigger};

const HELP: &str = "\
Runs a Tencent Cloud SCF custom runtime on this machine.

scf-emulator [options] ./bootstrap [arguments of the function]

  --listen HOST:PORT     where HTTP requests become events; $HOST:$PORT, else 127.0.0.1:9000
  --api-gateway          events and replies of the API Gateway, with integrated response
  --passthrough          the same without integrated response: the reply is the body
  --time-limit SECONDS   for one invocation; 60
  --init-timeout SECONDS until the function is ready; 65
  --memory MB            what the function is told; 128
  --freeze               stops the function's processes between events
  --env NAME=VALUE       a variable for the function; may be repeated
  --env NAME             the same with the value that it has here
  --env-all              all variables of this environment
  --allow-host NAME      a Host to answer besides localhost; may be repeated
  --allow-origin ORIGIN  an origin whose pages may call; * for all; may be repeated
  --help, --version

The function gets no variable of this environment unless --env or --env-all says so.
";

/// What the command line asks for.
enum Command {
    Run(Box<Settings>, String),
    Print(String),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scf-emulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let (settings, listen) = match command(Parser::from_env())? {
        Command::Run(settings, listen) => (settings, listen),
        Command::Print(text) => {
            print!("{text}");
            return Ok(());
        }
    };
    let addresses: Vec<_> =
        listen.to_socket_addrs().with_context(|| format!("listen on {listen:?}"))?.collect();
    let emulator = settings.start(&addresses[..])?;
    let url = emulator.url();
    eprintln!("[scf] listening at {url}; try\n\n  curl '{url}/?question=hello'\n");
    emulator.wait();
    Ok(())
}

fn command(mut parser: Parser) -> anyhow::Result<Command> {
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
            Arg::Long("memory") => settings.limits.memory_mb = parser.value()?.parse()?,
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
            Arg::Value(program) => {
                let mut function = Function::new(program);
                ensure!(is_there(&function.program), "there is no {}", function.program.display());
                function.args = parser.raw_args()?.collect();
                function.env = variables;
                function.env_all = env_all;
                settings.function = Some(function);
                return Ok(Command::Run(Box::new(settings), listen));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    anyhow::bail!("which function? scf-emulator ./bootstrap (--help for more)")
}

fn default_address() -> String {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let host = set("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = set("PORT").unwrap_or_else(|| "9000".to_owned());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn seconds(parser: &mut Parser) -> anyhow::Result<Duration> {
    let seconds: f64 = parser.value()?.parse()?;
    ensure!(seconds > 0.0, "a time limit is a number of seconds, more than 0");
    Duration::try_from_secs_f64(seconds).context("a time limit is a number of seconds")
}

fn variable(text: String) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => {
            let value = env::var(&text).with_context(|| format!("--env {text}"))?;
            Ok((text, value))
        }
    }
}

/// A name without a slash may be a program in `PATH`.
fn is_there(program: &Path) -> bool {
    program.is_file() || program.components().count() == 1
}

/// The function's lines where it wrote them, the platform's own to standard error.
fn print(line: &Line) {
    // Nobody may be reading any more; that is no reason to end.
    let _ = match line.source {
        Source::Stdout => writeln!(std::io::stdout(), "{line}"),
        Source::Stderr | Source::Platform => writeln!(std::io::stderr(), "{line}"),
    };
}
