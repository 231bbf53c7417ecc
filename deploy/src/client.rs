//! Calls an action of the cloud's API: signs, sends, retries, reads the answer.

use std::{
    io, thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use ureq::{Agent, Proxy};

use crate::{
    credentials::Credentials,
    endpoint::Endpoint,
    error::{ApiError, CallError, advice},
    redact::{Redactor, printable},
    signature::{CONTENT_TYPE, Signature},
};

/// Attempts after the first one, for network failures and `RequestLimitExceeded`.
const RETRIES: u32 = 3;

/// Maximum size of an answer. A function's reply of 6 MB is sent as a JSON string.
const MAX_ANSWER: u64 = 64 << 20;

/// A service of the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Functions: <https://cloud.tencent.com/document/api/583>.
    Scf,
    /// Logs: <https://cloud.tencent.com/document/api/614>.
    Cls,
}

impl Service {
    /// Name and version of the API.
    pub fn api(self) -> (&'static str, &'static str) {
        match self {
            Self::Scf => ("scf", "2018-04-16"),
            Self::Cls => ("cls", "2020-10-16"),
        }
    }
}

/// Intervals and limits of waiting: for a state of the function, and between attempts.
#[derive(Clone, Copy, Debug)]
pub struct Poll {
    /// The time between two polls of the function's state. The back-off between attempts begins
    /// with it.
    pub interval: Duration,
    /// Maximum number of polls while waiting for one change.
    pub limit: u32,
}

impl Default for Poll {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), limit: 120 }
    }
}

impl Poll {
    /// The delay after a poll: a quarter of the interval, then half, then all of it.
    pub(crate) fn delay(&self, polls: u32) -> Duration {
        self.interval / 4 * (1 << polls.min(2))
    }

    /// The delay before another attempt. It doubles up to eight times the interval.
    pub(crate) fn back_off(&self, attempt: u32) -> Duration {
        self.interval * (1 << attempt.min(3))
    }
}

/// A caller of the cloud's API in one region.
pub struct Client {
    agent: Agent,
    endpoint: Endpoint,
    /// The address of the log service. By default `cls.…` beside `scf.…`.
    pub cls_endpoint: Endpoint,
    region: String,
    credentials: Credentials,
    /// Intervals and limits of all waiting.
    pub poll: Poll,
    progress: Box<dyn Fn(&str)>,
    redactor: Redactor,
}

