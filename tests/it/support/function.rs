//! The function behind the local platform.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scf_emulator::{Emulator, Function, Settings};
use serde_json::{Map, Value, json};

use super::{Act, Gate, Server, reply};

/// The key of the tests. No run of four of its characters is in any sentence, model or address.
pub(crate) const KEY: &str = "sk-proj-Zq7Wx3Vb9Nm1Lk5Jh8Gf";

/// The binary and how it is started: with the variables given here, and no others of this machine's.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) vars: BTreeMap<String, String>,
    pub(crate) limit: Duration,
    pub(crate) freeze: bool,
}

impl Ask {
    /// Nothing set at all.
    pub(crate) fn bare() -> Self {
        Self { vars: BTreeMap::new(), limit: Duration::from_secs(60), freeze: false }
    }

    /// With a key, and the provider that it is for.
    pub(crate) fn of(provider: &Server) -> Self {
        Self::bare().set("OPENAI_API_KEY", KEY).set("OPENAI_BASE_URL", provider.url("/v1"))
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn limit(mut self, seconds: f64) -> Self {
        self.limit = Duration::from_secs_f64(seconds);
        self
    }

    /// The program, to be started by the test itself.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(program("ask"));
        command.env_clear().envs(self.vars);
        command
    }

    /// The platform's side.
    pub(crate) fn settings(self) -> Settings {
        let mut function = Function::new(program("bootstrap"));
        function.env = self.vars.into_iter().collect();
        let mut settings = Settings::new(function);
        settings.limits.time = self.limit;
        settings.freeze = self.freeze;
        settings
    }

    /// Behind the local platform.
    pub(crate) fn start(self) -> Running {
        Running { emulator: self.settings().start("127.0.0.1:0").unwrap() }
    }
}

/// The file of this name in the unpacked zip that `ASK_PACKAGE` names, else the binary that cargo has built.
fn program(name: &str) -> PathBuf {
    let packaged = env::var_os("ASK_PACKAGE").map(|folder| Path::new(&folder).join(name));
    packaged.unwrap_or_else(|| env!("CARGO_BIN_EXE_ask").into())
}

/// Hands these events out, one after the other, and then none: the gate opens when all have been answered. For what the
/// emulator does not send, and for what it does not wait for.
pub(crate) fn runtime_api(events: Vec<Vec<u8>>) -> (Server, Gate) {
    let over = Gate::default();
    let (all_answered, next) = (over.clone(), AtomicUsize::new(0));
    let api = Server::by_request(move |_, call| {
        if !call.line.starts_with("GET /runtime/invocation/next ") {
            return reply(200, &[], "");
        }
        match events.get(next.fetch_add(1, Ordering::AcqRel)) {
            Some(event) => {
                reply(200, &["request_id: of-the-test", "time_limit_in_ms: 60000"], event)
            }
            None => {
                all_answered.open();
                vec![Act::Hold]
            }
        }
    });
    (api, over)
}

/// An instance that runs.
pub(crate) struct Running {
    pub(crate) emulator: Emulator,
}

/// What became of an event.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// What the function printed, line by line.
    pub(crate) log: Vec<String>,
    pub(crate) duration: Duration,
    pub(crate) request_id: String,
}

impl Running {
    /// Asks by `?question=`.
    #[track_caller]
    pub(crate) fn ask(&self, question: &str) -> Reply {
        self.get(&[("question", question)], &[])
    }

    /// A GET with these names in its query and these headers.
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

    /// Any event, which must get an envelope as its reply: exactly the four members.
    #[track_caller]
    pub(crate) fn event(&self, event: &Value) -> Reply {
        let invocation = self.emulator.invoke(event.to_string());
        let bytes =
            invocation.reply.unwrap_or_else(|failure| panic!("{failure:?}: {:?}", invocation.log));
        let mut envelope: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
        let names: Vec<_> = envelope.keys().cloned().collect();
        assert_eq!(names, ["body", "headers", "isBase64Encoded", "statusCode"]);
        assert_eq!(envelope["isBase64Encoded"], false);
        let status = envelope["statusCode"].as_u64().unwrap();
        let Some(Value::String(body)) = envelope.remove("body") else { panic!("{envelope:?}") };
        let headers = envelope["headers"].as_object().unwrap();
        Reply {
            status: status.try_into().unwrap(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            body,
            log: invocation.log,
            duration: invocation.duration,
            request_id: invocation.request_id,
        }
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The code of a failure.
    pub(crate) fn code(&self) -> Option<&str> {
        self.header("x-error-code")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The line of this request in the log.
    #[track_caller]
    pub(crate) fn line(&self) -> Value {
        let lines = self.log.iter().map(|line| serde_json::from_str::<Value>(line).expect(line));
        let mut lines: Vec<_> = lines.filter(|line| line.get("request_id").is_some()).collect();
        assert_eq!(lines.len(), 1, "{:?}", self.log);
        lines.remove(0)
    }

    /// It is an answer, and says this.
    #[track_caller]
    pub(crate) fn says(&self, answer: &str) {
        assert_eq!((self.status, self.body.as_str()), (200, answer), "{:?}", self.headers);
    }

    /// It is this failure.
    #[track_caller]
    pub(crate) fn fails(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, Some(code)), "{}", self.body);
    }
}
