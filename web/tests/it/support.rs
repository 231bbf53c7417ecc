//! The program under test as a process, and requests to it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::table::expect_eq;
use testkit::{Head, Request, Response, free_port, process};
pub(crate) use testkit::{Listener, Process, WAIT_LIMIT, Wire, poll};

pub(crate) const KEY: &str = "sk-server-Zq7";
pub(crate) const TOKEN: &str = "owner-token-Xw9";
/// The `Authorization` that carries the server's key.
pub(crate) const BEARER: &str = "Bearer sk-server-Zq7";

/// The start file in the unpacked zip in `ASK_WEB_PACKAGE`, or the binary that cargo has built.
fn program() -> PathBuf {
    let packaged =
        env::var_os("ASK_WEB_PACKAGE").map(|folder| Path::new(&folder).join("scf_bootstrap"));
    packaged.unwrap_or_else(|| env!("CARGO_BIN_EXE_ask-web").into())
}

/// The Web function with its settings: these variables, and no others of this machine.
#[derive(Clone)]
pub(crate) struct App(BTreeMap<String, String>);

impl App {
    /// Makes an app without settings, on a free port of 127.0.0.1.
    pub(crate) fn unset() -> Self {
        // The start file of the zip listens on all addresses by default.
        Self(BTreeMap::new()).set("HOST", "127.0.0.1").set("PORT", "0")
    }

    /// Makes an app with a key, a token, and this upstream. A client's own key is accepted.
    pub(crate) fn new(upstream: &Listener) -> Self {
        Self::at(&upstream.url("/v1")).set("ASK_OWN_KEYS", "1")
    }

    /// Makes an app with a key, a token, and an upstream at this URL.
    pub(crate) fn at(url: &str) -> Self {
        Self::unset().set("OPENAI_API_KEY", KEY).set("ASK_TOKEN", TOKEN).set("OPENAI_BASE_URL", url)
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn set_all(self, vars: &[(&str, &str)]) -> Self {
        vars.iter().fold(self, |app, (name, value)| app.set(name, *value))
    }

    /// The program itself, or the local platform that runs it.
    pub(crate) fn command(self) -> Command {
        match env::var_os("ASK_WEB_EMULATOR") {
            Some(emulator) => self.emulator_command(&emulator),
            None => self.program_command(),
        }
    }

    fn emulator_command(self, emulator: &OsStr) -> Command {
        let port = free_port().to_string();
        // The emulator reaches a loopback address, on which the program checks `Host` and origins.
        let app = self.set("HOST", "127.0.0.2").set("PORT", &port);
        let mut command = process::command(emulator);
        command.args(["--listen", "127.0.0.1:0", "--web", "--port", &port, "--concurrency", "100"]);
        command.args(["--allow-origin", "*"]);
        for (name, value) in app.0 {
            command.args(["--env", &format!("{name}={value}")]);
        }
        command.arg(program());
        command
    }

    fn program_command(self) -> Command {
        let mut command = process::command(program());
        command.envs(self.0);
        if let Some(folder) = env::var_os("ASK_WEB_PACKAGE") {
            command.current_dir(folder);
        }
        command
    }

    pub(crate) fn start(self) -> Instance {
        Instance::spawn(&mut self.command())
    }
}

/// `ask-web`, listening.
pub(crate) struct Instance {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Instance {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let process = Process::spawn(command);
        let address = loop {
            let line = process.stderr.next();
            if let Some((_, rest)) = line.split_once("listening on http://") {
                // The line of a program behind the emulator has the address behind it.
                if env::var_os("ASK_WEB_EMULATOR").is_none() {
                    break rest.parse().unwrap();
                }
            }
            if let Some((_, rest)) = line.split_once("listening at http://") {
                break rest.split(';').next().unwrap().parse().unwrap();
            }
        };
        Self { process, address }
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn send(&self, request: &str) -> Wire {
        let mut client = self.connect();
        client.send(request);
        client
    }

    /// Sends a request and accepts the connection on which it is forwarded. Returns the client's
    /// end, the upstream's end, and the head that came there.
    #[track_caller]
    pub(crate) fn forward(&self, listener: &Listener, request: &str) -> (Wire, Wire, Head) {
        let client = self.send(request);
        let mut upstream = listener.accept();
        let head = upstream.head();
        (client, upstream, head)
    }

    /// Sends a question with the token and accepts the connection to the upstream. Returns the
    /// client's end, the upstream's end, and the request that came there.
    #[track_caller]
    pub(crate) fn ask(
        &self,
        listener: &Listener,
        target: &str,
        headers: &str,
    ) -> (Wire, Wire, Request) {
        let client = self.send(&request(&format!("GET {target}"), headers));
        let mut upstream = listener.accept();
        let request = upstream.request();
        (client, upstream, request)
    }

    /// The next line of the access log.
    #[track_caller]
    pub(crate) fn log_line(&self) -> Value {
        loop {
            let line = self.line();
            if line["request_id"].is_string() {
                return line;
            }
        }
    }

    /// The next line on standard output.
    #[track_caller]
    pub(crate) fn line(&self) -> Value {
        serde_json::from_str(&self.process.stdout.next()).unwrap()
    }

    /// Expects the next line of the access log to have this status and code.
    #[track_caller]
    pub(crate) fn assert_logged(&self, status: u16, code: &str) {
        let line = self.log_line();
        assert_eq!((&line["status"], &line["code"]), (&status.into(), &code.into()), "{line}");
    }

    /// Waits until connections are refused.
    #[track_caller]
    pub(crate) fn wait_until_refusing(&self) {
        let is_refused = || {
            let refused = std::io::ErrorKind::ConnectionRefused;
            std::net::TcpStream::connect(self.address).is_err_and(|error| error.kind() == refused)
        };
        assert!(poll(WAIT_LIMIT, is_refused), "it still listens");
    }
}

impl Deref for Instance {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

/// Starts the program with the usual settings, and the upstream for it.
pub(crate) fn start_app() -> (Listener, Instance) {
    let listener = Listener::bind();
    let app = App::new(&listener).start();
    (listener, app)
}

/// A request with the token, on a local server.
pub(crate) fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n")
}

/// Expects an error in OpenAI's shape with this status and code.
#[track_caller]
pub(crate) fn assert_proxy_error(client: &mut Wire, status: u16, code: &str) {
    let response = client.response();
    response.assert_error(status, code);
    let body = response.json();
    let error = body["error"].as_object().expect("an error");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    assert!(error["type"].is_string() && error["param"].is_null(), "{body}");
    assert_eq!(error["code"], code);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.header("x-request-id").is_some());
}

/// Checks the headers of every reply of ours.
///
/// # Errors
///
/// A sentence that names a wrong header.
pub(crate) fn check_common_headers(response: &Response, id: &str) -> Result<(), String> {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("vary", "Accept, Origin"),
        ("x-request-id", id),
    ] {
        expect_eq(response.header(name), Some(value), name)?;
    }
    Ok(())
}
