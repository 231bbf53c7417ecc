//! A stand-in of the cloud on a loopback address, for tests and for trying the command out.
//!
//! It checks each call as the cloud does: signature, clock, members, state of the function. The
//! faults of [`Cloud::fail`] come before that, or in the place of the answer.

mod functions;
mod http;
mod table;

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use scf_deploy::Signature;
use serde_json::{Value, json};

pub(crate) use functions::{Function, LogLine, State};
use http::{Request, Response};

/// The key that the stand-in knows.
pub(crate) const SECRET_ID: &str = "AKIDstandinstandinstandin";
/// Its secret part.
pub(crate) const SECRET_KEY: &str = "standinsecretstandinsecret";

/// A call that arrived, and the code of the error that it got.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) action: String,
    pub(crate) region: String,
    pub(crate) body: Value,
    pub(crate) error: Option<String>,
}

/// A way in which a call goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The cloud answers with this code.
    Code(String),
    /// The cloud answers with this code and the message.
    Message(String, String),
    /// A proxy answers with this status.
    Status(u16),
    /// The connection ends before the action is carried out.
    CloseBefore,
    /// The connection ends after the action was carried out.
    CloseAfter,
}

struct Planned {
    action: String,
    fault: Fault,
    /// The number of times. `None`: always.
    times: Option<u32>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    faults: Mutex<Vec<Planned>>,
    calls: Mutex<Vec<Call>>,
    token: Mutex<Option<String>>,
    /// Called for each call, by the example.
    print: Option<fn(&Call)>,
    stopped: AtomicBool,
}

/// The stand-in. It ends when it is dropped.
pub(crate) struct Cloud {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Cloud {
    /// Starts on a free port.
    pub(crate) fn start() -> Self {
        Self::listen("127.0.0.1:0", None)
    }

    /// Starts at an address; `print` sees each call.
    pub(crate) fn listen(address: &str, print: Option<fn(&Call)>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { print, ..Shared::default() });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if server.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let server = Arc::clone(&server);
                thread::spawn(move || http::serve(stream, |request| server.serve(request)));
            }
        });
        Self { shared, address }
    }

    /// The URL for `--endpoint`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The functions, to look at and to change.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Makes an action fail always.
    pub(crate) fn fail(&self, action: &str, fault: Fault) {
        self.plan(action, fault, None);
    }

    /// Makes an action fail a number of times.
    pub(crate) fn fail_times(&self, action: &str, fault: Fault, times: u32) {
        self.plan(action, fault, Some(times));
    }

    fn plan(&self, action: &str, fault: Fault, times: Option<u32>) {
        self.shared.faults.lock().unwrap().push(Planned {
            action: action.to_owned(),
            fault,
            times,
        });
    }

    /// Ends all faults.
    pub(crate) fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// Demands a session token.
    pub(crate) fn demand_token(&self, token: &str) {
        *self.shared.token.lock().unwrap() = Some(token.to_owned());
    }

    /// All calls until now.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// The actions that changed something, since the last time.
    pub(crate) fn take_changes(&self) -> Vec<Call> {
        let mut calls = std::mem::take(&mut *self.shared.calls.lock().unwrap());
        calls.retain(|call| {
            call.error.is_none() && !call.action.starts_with("Get") && call.action != "ListTriggers"
        });
        calls
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, request: &Request) -> Response {
        let action = request.header("x-tc-action").to_owned();
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let fault = self.fault(&action);
        let result = match &fault {
            Some(Fault::Code(code)) => Err((code.clone(), "stand-in's own words".to_owned())),
            Some(Fault::Message(code, message)) => Err((code.clone(), message.clone())),
            Some(Fault::Status(_) | Fault::CloseBefore) => {
                Err(("-".to_owned(), "no answer".to_owned()))
            }
            Some(Fault::CloseAfter) | None => self
                .check(request, &action, &body)
                .and_then(|()| self.state.lock().unwrap().carry_out(&action, &body))
                .map_err(|(code, message)| (code.to_owned(), message)),
        };
        let call = Call {
            action,
            region: request.header("x-tc-region").to_owned(),
            body,
            error: result.as_ref().err().map(|(code, _)| code.clone()),
        };
        if let Some(print) = self.print {
            print(&call);
        }
        self.calls.lock().unwrap().push(call);
        match fault {
            Some(Fault::Status(status)) => return Response::Status(status),
            Some(Fault::CloseBefore | Fault::CloseAfter) => return Response::Close,
            _ => {}
        }
        let mut answer = result
            .unwrap_or_else(|(code, message)| json!({"Error": {"Code": code, "Message": message}}));
        answer["RequestId"] = json!("11111111-2222-3333-4444-555555555555");
        Response::Json(json!({"Response": answer}).to_string())
    }

    fn fault(&self, action: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let index = faults.iter().position(|planned| planned.action == action)?;
        let planned = &mut faults[index];
        let fault = planned.fault.clone();
        if let Some(times) = &mut planned.times {
            *times -= 1;
            if *times == 0 {
                faults.remove(index);
            }
        }
        Some(fault)
    }

    /// Checks what all calls have in common, then the members of this action.
    fn check(
        &self,
        request: &Request,
        name: &str,
        body: &Value,
    ) -> Result<(), (&'static str, String)> {
        let refuse = |code, message: &str| Err((code, message.to_owned()));
        let Some(action) = table::action(name) else { return refuse("InvalidAction", name) };
        let version = match action.service.as_str() {
            "cls" => "2020-10-16",
            _ => "2018-04-16",
        };
        if request.line != "POST / HTTP/1.1" {
            return refuse("InvalidRequest", &request.line);
        }
        if request.header("x-tc-version") != version {
            return refuse("NoSuchVersion", request.header("x-tc-version"));
        }
        if request.header("x-tc-region").is_empty() {
            return refuse("MissingParameter", "Region");
        }
        let timestamp: i64 = request.header("x-tc-timestamp").parse().unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        if timestamp.abs_diff(now.try_into().unwrap()) > 300 {
            return refuse("AuthFailure.SignatureExpire", "expired");
        }
        let signature = Signature {
            service: &action.service,
            host: request.header("host"),
            timestamp,
            body: &request.body,
        };
        if !request.header("authorization").contains(&format!("Credential={SECRET_ID}/")) {
            return refuse("AuthFailure.SecretIdNotFound", "no such SecretId");
        }
        let expected = signature.authorization(SECRET_ID, SECRET_KEY);
        if request.header("authorization") != expected
            || request.header("content-type") != "application/json"
        {
            return refuse("AuthFailure.SignatureFailure", "wrong signature");
        }
        if request.header("x-tc-token") != self.token.lock().unwrap().as_deref().unwrap_or("") {
            return refuse("AuthFailure.TokenFailure", "wrong token");
        }
        action.check(body)
    }
}
