//! The command line.

use std::{
    env,
    ffi::OsString,
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use lexopt::{Arg, Parser, ValueExt};
use scf_emulator::{Function, Kind, Settings, Trigger};

use crate::{invoke, watch};

const HELP: &str = "\
Runs a function for Tencent Cloud SCF on this machine.

Usage: scf-emulator [options] CODE [arguments of the function]
       scf-emulator invoke [options] CODE [arguments of the function]

CODE is a bootstrap file (an event function with a custom runtime), an scf_bootstrap file (a Web
function), a folder that holds one of them, or a zip file. `invoke` sends one event to an event
function and prints the reply.

  --listen HOST:PORT      HTTP address (default: $HOST:$PORT, else 127.0.0.1:9000, with port 9001
                          for a Web function)
  --api-gateway           API Gateway with integrated response (default: Function URL)
  --passthrough           API Gateway without integrated response: the reply is the body
  --web                   CODE is a Web function, whatever its name
  --port PORT             port of the Web function (default: 9000, as on the platform)
  --concurrency N         maximum number of instances of an event function, or of concurrent
                          requests in the one instance of a Web function, up to 100 (default: 1)
  --time-limit SECONDS    maximum duration of an invocation, up to 900 (default: 60)
  --init-timeout SECONDS  maximum time until the function is ready (default: 65)
  --memory MB             memory limit: 64, or 128 to 3072 in steps of 128 (default: 128)
  --freeze                stop the function's processes between invocations, as the platform does
  --env NAME=VALUE        set a variable of the function; repeatable
  --env NAME              pass a variable of this environment; repeatable
  --env-file FILE         set the variables of a file of NAME=VALUE lines; repeatable; --env comes
                          first
  --env-all               pass all variables of this environment but those with reserved names
  --platform NAME=VALUE   set a variable of the platform, such as TENCENTCLOUD_UIN; repeatable
  --name NAME             name of the function (default: local)
  --handler HANDLER       handler in _HANDLER (default: index.main_handler)
  --namespace NAME        namespace; sets SCF_NAMESPACE, which newer instances lack
  --region REGION         region (default: ap-guangzhou)
  --watch                 restart the function when its files change
  --build COMMAND         run this command first, and with --watch when files of the current folder
                          change
  --allow-host NAME       accept this Host besides loopback names; repeatable
  --allow-origin ORIGIN   accept requests of this origin's pages, * for all; repeatable
  -e, --event FILE        invoke: the event, - for standard input (default: {})
  --sample NAME           invoke: a sample event: apigw, ckafka, cls, cos, timer or url
  -h, --help              print this help
  -V, --version           print the version

Without --env, --env-file and --env-all, the function gets only the platform's variables.
tccli and the SDKs can invoke an event function too, with the HTTP address as their endpoint.
";

/// The parsed command line.
pub(crate) enum Command {
    Serve(Box<Args>),
    /// The event is the second value.
    Invoke(Box<Args>, Vec<u8>),
    Print(String),
}

/// The function and how to run it.
pub(crate) struct Args {
    pub(crate) settings: Settings,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) is_web: bool,
    pub(crate) watch: bool,
    /// The command that builds the function.
    pub(crate) build: Option<String>,
}

/// Options whose meaning depends on the function, which comes after them.
#[derive(Default)]
struct Options {
    listen: Option<String>,
    is_web: bool,
    port: Option<u16>,
    env_files: Vec<(String, String)>,
    env: Vec<(String, String)>,
    env_all: bool,
    platform_env: Vec<(String, String)>,
    name: Option<String>,
    handler: Option<String>,
    namespace: Option<String>,
    region: Option<String>,
    watch: bool,
    build: Option<String>,
    is_invoke: bool,
    event: Option<Vec<u8>>,
}

/// Parses the command line. Runs the build command, so that its result can be checked.
pub(crate) fn parse(mut parser: Parser) -> anyhow::Result<Command> {
    let mut settings = Settings::in_process();
    let mut options = Options::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("listen") => options.listen = Some(parser.value()?.string()?),
            Arg::Long("api-gateway") => settings.trigger = Trigger::ApiGateway,
            Arg::Long("passthrough") => settings.trigger = Trigger::ApiGatewayPassthrough,
            Arg::Long("web") => options.is_web = true,
            Arg::Long("port") => options.port = Some(number(&mut parser, "port", "9000")?),
            Arg::Long("concurrency") => {
                settings.concurrency = number(&mut parser, "concurrency", "10")?;
            }
            Arg::Long("time-limit") => settings.limits.time = seconds(&mut parser)?,
            Arg::Long("init-timeout") => settings.limits.init = seconds(&mut parser)?,
            Arg::Long("memory") => {
                settings.limits.memory_mb = number(&mut parser, "memory", "128")?;
            }
            Arg::Long("freeze") => settings.freeze = true,
            Arg::Long("env") => options.env.push(variable(parser.value()?.string()?)?),
            Arg::Long("env-file") => {
                let variables = envfile::read(Path::new(&parser.value()?))?;
                let pairs = variables.into_iter().map(|variable| (variable.name, variable.value));
                options.env_files.extend(pairs);
            }
            Arg::Long("env-all") => options.env_all = true,
            Arg::Long("platform") => {
                let text = parser.value()?.string()?;
                let pair = text.split_once('=');
                let (name, value) = pair.with_context(|| {
                    format!("invalid variable {text:?} (use --platform NAME=VALUE)")
                })?;
                options.platform_env.push((name.to_owned(), value.to_owned()));
            }
            Arg::Long("name") => options.name = Some(parser.value()?.string()?),
            Arg::Long("handler") => options.handler = Some(parser.value()?.string()?),
            Arg::Long("namespace") => options.namespace = Some(parser.value()?.string()?),
            Arg::Long("region") => options.region = Some(parser.value()?.string()?),
            Arg::Long("watch") => options.watch = true,
            Arg::Long("build") => options.build = Some(parser.value()?.string()?),
            Arg::Long("allow-host") => settings.hosts.push(parser.value()?.string()?),
            Arg::Long("allow-origin") => settings.origins.push(parser.value()?.string()?),
            Arg::Long("event") | Arg::Short('e') => {
                options.set_event(invoke::read_event(&parser.value()?)?)?;
            }
            Arg::Long("sample") => {
                options.set_event(invoke::sample(&parser.value()?.string()?)?)?
            }
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Print(HELP.to_owned())),
            Arg::Long("version") | Arg::Short('V') => {
                return Ok(Command::Print(
                    concat!("scf-emulator ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
                ));
            }
            Arg::Long(name) => bail!("unknown option --{name} (see --help)"),
            Arg::Short(name) => bail!("unknown option -{name} (see --help)"),
            Arg::Value(value) if value == "invoke" && !options.is_invoke => {
                options.is_invoke = true;
            }
            Arg::Value(code) => {
                let args = parser.raw_args()?.collect();
                return options.complete(settings, code, args);
            }
        }
    }
    bail!("missing bootstrap file (use scf-emulator ./bootstrap, see --help)")
}

