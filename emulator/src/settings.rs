use std::{
    ffi::OsString,
    fmt,
    net::ToSocketAddrs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::{Emulator, Line};

/// What to run, and how. [`Settings::new`] has the defaults; the fields are there to be changed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program to start. `None` serves the runtime API alone, at [`Emulator::runtime_api`], for a loop in a
    /// thread of the caller's: nothing is started, ended or frozen then.
    pub function: Option<Function>,
    /// What the platform grants the function.
    pub limits: Limits,
    /// Which kind of events HTTP requests become.
    pub trigger: Trigger,
    /// Stops the function's processes after each reply (SIGSTOP) and wakes them for the next event, as the platform
    /// freezes idle instances.
    pub freeze: bool,
    /// Names besides the loopback ones that `Host` may hold when the emulator listens on loopback.
    pub hosts: Vec<String>,
    /// Origins whose pages may call the function when the emulator listens on loopback; `*` for all. The function
    /// answers their preflights itself.
    pub origins: Vec<String>,
    /// Sees each line as it comes; [`Emulator::logs`] keeps them besides.
    pub console: Option<Console>,
    /// Takes SIGINT, SIGTERM and SIGHUP over for the whole program: the function ends, and [`Emulator::wait`] returns.
    pub signals: bool,
}

impl Settings {
    /// The function behind a Function URL, with the default [`Limits`].
    pub fn new(function: Function) -> Self {
        Self { function: Some(function), ..Self::in_process() }
    }

    /// The runtime API alone, for a runtime loop in a thread of the caller's own program.
    pub fn in_process() -> Self {
        Self {
            function: None,
            limits: Limits::default(),
            trigger: Trigger::FunctionUrl,
            freeze: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            console: None,
            signals: false,
        }
    }

    /// Starts the platform and the first instance, and listens for HTTP at `listen` (port 0: any free one).
    ///
    /// Fails where the address cannot be had, or the function's variables break the platform's rules. A program
    /// that cannot be started is no failure here: each event is answered with the platform's 405 then.
    pub fn start(self, listen: impl ToSocketAddrs) -> anyhow::Result<Emulator> {
        if let Some(function) = &self.function {
            function.check()?;
        }
        let addresses =
            listen.to_socket_addrs().context("find the address to listen on")?.collect();
        Emulator::start(self, addresses)
    }
}

/// A program that speaks the runtime API: a `bootstrap` file, script or binary.
#[derive(Clone, Debug)]
pub struct Function {
    /// The executable. A name without a slash that is no file here is looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments. The platform passes none.
    pub args: Vec<OsString>,
    /// The function's own variables, besides those that the platform sets.
    pub env: Vec<(String, String)>,
    /// Also passes on all of the emulator's own variables, except those with the platform's reserved names.
    pub env_all: bool,
    /// The working directory. `None`: the folder of the program.
    pub dir: Option<PathBuf>,
}

impl Function {
    /// The program without arguments or variables of its own.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            env_all: false,
            dir: None,
        }
    }

    /// The same with one more argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The same with one more variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The platform's rules for a function's variables: their names (583/30228), and 4 KB for all (583/11637).
    fn check(&self) -> anyhow::Result<()> {
        for (name, _) in &self.env {
            ensure!(
                name.starts_with(|first: char| first.is_ascii_alphabetic())
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
                "the platform takes no variable named {name:?}: a letter first, then letters, digits and _ (583/30228)"
            );
            ensure!(
                !is_reserved(name),
                "the variable {name} is the platform's own: SCF_, QCLOUD_ and TENCENTCLOUD_ are reserved (583/30228)"
            );
        }
        let bytes: usize = self.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        ensure!(
            bytes <= 4096,
            "the function's variables hold {bytes} bytes: the platform takes 4096 (583/11637)"
        );
        Ok(())
    }
}

/// Whether the platform keeps this variable for itself (583/30228).
pub(crate) fn is_reserved(name: &str) -> bool {
    ["SCF_", "QCLOUD_", "TENCENTCLOUD_"].iter().any(|prefix| name.starts_with(prefix))
}

/// What the platform grants the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Megabytes. The function is told; nothing enforces it.
    pub memory_mb: u32,
    /// For one invocation; the function is told. An instance that exceeds it is ended (433).
    pub time: Duration,
    /// From the start of the process to its `ready`. An instance that exceeds it is ended (450).
    pub init: Duration,
}

impl Default for Limits {
    /// 128 MB and 65 s to get ready, as the platform; but 60 s for an invocation, where the platform has 3 s.
    fn default() -> Self {
        Self { memory_mb: 128, time: Duration::from_secs(60), init: Duration::from_secs(65) }
    }
}

/// What turns HTTP requests into events, and replies into responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A Function URL (583/96099), the only HTTP trigger that is still sold.
    FunctionUrl,
    /// The API Gateway with integrated response (583/12513), which was switched off in 2026.
    ApiGateway,
    /// The API Gateway without integrated response: the reply is the body, whatever it holds.
    ApiGatewayPassthrough,
}

/// A callback for the lines of [`Emulator::logs`]. It is called on the emulator's own thread, which waits for it.
#[derive(Clone)]
pub struct Console(pub Arc<dyn Fn(&Line) + Send + Sync>);

impl Console {
    /// Calls `print` for each line.
    pub fn new(print: impl Fn(&Line) + Send + Sync + 'static) -> Self {
        Self(Arc::new(print))
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}
