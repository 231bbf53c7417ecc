//! What a provider means when it gives no answer: its status and its error object, whatever their form.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::failure::Failure;
use crate::json;
use crate::lang::Sentence;
use crate::secret::Mask;

/// The provider's message is cut at this length, in characters.
const LONGEST_MESSAGE: usize = 500;

/// A failed attempt to get an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the caller is told where it was the last attempt.
    pub failure: Failure,
    /// The same request may well succeed a little later.
    pub passing: bool,
    /// How much later, in the provider's `Retry-After`.
    pub retry_after: Option<String>,
}

impl From<Failure> for Refusal {
    /// A failure that trying again does not mend.
    fn from(failure: Failure) -> Self {
        Self { failure, passing: false, retry_after: None }
    }
}

impl Refusal {
    /// A failure that may be gone a little later.
    pub fn passing(failure: Failure) -> Self {
        Self { failure, passing: true, retry_after: None }
    }

    /// Adds the provider's `Retry-After`. Where it limits the rate, the caller is told, too.
    pub(crate) fn with_headers(mut self, headers: &HeaderMap) -> Self {
        let named = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        // It is passed on, so it has to be one: seconds or a date.
        let known = named.filter(|after| {
            after.parse::<u32>().is_ok() || httpdate::parse_http_date(after).is_ok()
        });
        self.retry_after = known.map(str::to_owned);
        if let Failure::UpstreamBusy { retry_after } = &mut self.failure {
            retry_after.clone_from(&self.retry_after);
        }
        self
    }
}

/// How long a `Retry-After` asks to wait, from `now` on. Nothing where it is neither seconds nor a date.
pub fn wait(retry_after: &str, now: SystemTime) -> Option<Duration> {
    let seconds = retry_after.parse().ok().map(Duration::from_secs);
    let until = || {
        let date = httpdate::parse_http_date(retry_after).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    };
    seconds.or_else(until)
}

/// What a reply that is not a 200 means.
pub(crate) fn of_reply(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    mask: &Mask,
) -> Refusal {
    let error = json::read(body).unwrap_or(Value::Null);
    // Some put the members of the error at the top, some a string in its place.
    let error = match error.get("error") {
        Some(inner) if !inner.is_null() => inner,
        _ => &error,
    };
    of_error(status, error, mask).with_headers(headers)
}

/// What an error object means; with status 200 it came in place of an answer, or in a stream.
pub(crate) fn of_error(status: StatusCode, error: &Value, mask: &Mask) -> Refusal {
    let code = Code::of(error);
    let status = code.status(status);
    let message = ["message", "msg"]
        .iter()
        .find_map(|name| error[*name].as_str())
        .or(error.as_str())
        .unwrap_or_default();
    let message =
        mask.text(&message.trim().chars().take(LONGEST_MESSAGE).collect::<String>()).into_owned();
    if code.is_any(&["unsupported_country_region_territory"]) {
        return Failure::UpstreamRegion.into();
    }
    if code.is_any(QUOTA) || status == StatusCode::PAYMENT_REQUIRED {
        return Failure::UpstreamQuota.into();
    }
    if code.is_any(&["invalid_api_key", "incorrect_api_key", "InvalidApiKey"])
        || status == StatusCode::UNAUTHORIZED
    {
        return Failure::UpstreamKey.into();
    }
    if code.is_any(MODEL) || (status.is_client_error() && names_a_missing_model(&message)) {
        return Failure::UpstreamModel { models: Vec::new() }.into();
    }
    if code.is_any(FILTER) {
        return Failure::AnswerFiltered.into();
    }
    if status == StatusCode::TOO_MANY_REQUESTS || code.is_any(BUSY) {
        return Refusal::passing(Failure::UpstreamBusy { retry_after: None });
    }
    let refused = status.is_client_error()
        || status.is_redirection()
        || code.is_any(&["invalid_request_error"]);
    if refused && status != StatusCode::REQUEST_TIMEOUT {
        return Failure::UpstreamRefused { status, message }.into();
    }
    let said = match (status, message.is_empty()) {
        (StatusCode::OK, true) => Sentence::new("it sent an error", "它返回了错误"),
        (StatusCode::OK, false) => {
            Sentence::new(format!("it says: {message}"), format!("它说：{message}"))
        }
        (status, true) => Sentence::new(
            format!("status {}", status.as_u16()),
            format!("状态码 {}", status.as_u16()),
        ),
        (status, false) => {
            let status = status.as_u16();
            Sentence::new(
                format!("status {status}, it says: {message}"),
                format!("状态码 {status}，它说：{message}"),
            )
        }
    };
    let failure = Failure::UpstreamFailed(said);
    let passing = matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504);
    Refusal { passing, ..failure.into() }
}

/// Codes of an account without credit; some come with status 429, where waiting does not help.
const QUOTA: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",
    "Arrearage",
];

const MODEL: &[&str] = &["model_not_found", "model_not_exist", "invalid_model", "ModelNotFound"];

const FILTER: &[&str] = &["content_filter", "content_policy_violation", "data_inspection_failed"];

const BUSY: &[&str] = &["rate_limit_exceeded", "slow_down", "limit_requests"];

/// Providers without a code for it say so.
fn names_a_missing_model(message: &str) -> bool {
    let message = message.to_lowercase();
    let missing = ["not found", "not exist", "has been deprecated", "模型不存在"];
    (message.contains("model") || message.contains("模型"))
        && missing.iter().any(|words| message.contains(words))
}

/// An error's `code` and `type`.
struct Code<'a> {
    names: Vec<&'a str>,
    number: Option<u64>,
}

