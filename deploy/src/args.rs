//! The command line.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use lexopt::{Arg, Parser, ValueExt};
use scf_deploy::{Cap, Endpoint, Kind, Package, Poll, Settings, check_name};

/// The text of `--help`.
pub(crate) const HELP: &str = "\
Puts a zip on Tencent Cloud SCF, opens a Function URL and prints the address.

Usage:
  scf-deploy [options] FUNCTION.zip           create or update the function
  scf-deploy update [options] [FUNCTION.zip]  code and given settings of one that exists
  scf-deploy status NAME                      state, settings, names of variables, address
  scf-deploy url NAME                         the address alone
  scf-deploy logs [--follow] NAME             log lines of the last hour, in UTC
  scf-deploy invoke [-e FILE|-] NAME          run an event function; the event is {} or FILE
  scf-deploy remove NAME                      delete the Function URL and the function

NAME may also be FUNCTION.zip, or be given by --name.

Where:
  --region REGION         $TENCENTCLOUD_REGION, else ap-singapore
  --name NAME             the zip's name without .zip
  --namespace NAMESPACE   default
  --endpoint URL          https://scf.tencentcloudapi.com; international accounts:
                          https://scf.intl.tencentcloudapi.com
  --cls-endpoint URL      the log service; cls beside scf

Settings (a new function gets the defaults; an update changes only what is given; `status` takes
the same options and ignores them):
  --event, --web          bootstrap or scf_bootstrap; guessed from the zip
  --memory MB             64, or a multiple of 128; 64
  --timeout SECONDS       of an invocation, 1 to 900; 60, Web function 300
  --env-file FILE         variables, one NAME=VALUE a line; may be repeated
  --env NAME=VALUE        a variable; NAME alone takes the value from here, NAME= removes it
  --env-default NAME=VALUE  the same, only if the function has no such variable
  --prune                 remove the variables that are not given
  --cap MB                the most memory of all instances together: what strangers can cost;
                          10 times the memory, set before the Function URL opens
  --no-cap                no cap

Other:
  --json                  print the result as JSON (not for url, logs, invoke)
  --poll SECONDS          time between two polls of the function's state; 1 (at most 120 polls)
  -h, --help
  -V, --version

The key comes from TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY (and TENCENTCLOUD_TOKEN), else
from ~/.tccli/default.credential, else from ~/.tencentcloud/credentials.

Exit status: 0 done, 1 failed, 2 wrong use, 3 no such function. Run the same command again after a
failure.
";

/// Words that are commands if they are the first argument.
const COMMANDS: &[(&str, Command)] = &[
    ("update", Command::Update),
    ("status", Command::Status),
    ("url", Command::Url),
    ("logs", Command::Logs),
    ("invoke", Command::Invoke),
    ("remove", Command::Remove),
];

/// Options that belong to some commands alone. A script may ask for the status with the options of
/// its deployment.
const OPTIONS: &[(&[&str], &[Command])] = &[
    (
        &[
            "event",
            "web",
            "memory",
            "timeout",
            "env-file",
            "env",
            "env-default",
            "prune",
            "cap",
            "no-cap",
        ],
        &[Command::Deploy, Command::Update, Command::Status],
    ),
    (&["json"], &[Command::Deploy, Command::Update, Command::Status, Command::Remove]),
    (&["follow", "cls-endpoint"], &[Command::Logs]),
    (&["e"], &[Command::Invoke]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Deploy,
    Update,
    Status,
    Url,
    Logs,
    Invoke,
    Remove,
}

/// The arguments of a command.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) command: Command,
    /// The zip, for `Deploy` and `Update`.
    pub(crate) zip: Option<PathBuf>,
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) region: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) cls_endpoint: Option<Endpoint>,
    pub(crate) kind: Option<Kind>,
    pub(crate) settings: Settings,
    /// The files of `--env-file`.
    pub(crate) env_files: Vec<PathBuf>,
    pub(crate) event: Option<PathBuf>,
    pub(crate) follow: bool,
    pub(crate) json: bool,
    pub(crate) poll: Poll,
}