impl Client {
    /// Prepares calls to `endpoint`. `progress` receives a line for each step.
    pub fn new(
        endpoint: Endpoint,
        region: impl Into<String>,
        credentials: Credentials,
        progress: impl Fn(&str) + 'static,
    ) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("scf-deploy/", env!("CARGO_PKG_VERSION")))
            .max_redirects(0)
            .timeout_resolve(Some(Duration::from_secs(10)))
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_send_request(Some(Duration::from_secs(30)))
            // 50 MB over a slow connection. A stalled connection fails after 30 s.
            .timeout_send_body(Some(Duration::from_secs(900)))
            .timeout_per_write(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_recv_body(Some(Duration::from_secs(60)));
        if endpoint.is_loopback() {
            config = config.proxy(None::<Proxy>);
        }
        let Credentials { secret_id, secret_key, token, .. } = &credentials;
        Self {
            redactor: Redactor::new([secret_id, secret_key].into_iter().chain(token)),
            agent: config.build().new_agent(),
            cls_endpoint: endpoint.cls(),
            endpoint,
            region: region.into(),
            credentials,
            poll: Poll::default(),
            progress: Box::new(progress),
        }
    }

    /// The region of all calls.
    pub fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn progress(&self, line: &str) {
        (self.progress)(line);
    }

    /// Calls an action, with retries. The action may be carried out twice.
    ///
    /// # Errors
    ///
    /// Fails with the cloud's error, or if no answer arrives in four attempts.
    pub fn call(&self, service: Service, action: &str, body: &Value) -> Result<Value, CallError> {
        self.redactor.add_variables(body);
        let mut attempt = 0;
        loop {
            let error = match self.send(service, action, body, None) {
                Err(error) if attempt < RETRIES && is_transient(&error) => error,
                result => return result,
            };
            let delay = self.poll.back_off(attempt);
            let seconds = delay.as_secs_f32();
            self.progress(&format!("{action}: {}; retrying in {seconds} s", error.brief()));
            thread::sleep(delay);
            attempt += 1;
        }
    }

    /// Calls an action of SCF without a retry. The answer may take up to `timeout`.
    ///
    /// # Errors
    ///
    /// Fails with the cloud's error, or if no answer arrives.
    pub fn call_once(
        &self,
        action: &str,
        body: &Value,
        timeout: Duration,
    ) -> Result<Value, CallError> {
        self.send(Service::Scf, action, body, Some(timeout))
    }

    fn send(
        &self,
        service: Service,
        action: &str,
        body: &Value,
        timeout: Option<Duration>,
    ) -> Result<Value, CallError> {
        let (name, version) = service.api();
        let endpoint = match service {
            Service::Scf => &self.endpoint,
            Service::Cls => &self.cls_endpoint,
        };
        let network = |reason: String, cure, transient| CallError::Network {
            action: action.to_owned(),
            reason: format!("{}: {reason}", endpoint.authority()),
            cure,
            transient,
        };
        let body = body.to_string();
        let timestamp = now();
        let signature = Signature {
            service: name,
            host: endpoint.authority(),
            timestamp,
            body: body.as_bytes(),
        };
        let Credentials { secret_id, secret_key, token, .. } = &self.credentials;
        let mut request = self
            .agent
            .post(endpoint.url())
            .header("Host", endpoint.authority())
            .header("Content-Type", CONTENT_TYPE)
            .header("Authorization", signature.authorization(secret_id, secret_key))
            .header("X-TC-Action", action)
            .header("X-TC-Version", version)
            .header("X-TC-Timestamp", timestamp.to_string())
            .header("X-TC-Region", &self.region)
            .header("X-TC-Language", "en-US");
        if let Some(token) = token {
            request = request.header("X-TC-Token", token);
        }
        if let Some(timeout) = timeout {
            request = request.config().timeout_recv_response(Some(timeout)).build();
        }
        let failed = |error: ureq::Error| {
            let (reason, cure, transient) = network_error(&error);
            network(reason, cure, transient)
        };
        let mut response = request.send(body.as_bytes()).map_err(failed)?;
        let status = response.status();
        let date = response
            .headers()
            .get("date")
            .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let body =
            response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(failed)?;
        let mut answer = match serde_json::from_slice::<Value>(&body) {
            Ok(mut answer) if answer["Response"].is_object() => answer["Response"].take(),
            _ => {
                let status = status.as_u16();
                return Err(network(
                    format!("HTTP {status} and no answer of the API"),
                    "check the proxy and --endpoint",
                    status >= 500 || status == 429,
                ));
            }
        };
        self.redactor.add_variables(&answer);
        if answer["Error"].is_object() {
            let error = answer["Error"].take();
            return Err(self.api_error(action, &error, &answer["RequestId"], date));
        }
        Ok(answer)
    }

    fn api_error(
        &self,
        action: &str,
        error: &Value,
        request_id: &Value,
        date: Option<SystemTime>,
    ) -> CallError {
        let code = printable(error["Code"].as_str().unwrap_or_default());
        let advice = match date {
            Some(date) if code == "AuthFailure.SignatureExpire" => Some(clock_advice(date)),
            _ => self.advice(&code),
        };
        let advice = advice.map(|advice| {
            if code.starts_with("AuthFailure") {
                format!("{advice} (the key is from {})", self.credentials.source)
            } else {
                advice
            }
        });
        CallError::Api(Box::new(ApiError {
            action: action.to_owned(),
            message: self.redact(error["Message"].as_str().unwrap_or_default()),
            request_id: printable(request_id.as_str().unwrap_or_default()),
            code,
            advice,
        }))
    }

    /// Returns the problem and its cure for a code of the API.
    pub(crate) fn advice(&self, code: &str) -> Option<String> {
        Some(advice(code)?.replace("console.cloud.tencent.com", self.endpoint.console()))
    }

    /// Removes secrets and control characters from a text of the cloud.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    // A clock before 1970 gives a signature that the cloud refuses as expired.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().try_into().unwrap_or(i64::MAX)
}