impl<'a> Code<'a> {
    fn of(error: &'a Value) -> Self {
        let members = [&error["code"], &error["type"]];
        let names: Vec<&str> = members.iter().filter_map(|member| member.as_str()).collect();
        let number = error["code"].as_u64().or_else(|| names.first()?.parse().ok());
        Self { names, number }
    }

    fn is_any(&self, known: &[&str]) -> bool {
        self.names.iter().any(|name| known.contains(name))
    }

    /// The status of the reply; behind a 200 the one that the code is.
    fn status(&self, status: StatusCode) -> StatusCode {
        let by_code = || {
            let number = u16::try_from(self.number?).ok()?;
            StatusCode::from_u16(number)
                .ok()
                .filter(|status| status.is_client_error() || status.is_server_error())
        };
        if status == StatusCode::OK { by_code().unwrap_or(status) } else { status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, code: &str, passing: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let refusal = of_reply(status, &HeaderMap::new(), body.as_bytes(), &Mask::default());
        assert_eq!((refusal.failure.code(), refusal.passing), (code, passing), "{status} {body}");
    }

    #[test]
    fn status_and_code_say_what_it_is() {
        check(
            401,
            r#"{"error":{"message":"Incorrect API key","code":"invalid_api_key"}}"#,
            "upstream_key",
            false,
        );
        check(401, "<html>", "upstream_key", false);
        check(
            403,
            r#"{"error":{"code":"unsupported_country_region_territory"}}"#,
            "upstream_region",
            false,
        );
        check(403, r#"{"error":{"message":"no"}}"#, "upstream_refused", false);
        check(404, r#"{"error":{"code":"model_not_found"}}"#, "upstream_model", false);
        check(
            400,
            r#"{"error":{"message":"Model Not Exist","code":"invalid_request_error"}}"#,
            "upstream_model",
            false,
        );
        check(
            404,
            r#"{"message":"The model `x` does not exist.","code":404}"#,
            "upstream_model",
            false,
        );
        check(404, "<html>Not Found</html>", "upstream_refused", false);
        check(429, r#"{"error":{"code":"rate_limit_exceeded"}}"#, "upstream_busy", true);
        check(429, "", "upstream_busy", true);
        check(
            429,
            r#"{"error":{"type":"insufficient_quota","code":null}}"#,
            "upstream_quota",
            false,
        );
        check(
            429,
            r#"{"error":{"type":"requests","code":"project_spend_limit_exceeded"}}"#,
            "upstream_quota",
            false,
        );
        check(402, r#"{"error":"Insufficient Balance"}"#, "upstream_quota", false);
        check(400, r#"{"error":{"code":"content_filter"}}"#, "answer_filtered", false);
        check(400, r#"{"error":{"code":"context_length_exceeded"}}"#, "upstream_refused", false);
        check(413, "", "upstream_refused", false);
        check(301, "", "upstream_refused", false);
        check(408, "", "upstream_failed", true);
        check(500, r#"{"error":{"message":"oops"}}"#, "upstream_failed", true);
        check(503, "<html>", "upstream_failed", true);
        check(529, "", "upstream_failed", false);
        check(204, "", "upstream_failed", false);
    }

    #[test]
    fn an_error_behind_a_200_goes_by_its_code() {
        let code = |error: &str| {
            let error = serde_json::from_str(error).unwrap();
            of_error(StatusCode::OK, &error, &Mask::default()).failure.code()
        };
        assert_eq!(code(r#"{"code":"invalid_api_key"}"#), "upstream_key");
        assert_eq!(code(r#"{"code":429,"message":"slow"}"#), "upstream_busy");
        assert_eq!(code(r#"{"code":"400","message":"bad"}"#), "upstream_refused");
        assert_eq!(code(r#"{"type":"invalid_request_error"}"#), "upstream_refused");
        assert_eq!(
            code(r#"{"type":"server_error","code":"server_is_overloaded"}"#),
            "upstream_failed"
        );
        assert_eq!(code(r#""overloaded""#), "upstream_failed");
    }

    #[test]
    fn the_providers_message_is_shown_masked_and_cut() {
        let body = format!(r#"{{"error":{{"message":"bad key sk-12345 {}"}}}}"#, "x".repeat(600));
        let refusal =
            of_reply(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes(), &Mask::default());
        let Failure::UpstreamRefused { message, .. } = refusal.failure else {
            panic!("{refusal:?}")
        };
        assert!(message.starts_with("bad key […] x"));
        assert!(message.chars().count() < LONGEST_MESSAGE);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_or_nothing() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 00:00:00 GMT").unwrap();
        assert_eq!(wait("7", now), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 22 Nov 2026 00:00:09 GMT", now), Some(Duration::from_secs(9)));
        assert_eq!(wait("Sat, 21 Nov 2026 00:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(wait("soon", now), None);
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "soon".parse().unwrap());
        let busy = of_reply(StatusCode::TOO_MANY_REQUESTS, &headers, b"", &Mask::default()).failure;
        assert_eq!(busy.retry_after(), None);
        headers.insert(RETRY_AFTER, "20".parse().unwrap());
        let busy = of_reply(StatusCode::TOO_MANY_REQUESTS, &headers, b"", &Mask::default()).failure;
        assert_eq!(busy.retry_after().as_deref(), Some("20"));
        let failed = of_reply(StatusCode::SERVICE_UNAVAILABLE, &headers, b"", &Mask::default());
        assert_eq!(
            (failed.retry_after.as_deref(), failed.failure.retry_after()),
            (Some("20"), None)
        );
    }
}