impl Args {
    fn new() -> Self {
        let region = env::var("TENCENTCLOUD_REGION").ok().filter(|region| !region.is_empty());
        Self {
            command: Command::Deploy,
            zip: None,
            name: String::new(),
            namespace: None,
            region: region.unwrap_or_else(|| "ap-singapore".to_owned()),
            endpoint: Endpoint::scf(),
            cls_endpoint: None,
            kind: None,
            settings: Settings::default(),
            env_files: Vec::new(),
            event: None,
            follow: false,
            json: false,
            poll: Poll::default(),
        }
    }
}

/// A parsed command line.
pub(crate) enum Request {
    Run(Box<Args>),
    Print(String),
}

/// Parses the command line.
///
/// # Errors
///
/// Fails if the program is used in a wrong way.
pub(crate) fn parse(mut parser: Parser) -> anyhow::Result<Request> {
    let mut args = Args::new();
    let (mut command, mut argument) = (None, None);
    let mut variables = Vec::new();
    let mut given = BTreeSet::new();
    while let Some(arg) = parser.next()? {
        let option = match arg {
            Arg::Short('h') => "help",
            Arg::Short('V') => "version",
            Arg::Short('e') => "e",
            Arg::Short(short) => bail!("unknown option -{short}"),
            Arg::Long(long) => long,
            Arg::Value(value) => {
                positional(value, &mut command, &mut argument)?;
                continue;
            }
        }
        .to_owned();
        let settings = &mut args.settings;
        match option.as_str() {
            "help" => return Ok(Request::Print(HELP.to_owned())),
            "version" => {
                let version = concat!("scf-deploy ", env!("CARGO_PKG_VERSION"), "\n");
                return Ok(Request::Print(version.to_owned()));
            }
            "region" => args.region = parser.value()?.string()?,
            "name" => args.name = parser.value()?.string()?,
            "namespace" => args.namespace = Some(parser.value()?.string()?),
            "endpoint" => args.endpoint = Endpoint::parse(&parser.value()?.string()?)?,
            "cls-endpoint" => {
                args.cls_endpoint = Some(Endpoint::parse(&parser.value()?.string()?)?);
            }
            "event" => args.kind = Some(one_kind(args.kind, Kind::Event)?),
            "web" => args.kind = Some(one_kind(args.kind, Kind::Web)?),
            "memory" => settings.memory = Some(number("--memory", parser.value()?)?),
            "timeout" => settings.timeout = Some(number("--timeout", parser.value()?)?),
            "env-file" => args.env_files.push(parser.value()?.into()),
            "env" => variables.push((false, parser.value()?)),
            "env-default" => variables.push((true, parser.value()?)),
            "prune" => settings.variables.prune = true,
            "cap" => settings.cap = Some(one_cap(settings.cap, parser.value()?)?),
            "no-cap" => {
                ensure!(settings.cap.is_none(), "--cap and --no-cap exclude each other");
                settings.cap = Some(Cap::None);
            }
            "e" => args.event = Some(PathBuf::from(parser.value()?)),
            "follow" => args.follow = true,
            "json" => args.json = true,
            "poll" => args.poll.interval = seconds(parser.value()?)?,
            other => bail!("unknown option --{other} (scf-deploy --help lists them)"),
        }
        given.insert(option);
    }
    args.command = command.unwrap_or(Command::Deploy);
    check_options(args.command, &given)?;
    for (default, value) in variables {
        variable(default, value, &mut args.settings)?;
    }
    args.settings.check()?;
    take_argument(argument, given.contains("name"), &mut args)?;
    check_name(&args.name)?;
    Ok(Request::Run(Box::new(args)))
}

