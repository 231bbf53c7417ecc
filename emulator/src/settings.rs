//! The function and how to run it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::ensure;

use crate::log::Console;

/// The function and how to run it. [`Settings::new`] sets the defaults. All fields are public.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program to start. With `None`, the emulator starts no process. The runtime API at
    /// `Emulator::runtime_api` then serves a runtime in a thread of your own program.
    pub function: Option<Function>,
    /// Limits of the function.
    pub limits: Limits,
    /// The trigger that turns HTTP requests into events.
    pub trigger: Trigger,
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
            freeze: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            console: None,
            signals: false,
        }
    }
}

/// A program that calls the runtime API: a `bootstrap` file, script or binary.
#[derive(Clone, Debug)]
pub struct Function {
    /// Path of the program. A name without a slash that is not a file is looked up in `PATH`.
    pub program: PathBuf,
    /// Arguments of the program. The platform passes none.
    pub args: Vec<OsString>,
    /// Environment variables, besides those that the platform sets.
    pub env: Vec<(String, String)>,
    /// Passes all variables of the emulator to the function, except those with reserved names.
    pub env_all: bool,
    /// Working directory. The default is the folder of the program.
    pub dir: Option<PathBuf>,
}

impl Function {
    /// Creates a function without arguments and variables.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            env_all: false,
            dir: None,
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

    /// Checks the platform's rules for variables: names
    /// (<https://cloud.tencent.com/document/product/583/30228>) and a total of 4 KB
    /// (<https://cloud.tencent.com/document/product/583/11637>).
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        for (name, _) in &self.env {
            ensure!(
                name.starts_with(|first: char| first.is_ascii_alphabetic())
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
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
    /// Memory in MB. It is reported to the function and not enforced.
    pub memory_mb: u32,
    /// Maximum duration of an invocation. After it, the instance is ended (status 433).
    pub time: Duration,
    /// Maximum time from the start of the process to `ready`. After it, the instance is ended
    /// (status 450).
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
