//! The function as a process, as the platform starts it.

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
    Function, Source,
    output::{Log, Pipe},
    settings::is_reserved,
};

/// A running function. Its processes form a group of their own, which ends with this value.
pub(crate) struct Process {
    child: Child,
    group: Pid,
    stdout: Pipe,
    stderr: Pipe,
}

impl Process {
    /// Starts the function. Fails with a sentence that names the fault where it is a usual one.
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
            .map_err(|error| why_not(&program, &error))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let stdout = child.stdout.take().ok_or("the process has no output")?;
        let stderr = child.stderr.take().ok_or("the process has no error output")?;
        let no_pipe = |error: io::Error| format!("read the process's output: {error}");
        Ok(Self {
            group: group.ok_or("the process has no id")?,
            stdout: Pipe::new(stdout, Source::Stdout, log.clone()).map_err(no_pipe)?,
            stderr: Pipe::new(stderr, Source::Stderr, log.clone()).map_err(no_pipe)?,
            child,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.group.as_raw_nonzero().get().cast_unsigned()
    }

    /// Waits until the process has ended. Can be called again, and dropped before.
    pub(crate) async fn exited(&mut self) -> ExitStatus {
        // Only a process that somebody else has reaped cannot be waited for; it has ended all the same.
        self.child.wait().await.unwrap_or_default()
    }

    /// Waits until all that the function has printed up to now is in the log.
    pub(crate) async fn drained(&mut self) {
        self.stdout.drained().await;
        self.stderr.drained().await;
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends the whole group and waits for its last lines. No SIGTERM: the platform's documents know none here.
    pub(crate) async fn end(mut self) {
        self.signal(Signal::KILL);
        self.exited().await;
        self.stdout.ended().await;
        self.stderr.ended().await;
    }

    fn signal(&self, signal: Signal) {
        // Fails only where the group is gone, and then there is nobody to signal.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The program's full path (the working directory changes) and the directory in which it runs.
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

/// The variables that the platform documents (583/30228), as far as they mean something here.
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
        // The platform sets LC_ALL as well, but bash complains of it where the locale is not installed.
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
    // Later ones win.
    platform
        .map(owned)
        .into_iter()
        .chain(inherited)
        .chain(function.env.iter().cloned())
        .chain(reserved.map(owned))
        .collect()
}

/// What is wrong with a program that cannot be started.
fn why_not(program: &Path, error: &io::Error) -> String {
    let shown = program.display();
    let Ok(start) = fs::read(program) else {
        return format!("the bootstrap file {shown} does not exist or cannot be read: {error}");
    };
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("the bootstrap file {shown} is not executable: chmod 755 it, in the zip too")
        }
        io::ErrorKind::NotFound
            if start
                .split(|byte| *byte == b'\n')
                .next()
                .is_some_and(|line| line.ends_with(b"\r")) =>
        {
            format!(
                "the first line of {shown} ends in CR LF, and there is no such interpreter: save it with LF"
            )
        }
        io::ErrorKind::NotFound => format!("the interpreter that {shown} asks for does not exist"),
        _ if !start.starts_with(b"#!") && !start.starts_with(b"\x7fELF") => {
            format!("{shown} is neither a binary for this machine nor begins with #!: {error}")
        }
        _ => format!("start {shown}: {error}"),
    }
}
