//! The function's processes.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::{
    log::{Log, Source},
    pipe::Pipe,
    settings::{Function, is_reserved},
};

/// A running function. Its processes form a process group, which is killed on drop.
pub(crate) struct Process {
    child: Child,
    group: Pid,
    stdout: Pipe,
    stderr: Pipe,
}

impl Process {
    /// Starts the function. Returns the error message if it fails.
    pub(crate) fn start(
        function: &Function,
        api: SocketAddr,
        log: &Arc<Log>,
    ) -> Result<Self, String> {
        let (program, dir) = locate(function);
        let mut child = Command::new(&program)
            .args(&function.args)
            .env_clear()
            .envs(environment(function, api, &dir))
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| start_error(&program, &error))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let stdout = child.stdout.take().ok_or("process has no standard output")?;
        let stderr = child.stderr.take().ok_or("process has no standard error")?;
        let pipe_error = |error: io::Error| format!("output of the process is unreadable: {error}");
        Ok(Self {
            group: group.ok_or("process has no id")?,
            stdout: Pipe::new(stdout, Source::Stdout, log.clone()).map_err(pipe_error)?,
            stderr: Pipe::new(stderr, Source::Stderr, log.clone()).map_err(pipe_error)?,
            child,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.group.as_raw_nonzero().get().cast_unsigned()
    }

    /// Waits until the process has exited. It is cancel safe and may be called again.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        // Fails only if the process was reaped elsewhere, so it has exited.
        self.child.wait().await.unwrap_or_default()
    }

    /// Waits until the log has everything that the function has printed so far.
    pub(crate) async fn drain_output(&mut self) {
        self.stdout.drain().await;
        self.stderr.drain().await;
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the process group and waits for its last output. There is no SIGTERM first: the
    /// platform documents none.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait().await;
        self.stdout.wait_for_eof().await;
        self.stderr.wait_for_eof().await;
    }

    fn signal(&self, signal: Signal) {
        // Fails only if the group has no process left.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Returns the program's absolute path and its working directory.
fn locate(function: &Function) -> (PathBuf, PathBuf) {
    let program = match fs::canonicalize(&function.program) {
        Ok(path) if path.is_file() => path,
        _ => function.program.clone(),
    };
    let folder = function.dir.clone().or_else(|| program.parent().map(Path::to_owned));
    let dir = folder.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| ".".into());
    let dir = fs::canonicalize(&dir).unwrap_or(dir);
    (program, dir)
}

/// Returns the function's variables, with those that the platform documents
/// (<https://cloud.tencent.com/document/product/583/30228>) and that apply here.
fn environment(function: &Function, api: SocketAddr, dir: &Path) -> Vec<(String, String)> {
    let dir = dir.display();
    let inherited = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| function.env_all && !is_reserved(name));
    let platform = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", "/home/qcloud".to_owned()),
        ("USER", "qcloud".to_owned()),
        ("LOGNAME", "qcloud".to_owned()),
        ("SHELL", "/bin/bash".to_owned()),
        // The platform also sets LC_ALL, but bash warns if the locale is not installed.
        ("LANG", "en_US.UTF8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("PWD", dir.to_string()),
    ];
    let reserved = [
        ("USER_CODE_ROOT", format!("{dir}/")),
        ("_HANDLER", "index.main_handler".to_owned()),
        ("SCF_RUNTIME", "CustomRuntime".to_owned()),
        ("SCF_FUNCTIONNAME", "local".to_owned()),
        ("SCF_FUNCTIONVERSION", "$LATEST".to_owned()),
        ("SCF_RUNTIME_API", api.ip().to_string()),
        ("SCF_RUNTIME_API_PORT", api.port().to_string()),
        ("TENCENTCLOUD_RUNENV", "SCF".to_owned()),
        ("TENCENTCLOUD_TZ", "UTC".to_owned()),
    ];
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    // The last value of a name counts.
    platform
        .map(owned)
        .into_iter()
        .chain(inherited)
        .chain(function.env.iter().cloned())
        .chain(reserved.map(owned))
        .collect()
}

/// Returns the error message for a program that failed to start.
fn start_error(program: &Path, error: &io::Error) -> String {
    let path = program.display();
    let Ok(content) = fs::read(program) else {
        return format!("bootstrap file {path} does not exist or is unreadable: {error}");
    };
    let first_line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("bootstrap file {path} is not executable: run chmod 755 before zipping it")
        }
        io::ErrorKind::NotFound if first_line.ends_with(b"\r") => {
            format!("first line of {path} ends with CR LF: save the file with LF")
        }
        io::ErrorKind::NotFound => format!("interpreter of {path} does not exist"),
        _ if !content.starts_with(b"#!") && !content.starts_with(b"\x7fELF") => {
            format!("{path} is not a binary for this machine and does not start with #!: {error}")
        }
        _ => format!("{path} cannot be started: {error}"),
    }
}
