//! Functions to run, and a raw HTTP client.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use scf_emulator::{Emulator, Function, Settings};

/// A temporary folder with a `bootstrap` file. Dropping it deletes the folder.
pub(crate) struct Package {
    pub(crate) dir: PathBuf,
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
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "scf-emulator-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = fs::canonicalize(std::env::temp_dir()).unwrap().join(name);
        fs::create_dir(&dir).unwrap();
        let package = Self { dir };
        fs::write(package.bootstrap(), text).unwrap();
        fs::set_permissions(package.bootstrap(), fs::Permissions::from_mode(0o755)).unwrap();
        package
    }

    pub(crate) fn bootstrap(&self) -> PathBuf {
        self.dir.join("bootstrap")
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

/// A response, split at the empty line.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Returns whether the head has this line. Header names are in lower case.
    pub(crate) fn has(&self, line: &str) -> bool {
        self.head.lines().any(|found| found == line)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends these bytes and reads the response to EOF.
pub(crate) fn raw(address: &str, request: &[u8]) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("head is complete");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    Response { status: head[9..12].parse().unwrap(), head, body: bytes[end + 4..].to_vec() }
}

/// Sends a request such as `GET /path`, with headers and a body.
pub(crate) fn send(emulator: &Emulator, line: &str, headers: &[&str], body: &[u8]) -> Response {
    let url = emulator.url();
    let address = url.strip_prefix("http://").unwrap();
    raw(address, &request(address, line, headers, body))
}

pub(crate) fn get(emulator: &Emulator, path: &str) -> Response {
    send(emulator, &format!("GET {path}"), &[], b"")
}

pub(crate) fn request(host: &str, line: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head =
        format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        head += &format!("Host: {host}\r\n");
    }
    for header in headers {
        head += &format!("{header}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}