/// Returns the advice for an expired signature, given the time on the cloud.
fn clock_advice(cloud: SystemTime) -> String {
    let cloud = cloud.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = now() - i64::try_from(cloud).unwrap_or(i64::MAX);
    if seconds.abs() < 60 {
        return "the signature has expired: this machine's clock is right, but sending took more \
                than 5 minutes; use a faster connection or a smaller zip"
            .to_owned();
    }
    let direction = if seconds < 0 { "behind" } else { "ahead of" };
    format!(
        "the signature has expired: this machine's clock is {} s {direction} the cloud's; set it \
         and run the command again",
        seconds.abs()
    )
}

fn is_transient(error: &CallError) -> bool {
    match error {
        CallError::Api(_) => error.is("RequestLimitExceeded"),
        CallError::Network { transient, .. } => *transient,
    }
}

/// Returns the reason, the settings to check, and whether the error is transient.
fn network_error(error: &ureq::Error) -> (String, &'static str, bool) {
    const NETWORK: &str = "check the network, HTTPS_PROXY and --endpoint";
    const TLS: &str = "check this machine's clock, and whether a proxy intercepts TLS";
    match error {
        ureq::Error::Timeout(phase) => (format!("timed out ({phase})"), NETWORK, true),
        ureq::Error::HostNotFound => ("name not found".to_owned(), NETWORK, true),
        ureq::Error::ConnectionFailed => ("connection failed".to_owned(), NETWORK, true),
        // rustls reports a certificate that it does not trust as invalid data.
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            (format!("TLS failed: {error}"), TLS, false)
        }
        ureq::Error::Rustls(error) => (format!("TLS failed: {error}"), TLS, false),
        ureq::Error::Io(error) => (error.to_string(), NETWORK, true),
        ureq::Error::Protocol(error) => (format!("incomplete answer: {error}"), NETWORK, true),
        ureq::Error::InvalidProxyUrl => {
            ("the proxy's URL is invalid".to_owned(), "check HTTPS_PROXY", false)
        }
        other => (other.to_string(), NETWORK, false),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::Client;
    use crate::{credentials::Credentials, endpoint::Endpoint};

    fn client(endpoint: &str) -> Client {
        let credentials = Credentials {
            secret_id: "AKID".to_owned(),
            secret_key: "secret".to_owned(),
            token: None,
            source: "a file".to_owned(),
        };
        Client::new(Endpoint::parse(endpoint).unwrap(), "ap-singapore", credentials, |_| {})
    }

    #[track_caller]
    fn check_error(endpoint: &str, code: &str, date: Option<SystemTime>, words: &str) {
        let error = json!({"Code": code, "Message": "m"});
        let error = client(endpoint).api_error("GetFunction", &error, &Value::Null, date);
        let error = error.to_string();
        assert!(error.contains(words), "{words}: {error}");
    }

    #[test]
    fn international_accounts_are_sent_to_their_console() {
        let code = "FailedOperation.QcsRoleNotFound";
        let (china, abroad) = ("scf.tencentcloudapi.com", "scf.intl.tencentcloudapi.com");
        check_error(china, code, None, "https://console.cloud.tencent.com/scf");
        check_error(abroad, code, None, "https://console.tencentcloud.com/scf");
    }

    #[test]
    fn expired_signature_names_the_clock_or_the_connection() {
        let check = |date, words| {
            check_error("https://localhost", "AuthFailure.SignatureExpire", date, words);
        };
        let now = SystemTime::now();
        let hour = Duration::from_secs(3600);
        check(None, "clock is wrong");
        check(Some(now + hour), "s behind the cloud's");
        check(Some(now - hour), "s ahead of the cloud's");
        check(Some(now), "faster connection");
    }
}
