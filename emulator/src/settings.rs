//! The function and how to run it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::ensure;

use crate::{log::Console, package};

/// The function and how to run it. [`Settings::new`] sets the defaults. All fields are public.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The function to start. With `None`, the emulator starts no process. The runtime API at
    /// `Emulator::runtime_api` then serves a runtime in a thread of your own program.
    pub function: Option<Function>,
    /// Limits of the function.
    pub limits: Limits,
    /// The trigger that turns HTTP requests into events. A Web function has none.
    pub trigger: Trigger,
    /// Maximum number of instances of an event function, or of concurrent requests in the one
    /// instance of a Web function. Further requests wait.
    pub concurrency: usize,
    /// Stops the function's processes after each reply (SIGSTOP) and resumes them for the next
    /// event. The platform freezes idle instances in this way.
    pub freeze: bool,
    /// `Host` names to accept besides loopback names, if the emulator listens on loopback.
    pub hosts: Vec<String>,
    /// Origins whose pages may send requests, if the emulator listens on loopback; `*` for all.
    /// The function answers their preflight requests.
    pub origins: Vec<String>,
    /// Callback for each line of output. `Emulator::logs` returns the lines in any case.
    pub console: Option<Console>,
    /// Handles SIGINT, SIGTERM and SIGHUP for the whole program: the function ends, and
    /// `Emulator::wait` returns.
    pub signals: bool,
}

impl Settings {
    /// Creates settings for a function behind a Function URL, with the default [`Limits`].
    pub fn new(function: Function) -> Self {
        Self { function: Some(function), ..Self::in_process() }
    }

    /// Creates settings without a process, for a runtime in a thread of your own program.
    pub fn in_process() -> Self {
        Self {
            function: None,
            limits: Limits::default(),
            trigger: Trigger::FunctionUrl,
            concurrency: 1,
            freeze: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            console: None,
            signals: false,
        }
    }

    /// Checks the platform's rules.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        let Limits { memory_mb, time, .. } = self.limits;
        ensure!(
            memory_mb == 64 || (memory_mb % 128 == 0 && (128..=3072).contains(&memory_mb)),
            "invalid memory {memory_mb} MB (use 64, or 128 to 3072 in steps of 128)"
        );
        ensure!(
            time <= MAX_TIME,
            "invalid time limit {} s (maximum {})",
            time.as_secs_f64(),
            MAX_TIME.as_secs()
        );
        ensure!(
            (1..=MAX_CONCURRENCY).contains(&self.concurrency),
            "invalid concurrency {} (use 1 to {MAX_CONCURRENCY})",
            self.concurrency
        );
        self.function.as_ref().map_or(Ok(()), Function::validate)
    }
}

/// Maximum time limit (<https://cloud.tencent.com/document/product/583/11637>).
const MAX_TIME: Duration = Duration::from_secs(900);

/// Maximum number of requests in an instance (`InstanceConcurrencyConfig` of the cloud API).
const MAX_CONCURRENCY: usize = 100;

/// A function: its code, its variables, and its identity.
#[derive(Clone, Debug)]
pub struct Function {
    /// Path of the code: a `bootstrap` or `scf_bootstrap` file, a folder that holds one, or a zip
    /// file (feature `zip`). A name without a slash that is not a file is looked up in `PATH`.
    pub program: PathBuf,
    /// Event function or Web function.
    pub kind: Kind,
    /// Arguments of the program. The platform passes none.
    pub args: Vec<OsString>,
    /// Environment variables, besides those that the platform sets.
    pub env: Vec<(String, String)>,
    /// Passes all variables of the emulator to the function, except those with reserved names.
    pub env_all: bool,
    /// Variables of the platform to set or replace, such as `TENCENTCLOUD_UIN`.
    pub platform_env: Vec<(String, String)>,
    /// Working directory. The default is the folder of the program.
    pub dir: Option<PathBuf>,
    /// Name of the function.
    pub name: String,
    /// Handler in `_HANDLER`. A custom runtime may ignore it.
    pub handler: String,
    /// Namespace of a Web function's requests.
    pub namespace: String,
    /// Region.
    pub region: String,
}

/// The kind of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program that fetches events from the runtime API.
    Event,
    /// An HTTP server (<https://cloud.tencent.com/document/product/583/56124>).
    Web {
        /// Port of the server. The platform uses 9000 only.
        port: u16,
    },
}

impl Kind {
    /// A Web function as the platform runs it.
    pub const WEB: Self = Self::Web { port: 9000 };
}

impl Function {
    /// Creates a function without arguments and variables. Its kind is guessed: a file named
    /// `scf_bootstrap`, or a folder or zip that holds one and no `bootstrap`, is a Web function.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref().to_owned();
        let kind = if package::is_web_function(&program) { Kind::WEB } else { Kind::Event };
        Self {
            program,
            kind,
            args: Vec::new(),
            env: Vec::new(),
            env_all: false,
            platform_env: Vec::new(),
            dir: None,
            name: "local".to_owned(),
            handler: "index.main_handler".to_owned(),
            namespace: "default".to_owned(),
            region: "ap-guangzhou".to_owned(),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds an environment variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Returns the port of a Web function.
    pub(crate) fn web_port(&self) -> Option<u16> {
        match self.kind {
            Kind::Event => None,
            Kind::Web { port } => Some(port),
        }
    }

    /// Checks the platform's rules for variables: names
    /// (<https://cloud.tencent.com/document/product/583/30228>) and a total of 4 KB
    /// (<https://cloud.tencent.com/document/product/583/11637>).
    fn validate(&self) -> anyhow::Result<()> {
        for (name, _) in self.env.iter().chain(&self.platform_env) {
            ensure!(
                name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
                "invalid variable name {name:?} (use a letter, then letters, digits and _)"
            );
        }
        for (name, _) in &self.env {
            ensure!(
                !name.starts_with('_'),
                "invalid variable name {name:?} (use a letter, then letters, digits and _)"
            );
            ensure!(
                !is_reserved(name),
                "variable name {name} is reserved (avoid SCF_, QCLOUD_ and TENCENTCLOUD_)"
            );
        }
        let bytes: usize = self.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        ensure!(bytes <= 4096, "variables too large: {bytes} bytes in all (maximum 4096)");
        Ok(())
    }
}

/// Returns whether the platform reserves this name of a variable.
pub(crate) fn is_reserved(name: &str) -> bool {
    ["SCF_", "QCLOUD_", "TENCENTCLOUD_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Limits of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory in MB: 64, or 128 to 3072 in steps of 128. An instance that uses more is ended
    /// (status 434).
    pub memory_mb: u32,
    /// Maximum duration of an invocation, at most 900 s. After it, the instance is ended (status
    /// 433).
    pub time: Duration,
    /// Maximum time from the start of the process to `ready`, or until a Web function listens.
    /// After it, the instance is ended (status 450 or 446).
    pub init: Duration,
}

impl Default for Limits {
    /// Returns the platform's defaults of 128 MB and 65 s to `ready`. An invocation may take 60 s
    /// (the platform's default is 3 s).
    fn default() -> Self {
        Self { memory_mb: 128, time: Duration::from_secs(60), init: Duration::from_secs(65) }
    }
}

/// The trigger that turns HTTP requests into events, and replies into responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A Function URL (<https://cloud.tencent.com/document/product/583/96099>).
    FunctionUrl,
    /// API Gateway with integrated response, discontinued in 2026
    /// (<https://cloud.tencent.com/document/product/583/12513>).
    ApiGateway,
    /// API Gateway without integrated response: the whole reply is the response body.
    ApiGatewayPassthrough,
}
