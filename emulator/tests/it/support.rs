//! Functions to run, and requests to them.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use scf_emulator::{Emulator, Function, Settings};
use testkit::{Process, Response, Wire, process};

/// A temporary folder with a `bootstrap` file. Dropping it deletes the folder.
pub(crate) struct Package {
    pub(crate) dir: PathBuf,
    name: &'static str,
}

impl Package {
    /// Creates a Bash script with `$api`, `ready`, `next` (sets `$event`), `reply TEXT` and
    /// `fail TEXT`.
    pub(crate) fn bash(script: &str) -> Self {
        Self::new(&format!(
            r#"#!/bin/bash
api="http://$SCF_RUNTIME_API:$SCF_RUNTIME_API_PORT/runtime"
ready() {{ curl -s -d " " "$api/init/ready"; }}
next() {{ event=$(curl -s "$api/invocation/next"); }}
reply() {{ curl -s -d "$1" "$api/invocation/response"; }}
fail() {{ curl -s -d "$1" "$api/invocation/error"; }}
{script}
"#
        ))
    }

    /// Creates a function that sends this reply to each event.
    pub(crate) fn replying(reply: &str) -> Self {
        Self::bash(&format!("ready\nwhile next; do\nreply '{reply}'\ndone"))
    }

    /// Creates a `bootstrap` file with this text.
    pub(crate) fn new(text: &str) -> Self {
        Self::named("bootstrap", text)
    }

    /// Creates an executable file with this name and text.
    pub(crate) fn named(name: &'static str, text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = format!(
            "emulator-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = fs::canonicalize(std::env::temp_dir()).unwrap().join(folder);
        fs::create_dir(&dir).unwrap();
        let package = Self { dir, name };
        fs::write(package.bootstrap(), text).unwrap();
        fs::set_permissions(package.bootstrap(), fs::Permissions::from_mode(0o755)).unwrap();
        package
    }

    pub(crate) fn bootstrap(&self) -> PathBuf {
        self.dir.join(self.name)
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::new(Function::new(self.bootstrap()))
    }

    pub(crate) fn start(&self) -> Emulator {
        self.settings().start("127.0.0.1:0").unwrap()
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Returns the state of a process from `/proc`, such as `S`, or `T` for stopped. Returns `None` if
/// the process does not exist.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Returns the emulator's log as one text.
pub(crate) fn logs(emulator: &Emulator) -> String {
    emulator.logs().iter().map(|line| format!("{line}\n")).collect()
}

/// Returns the address of the trigger.
pub(crate) fn address(emulator: &Emulator) -> SocketAddr {
    emulator.url().strip_prefix("http://").unwrap().parse().unwrap()
}

/// Sends a request such as `GET /path` to the trigger, with headers and a body.
#[track_caller]
pub(crate) fn send(emulator: &Emulator, line: &str, headers: &[&str], body: &[u8]) -> Response {
    send_to(address(emulator), line, headers, body)
}

#[track_caller]
pub(crate) fn get(emulator: &Emulator, path: &str) -> Response {
    send(emulator, &format!("GET {path}"), &[], b"")
}

/// Sends a request on a connection of its own.
#[track_caller]
pub(crate) fn send_to(address: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> Response {
    let mut head =
        format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        head += &format!("Host: {address}\r\n");
    }
    for header in headers {
        head += &format!("{header}\r\n");
    }
    let mut client = Wire::connect(address);
    client.send([head.as_bytes(), b"\r\n", body].concat());
    client.last_response()
}

/// Returns the command with an empty environment except `PATH`.
pub(crate) fn command() -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_scf-emulator"));
    command.env("PATH", "/usr/bin:/bin");
    command
}

/// Options for a free port.
pub(crate) const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// A running command and the address that it prints.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let process = Process::spawn(command);
        let address = loop {
            if let Some((_, rest)) = process.stderr.next().split_once("curl 'http://") {
                break rest.split_once('/').unwrap().0.parse().unwrap();
            }
        };
        Self { process, address }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        send_to(self.address, &format!("GET {path}"), &[], b"")
    }
}

/// Runs the command to its end. Returns the exit status and the output.
pub(crate) fn output(args: &[&str]) -> (i32, String) {
    let output = command().args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}