impl Options {
    fn set_event(&mut self, event: Vec<u8>) -> anyhow::Result<()> {
        ensure!(self.event.is_none(), "more than one event (use --event or --sample once)");
        self.event = Some(event);
        Ok(())
    }

    fn complete(
        self,
        mut settings: Settings,
        code: OsString,
        args: Vec<OsString>,
    ) -> anyhow::Result<Command> {
        ensure!(self.is_invoke || self.event.is_none(), "an event needs scf-emulator invoke");
        let watches = self.watch || self.listen.is_some();
        ensure!(!(self.is_invoke && watches), "invoke takes neither --watch nor --listen");
        if let Some(command) = &self.build {
            ensure!(watch::build(command), "build command failed: {command}");
        }
        let mut function = Function::new(&code);
        if self.is_web {
            function.kind = Kind::WEB;
        }
        if let Kind::Web { port } = &mut function.kind {
            *port = self.port.unwrap_or(*port);
        }
        let is_web = function.kind != Kind::Event;
        ensure!(is_web || self.port.is_none(), "--port is for Web functions (see --web)");
        ensure!(!(is_web && self.is_invoke), "a Web function takes requests, not events");
        check_code(&function.program)?;
        function.args = args;
        // The last value of a name counts.
        function.env = [self.env_files, self.env].concat();
        function.env_all = self.env_all;
        function.platform_env = self.platform_env;
        let set = |field: &mut String, value: Option<String>| {
            if let Some(value) = value {
                *field = value;
            }
        };
        if let Some(namespace) = &self.namespace {
            function.platform_env.push(("SCF_NAMESPACE".to_owned(), namespace.clone()));
        }
        set(&mut function.name, self.name);
        set(&mut function.handler, self.handler);
        set(&mut function.namespace, self.namespace);
        set(&mut function.region, self.region);
        settings.function = Some(function);
        let listen = match (self.listen, self.is_invoke) {
            (Some(listen), _) => listen,
            (None, true) => "127.0.0.1:0".to_owned(),
            (None, false) => default_address(is_web),
        };
        let addresses = listen
            .to_socket_addrs()
            .with_context(|| format!("invalid address {listen:?} (use HOST:PORT)"))?
            .collect();
        let args = Args { settings, addresses, is_web, watch: self.watch, build: self.build };
        let args = Box::new(args);
        Ok(match self.is_invoke {
            true => Command::Invoke(args, self.event.unwrap_or_else(|| b"{}".to_vec())),
            false => Command::Serve(args),
        })
    }
}

/// Checks that there is a program. A name without a slash may be one in `PATH`.
fn check_code(code: &Path) -> anyhow::Result<()> {
    let path = code.display();
    if code.is_dir() {
        let holds = |name| code.join(name).is_file();
        return match (holds("bootstrap"), holds("scf_bootstrap")) {
            (true, true) => bail!("{path} holds bootstrap and scf_bootstrap: name one of them"),
            (false, false) => bail!("{path} holds no bootstrap and no scf_bootstrap"),
            _ => Ok(()),
        };
    }
    let exists = code.is_file() || code.components().count() == 1;
    ensure!(exists, "bootstrap file {path} does not exist");
    Ok(())
}

fn default_address(is_web: bool) -> String {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let host = set("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    // A Web function has port 9000.
    let port = set("PORT").unwrap_or_else(|| if is_web { "9001" } else { "9000" }.to_owned());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn seconds(parser: &mut Parser) -> anyhow::Result<Duration> {
    let value = parser.value()?.string()?;
    let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .with_context(|| format!("invalid duration {value:?} (use seconds above 0, such as 2.5)"))
}

fn number<T: std::str::FromStr>(
    parser: &mut Parser,
    what: &str,
    example: &str,
) -> anyhow::Result<T> {
    let value = parser.value()?.string()?;
    let number = value.parse().ok();
    number.with_context(|| format!("invalid {what} {value:?} (use a number, such as {example})"))
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
