use std::collections::BTreeMap;
use std::env;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use scf_emulator::{Emulator, Function, Settings};
use serde_json::{Map, Value, json};
use testkit::{Head, Process, Response, RuntimeApi, Upstream, process};

/// The key of the tests. No run of four of its characters is in any sentence, model or address.
pub(crate) const KEY: &str = "sk-proj-Zq7Wx3Vb9Nm1Lk5Jh8Gf";

/// The event function with its settings: these variables, and no others of this machine.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) vars: BTreeMap<String, String>,
    limit: Duration,
    freeze: bool,
}

impl App {
    /// Makes an app without settings.
    pub(crate) fn unset() -> Self {
        Self { vars: BTreeMap::new(), limit: Duration::from_secs(60), freeze: false }
    }

    /// Makes an app with a key, and this upstream.
    pub(crate) fn new(upstream: &Upstream) -> Self {
        Self::at(upstream.url("/v1"))
    }

    /// Makes an app with a key, and an upstream at this URL.
    pub(crate) fn at(url: impl Into<String>) -> Self {
        Self::unset().set("OPENAI_API_KEY", KEY).set("OPENAI_BASE_URL", url)
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn set_all(self, vars: &[(&str, &str)]) -> Self {
        vars.iter().fold(self, |app, (name, value)| app.set(name, *value))
    }

    /// Sets the platform's time limit, in seconds.
    pub(crate) fn limit(mut self, seconds: f64) -> Self {
        self.limit = Duration::from_secs_f64(seconds);
        self
    }

    /// Lets the platform freeze the process between events.
    pub(crate) fn freezing(mut self) -> Self {
        self.freeze = true;
        self
    }

    /// The program itself.
    pub(crate) fn command(self) -> Command {
        let mut command = process::command(program("ask"));
        command.envs(self.vars);
        command
    }

    /// Starts the program on a runtime API of the test's own.
    pub(crate) fn run_on(self, api: &RuntimeApi) -> Process {
        let app = self.set("SCF_RUNTIME_API", api.address().to_string());
        Process::spawn(&mut app.command())
    }

    /// The local platform with this function.
    pub(crate) fn platform(self) -> Settings {
        let mut function = Function::new(program("bootstrap"));
        function.env = self.vars.into_iter().collect();
        let mut settings = Settings::new(function);
        settings.limits.time = self.limit;
        settings.freeze = self.freeze;
        settings
    }

    /// Starts the local platform with this function.
    pub(crate) fn start(self) -> Instance {
        Instance { emulator: self.platform().start("127.0.0.1:0").unwrap() }
    }
}

/// The file of this name in the unpacked zip in `ASK_PACKAGE`, or the binary that cargo has built.
fn program(name: &str) -> PathBuf {
    let packaged = env::var_os("ASK_PACKAGE").map(|folder| Path::new(&folder).join(name));
    packaged.unwrap_or_else(|| env!("CARGO_BIN_EXE_ask").into())
}

/// The function behind the local platform.
pub(crate) struct Instance {
    pub(crate) emulator: Emulator,
}

impl Instance {
    /// Asks by `?question=`.
    #[track_caller]
    pub(crate) fn ask(&self, question: &str) -> Reply {
        self.get(&[("question", question)], &[])
    }

    #[track_caller]
    pub(crate) fn get(&self, query: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
        self.http("GET", query, headers, "")
    }

    #[track_caller]
    pub(crate) fn post(&self, content_type: &str, body: &str) -> Reply {
        self.http("POST", &[], &[("content-type", content_type)], body)
    }

    #[track_caller]
    pub(crate) fn http(
        &self,
        method: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let object = |pairs: &[(&str, &str)]| -> Map<String, Value> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
        };
        self.event(&json!({
            "httpMethod": method,
            "path": "/",
            "queryString": object(query),
            "headers": object(headers),
            "body": body,
        }))
    }

    /// Sends any event. Its reply must be an envelope with exactly the four members.
    #[track_caller]
    pub(crate) fn event(&self, event: &Value) -> Reply {
        let invocation = self.emulator.invoke(event.to_string());
        let bytes =
            invocation.reply.unwrap_or_else(|failure| panic!("{failure:?}: {:?}", invocation.log));
        let envelope: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
        let names: Vec<_> = envelope.keys().cloned().collect();
        assert_eq!(names, ["body", "headers", "isBase64Encoded", "statusCode"]);
        assert_eq!(envelope["isBase64Encoded"], false);
        let mut head = format!("HTTP/1.1 {}\r\n", envelope["statusCode"]);
        for (name, value) in envelope["headers"].as_object().unwrap() {
            head += &format!("{name}: {}\r\n", value.as_str().unwrap());
        }
        let body = envelope["body"].as_str().unwrap().into();
        Reply {
            response: Response { head: Head::new(head + "\r\n"), body, is_complete: true },
            log: invocation.log,
            duration: invocation.duration,
            request_id: invocation.request_id,
        }
    }
}

/// The reply to an event.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: Response,
    /// The lines that the function printed.
    pub(crate) log: Vec<String>,
    pub(crate) duration: Duration,
    pub(crate) request_id: String,
}

impl Reply {
    /// The access-log line of the request.
    #[track_caller]
    pub(crate) fn log_line(&self) -> Value {
        let lines = self.log.iter().map(|line| serde_json::from_str::<Value>(line).expect(line));
        let mut lines: Vec<_> = lines.filter(|line| line.get("request_id").is_some()).collect();
        assert_eq!(lines.len(), 1, "{:?}", self.log);
        lines.remove(0)
    }
}

impl Deref for Reply {
    type Target = Response;

    fn deref(&self) -> &Response {
        &self.response
    }
}