/// Takes the zip or the name of the function.
fn take_argument(argument: Option<PathBuf>, has_name: bool, args: &mut Args) -> anyhow::Result<()> {
    let takes_zip = matches!(args.command, Command::Deploy | Command::Update);
    match argument {
        None if args.command == Command::Deploy => bail!("missing FUNCTION.zip"),
        None => ensure!(has_name, "missing NAME of the function"),
        Some(other) if has_name && !takes_zip && !is_zip(&other) => {
            bail!("unexpected argument {other:?}")
        }
        Some(path) => {
            if !has_name {
                let name =
                    if takes_zip || is_zip(&path) { Package::name(&path) } else { path.to_str() };
                args.name = name.context("the function's name is no UTF-8; use --name")?.to_owned();
            }
            args.zip = Some(path).filter(|_| takes_zip);
        }
    }
    Ok(())
}

/// Takes an argument that is no option: first the command, then the zip or the name.
fn positional(
    value: OsString,
    command: &mut Option<Command>,
    argument: &mut Option<PathBuf>,
) -> anyhow::Result<()> {
    let known = COMMANDS.iter().find(|(word, _)| value == *word);
    match (known, &command, &argument) {
        (Some((_, known)), None, None) => *command = Some(*known),
        (_, _, None) => *argument = Some(value.into()),
        (_, None, Some(first)) if !is_zip(first) => bail!("unknown command {first:?}"),
        _ => bail!("unexpected argument {:?}", value.display()),
    }
    Ok(())
}

fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

fn check_options(command: Command, given: &BTreeSet<String>) -> anyhow::Result<()> {
    for (options, commands) in OPTIONS {
        for option in given.iter().filter(|option| options.contains(&option.as_str())) {
            let dashes = if option.len() == 1 { "-" } else { "--" };
            let word = COMMANDS.iter().find(|(_, known)| *known == command);
            ensure!(
                commands.contains(&command),
                "{dashes}{option} has no meaning for {}",
                word.map_or("this command", |(word, _)| word)
            );
        }
    }
    Ok(())
}

fn one_kind(earlier: Option<Kind>, kind: Kind) -> anyhow::Result<Kind> {
    ensure!(earlier.is_none_or(|earlier| earlier == kind), "--event and --web exclude each other");
    Ok(kind)
}

fn one_cap(earlier: Option<Cap>, value: OsString) -> anyhow::Result<Cap> {
    ensure!(earlier != Some(Cap::None), "--cap and --no-cap exclude each other");
    let cap = number("--cap", value)?;
    ensure!(cap > 0, "invalid --cap 0 (use --no-cap for no cap)");
    Ok(Cap::Memory(cap))
}

fn number(option: &str, value: OsString) -> anyhow::Result<u32> {
    let text = value.to_string_lossy();
    text.parse().ok().with_context(|| format!("invalid {option} {text:?} (use a whole number)"))
}

fn seconds(value: OsString) -> anyhow::Result<Duration> {
    let text = value.to_string_lossy();
    let seconds = text.parse().ok().filter(|&seconds| seconds > 0.0 && seconds <= 60.0);
    let seconds = seconds
        .with_context(|| format!("invalid --poll {text:?} (use a number of seconds up to 60)"))?;
    Ok(Duration::from_secs_f64(seconds))
}

/// Takes `NAME=VALUE`, `NAME=` or `NAME`. Messages hold the name alone.
fn variable(default: bool, value: OsString, settings: &mut Settings) -> anyhow::Result<()> {
    let option = if default { "--env-default" } else { "--env" };
    let text = value.into_string().ok().with_context(|| format!("{option}: invalid UTF-8"))?;
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => {
            let value = env::var(&text).ok().filter(|value| !value.is_empty());
            let missing = format!("{option} {text}: the variable is not set here");
            ensure!(envfile::is_name(&text), "invalid {option} (use NAME=VALUE)");
            (text, value.context(missing)?)
        }
    };
    ensure!(envfile::is_name(&name), "invalid variable name in {option} (use NAME=VALUE)");
    let variables = &mut settings.variables;
    match (default, value.is_empty()) {
        (true, true) => bail!("{option} {name}: empty value"),
        (true, false) => drop(variables.defaults.insert(name, value)),
        // The last option of a name counts.
        (false, true) => {
            variables.set.remove(&name);
            variables.unset.insert(name);
        }
        (false, false) => {
            variables.unset.remove(&name);
            variables.set.insert(name, value);
        }
    }
    Ok(())
}
