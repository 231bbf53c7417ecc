//! A failed attempt, and the meaning of an error that an upstream sent, in any of its shapes.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::failure::Failure;
use crate::json;
use crate::lang::Localized;
use crate::settings::Redactor;

/// Maximum length of an upstream's message, in characters.
const MAX_MESSAGE: usize = 500;

/// Maximum depth at which an error is searched for codes and messages.
const MAX_DEPTH: u8 = 10;

/// Maximum number of messages that are shown, and of members that are searched in a list.
const MAX_MESSAGES: usize = 2;

/// A failed attempt to get an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptError {
    /// The failure for the client, if this was the last attempt.
    pub failure: Failure,
    /// Set if the same request may succeed later.
    pub retryable: bool,
    /// The upstream's `Retry-After`.
    pub retry_after: Option<String>,
}

impl From<Failure> for AttemptError {
    /// Creates an error that is not retryable.
    fn from(failure: Failure) -> Self {
        Self { failure, retryable: false, retry_after: None }
    }
}

impl AttemptError {
    /// Creates a retryable error.
    pub fn retryable(failure: Failure) -> Self {
        Self { failure, retryable: true, retry_after: None }
    }

    /// Creates the error of a reply that ended before the answer did.
    pub(super) fn connection_closed() -> Self {
        Failure::UpstreamFailed(Localized::new(
            "it closed the connection before the answer was complete",
            "它在回答完成之前断开了连接",
        ))
        .into()
    }

    /// Adds the upstream's `Retry-After`. A rate limit passes it on to the client.
    pub(super) fn with_retry_after(mut self, retry_after: Option<&str>) -> Self {
        self.retry_after = retry_after.map(str::to_owned);
        if let Failure::UpstreamBusy { retry_after } = &mut self.failure {
            retry_after.clone_from(&self.retry_after);
        }
        self
    }
}

/// Returns a valid `Retry-After`: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let is_valid =
        is_number && value.parse::<u32>().is_ok() || httpdate::parse_http_date(value).is_ok();
    is_valid.then(|| value.to_owned())
}

/// Returns the wait that a `Retry-After` asks for, or `None` if it is invalid.
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let seconds = value.parse().ok().map(Duration::from_secs);
    let until_date = || {
        let date = httpdate::parse_http_date(value).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    };
    seconds.or_else(until_date)
}

/// Classifies a reply without a success status.
pub(super) fn from_reply(status: StatusCode, body: &[u8], redactor: &Redactor) -> AttemptError {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii();
    let error = json::from_slice(body).unwrap_or_else(|_| match body.first() {
        // A web page has no message that fits into a sentence.
        Some(b'<') | None => Value::Null,
        Some(_) => str::from_utf8(body).unwrap_or_default().into(),
    });
    from_value(status, &error, redactor)
}

/// Classifies an error value. A success status means that it came in the place of an answer.
pub(super) fn from_value(status: StatusCode, error: &Value, redactor: &Redactor) -> AttemptError {
    let facts = Facts::of(error);
    let status = facts.status(status);
    let message = facts.message(redactor);
    if facts.is_region() {
        return Failure::UpstreamRegion.into();
    }
    if facts.is_quota() || status == StatusCode::PAYMENT_REQUIRED {
        return Failure::UpstreamQuota.into();
    }
    if facts.is_key() || status == StatusCode::UNAUTHORIZED {
        return Failure::UpstreamKey.into();
    }
    if facts.is_model(status) {
        return Failure::UpstreamModel { models: Vec::new() }.into();
    }
    if facts.has_code(FILTER_CODES) {
        return Failure::AnswerFiltered.into();
    }
    if facts.needs_stream() {
        return Failure::UpstreamStreamsOnly { message }.into();
    }
    // Some send the code of a rate limit for a request that can never fit.
    let is_too_large = status == StatusCode::PAYLOAD_TOO_LARGE || facts.is_request_too_large();
    if !is_too_large && (status == StatusCode::TOO_MANY_REQUESTS || facts.is_busy()) {
        return AttemptError::retryable(Failure::UpstreamBusy { retry_after: None });
    }
    let is_refused = status.is_client_error()
        || status.is_redirection()
        || is_too_large
        || facts.has_code(REQUEST_CODES);
    if is_refused && status != StatusCode::REQUEST_TIMEOUT {
        let message = Localized::new(message.clone(), message);
        return Failure::UpstreamRefused { status, message }.into();
    }
    let failure = Failure::UpstreamFailed(failed_reason(status, &message));
    let retryable = matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
        || status.is_success() && facts.has_code(SERVER_CODES);
    AttemptError { retryable, ..failure.into() }
}

fn failed_reason(status: StatusCode, message: &str) -> Localized {
    let number = status.as_u16();
    match (status.is_success(), message.is_empty()) {
        (true, true) => Localized::new("it sent an error", "它返回了错误"),
        (true, false) => Localized::new(message.to_owned(), message.to_owned()),
        (false, true) => Localized::new(format!("status {number}"), format!("状态码 {number}")),
        (false, false) => Localized::new(
            format!("status {number}, {message}"),
            format!("状态码 {number}，{message}"),
        ),
    }
}

/// Returns whether an error member reports an error. Some upstreams send an empty one, or one with
/// only empty members, beside every answer.
pub(super) fn is_error(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.trim().is_empty() && text != "0",
        Value::Array(items) => items.iter().any(is_error),
        Value::Object(members) => {
            !members.get("code").is_some_and(is_success_code) && members.values().any(is_error)
        }
    }
}

/// Returns whether MiniMax's `base_resp` reports a failure.
pub(super) fn is_failed_base_resp(base_resp: &Value) -> bool {
    base_resp.get("status_code").is_some_and(is_failure_code)
}

/// Returns whether an object without `choices` reports an error.
pub(super) fn reports_error(object: &Value) -> bool {
    let has = |name: &str| object.get(name).is_some_and(is_error);
    let is_status = |status: &Value| status.as_u64().is_some_and(|status| status >= 400);
    let status = ["status", "status_code", "statusCode"];
    let code = object.get("code").is_some_and(is_failure_code)
        || status.iter().filter_map(|name| object.get(*name)).any(is_status);
    ["error", "errors", "detail", "error_code", "error_msg", "error_message"].into_iter().any(has)
        || object["object"] == "error"
        || object["type"] == "error"
        || code && (has("message") || has("msg"))
        || object.get("base_resp").is_some_and(is_failed_base_resp)
}

/// Returns whether a code means success: 0, 2xx, `ok` or `success`.
fn is_success_code(code: &Value) -> bool {
    let is_said = code.is_number() || code.as_str().is_some_and(|text| !text.trim().is_empty());
    is_said && !is_failure_code(code)
}

/// Returns whether a code is one of a failure: not 0, 2xx, `ok` or `success`.
fn is_failure_code(code: &Value) -> bool {
    let number = code.as_i64().or_else(|| code.as_str()?.trim().parse().ok());
    match (number, code.as_str()) {
        (Some(number), _) => number != 0 && !(200..300).contains(&number),
        (None, Some(text)) => {
            let text = text.trim();
            !["", "ok", "success"].iter().any(|good| text.eq_ignore_ascii_case(good))
        }
        (None, None) => is_error(code),
    }
}

/// Codes of an account without credit. Some come with status 429, where a retry does not help.
const QUOTA_CODES: &[&str] = &[
    "insufficient_quota",
    "insufficient_user_quota",
    "insufficient_balance",
    "insufficient_credits",
    "credit_balance_exhausted",
    "credit_required",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",
    "pre_consume_token_quota_failed",
    "arrearage",
    "accountoverdueerror",
    // Zhipu: https://docs.bigmodel.cn/cn/faq/api-code
    "1113",
];

const KEY_CODES: &[&str] = &[
    "invalid_api_key",
    "incorrect_api_key",
    "invalidapikey",
    "api_key_invalid",
    "invalid_authentication_error",
    "authentication_error",
    "authenticationerror",
    "unauthenticated",
];

const MODEL_CODES: &[&str] = &[
    "model_not_found",
    "model_not_exist",
    "invalid_model",
    "modelnotfound",
    "modelnotopen",
    "invalidendpointormodel.notfound",
];

const REGION_CODES: &[&str] = &["unsupported_country_region_territory"];

const FILTER_CODES: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "data_inspection_failed",
    "datainspectionfailed",
    "sensitive_words_detected",
    "sensitivecontentdetected",
];

const BUSY_CODES: &[&str] = &[
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limit_reached_error",
    "slow_down",
    "limit_requests",
    "too_many_requests",
    "resource_exhausted",
];

const SERVER_CODES: &[&str] = &[
    "server_error",
    "internal_error",
    "internal_server_error",
    "server_is_overloaded",
    "overloaded_error",
    "engine_overloaded_error",
    "service_unavailable",
    "unavailable",
];

const REQUEST_CODES: &[&str] = &["invalid_request_error", "invalid_argument"];

/// Members that hold a code.
const CODE_MEMBERS: &[&str] =
    &["code", "type", "status", "error_code", "errcode", "status_code", "reason"];

/// Members that hold a message, as a text, a list or an object.
const MESSAGE_MEMBERS: &[&str] =
    &["message", "msg", "error_msg", "error_message", "error_description", "status_msg", "detail"];

/// Members that hold a nested error.
const NESTED_MEMBERS: &[&str] = &["error", "errors", "base_resp", "metadata", "raw", "details"];

/// The codes and messages of an error, wherever they stand in it.
#[derive(Default)]
struct Facts {
    /// Codes in lower case, numbers included.
    codes: Vec<String>,
    messages: Vec<String>,
    /// All messages in lower case.
    words: String,
}

impl Facts {
    fn of(error: &Value) -> Self {
        let mut facts = Self::default();
        facts.collect(error, MAX_DEPTH);
        facts.words = facts.messages.join("\n").to_lowercase();
        facts
    }

    fn collect(&mut self, value: &Value, depth: u8) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            Value::String(text) => self.collect_text(text, depth),
            Value::Array(items) => {
                items.iter().take(MAX_MESSAGES).for_each(|item| self.collect(item, depth));
            }
            Value::Object(members) => {
                for code in CODE_MEMBERS.iter().filter_map(|name| members.get(*name)) {
                    match code {
                        Value::String(code) => self.codes.push(code.trim().to_lowercase()),
                        Value::Number(number) => self.codes.push(number.to_string()),
                        _ => {}
                    }
                }
                for name in MESSAGE_MEMBERS.iter().chain(NESTED_MEMBERS) {
                    if let Some(member) = members.get(*name) {
                        self.collect(member, depth);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Takes a message, or the error in a text that is JSON itself, as relays nest them.
    fn collect_text(&mut self, text: &str, depth: u8) {
        let text = text.trim();
        if text.starts_with(['{', '['])
            && let Ok(nested) = json::from_slice::<Value>(text.as_bytes())
        {
            return self.collect(&nested, depth);
        }
        let is_new = !text.is_empty() && !self.messages.iter().any(|known| known == text);
        if is_new && !text.starts_with('<') {
            self.messages.push(text.to_owned());
        }
    }

    /// Returns the first messages, redacted and cut.
    fn message(&self, redactor: &Redactor) -> String {
        let shown = self.messages.iter().take(MAX_MESSAGES).map(String::as_str);
        let joined = shown.collect::<Vec<_>>().join("; ");
        let shown = joined.chars().filter(|char| !char.is_control()).take(MAX_MESSAGE);
        redactor.text(&shown.collect::<String>()).into_owned()
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|code| codes.contains(&code.as_str()))
    }

    fn says_any(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.words.contains(text))
    }

    /// Returns the status of the reply. Behind a success status, it is the one that a code names.
    fn status(&self, status: StatusCode) -> StatusCode {
        let named = || {
            let codes = self.codes.iter().filter_map(|code| code.parse::<u16>().ok());
            let mut statuses = codes.filter_map(|code| StatusCode::from_u16(code).ok());
            statuses.find(|status| status.is_client_error() || status.is_server_error())
        };
        if status.is_success() { named().unwrap_or(status) } else { status }
    }

    fn is_region(&self) -> bool {
        self.has_code(REGION_CODES)
            || self.says_any(&[
                "country, region, or territory not supported",
                "location is not supported",
                "unsupported location",
                "not available in your region",
                "not available in your country",
            ])
    }

    fn is_quota(&self) -> bool {
        let is_insufficient =
            self.says_any(&["insufficient", "not enough", "exhausted", "too low"])
                && self.says_any(&["balance", "credit", "funds"]);
        self.has_code(QUOTA_CODES)
            || is_insufficient
            || self.says_any(&["余额不足", "额度不足", "欠费", "账户已欠费", "余额已用尽"])
    }

    fn is_key(&self) -> bool {
        let invalid = &["invalid", "incorrect", "not valid", "expired", "wrong"];
        let key = &["api key", "api_key", "api-key", "apikey", "api secret"];
        let is_invalid = self.says_near(invalid, key) || self.says_near(key, invalid);
        self.has_code(KEY_CODES)
            || is_invalid
            || self.says_any(&["login fail", "密钥无效", "无效的令牌", "令牌无效", "key 无效"])
    }

    fn is_model(&self, status: StatusCode) -> bool {
        let is_missing = self.says_near(
            &["model", "模型"],
            &["not found", "not exist", "has been deprecated", "不存在"],
        ) || self.says_any(&["not found the model", "no such model"]);
        let is_unavailable = self.says_any(&["no available channel", "无可用渠道"])
            && self.says_any(&["model", "模型"]);
        self.has_code(MODEL_CODES) || is_missing && !status.is_server_error() || is_unavailable
    }

    /// Returns whether one of the first texts is followed by one of the second in the same clause,
    /// with four words between them at most.
    fn says_near(&self, first: &[&str], second: &[&str]) -> bool {
        let follows = |rest: &str| {
            let clause = rest.split([';', '\n', '!', '。', '；']).next().unwrap_or_default();
            let clause = clause.split(". ").next().unwrap_or_default();
            second.iter().filter_map(|text| clause.find(text)).any(|at| {
                let between = clause[..at].split_whitespace();
                between.filter(|word| word.contains(char::is_alphanumeric)).count() <= 4
            })
        };
        first.iter().any(|text| {
            self.words.match_indices(text).any(|(at, _)| follows(&self.words[at + text.len()..]))
        })
    }

    fn needs_stream(&self) -> bool {
        self.says_any(&["stream", "流式"])
            && self.says_any(&[
                "only support",
                "only stream",
                "must be true",
                "must be set to true",
                "requires stream",
                "仅支持",
                "只支持",
            ])
    }

    fn is_request_too_large(&self) -> bool {
        self.says_any(&["request too large", "reduce your message", "tokens must be reduced"])
    }

    fn is_busy(&self) -> bool {
        self.has_code(BUSY_CODES)
            || self.says_any(&["rate limit", "too many requests", "请求过于频繁", "频率限制"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    #[track_caller]
    fn check(status: u16, body: &str, code: &str, retryable: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let error = from_reply(status, body.as_bytes(), &Redactor::default());
        assert_eq!((error.failure.code(), error.retryable), (code, retryable), "{status} {body}");
    }

    #[test]
    fn status_and_code_classify_an_error() {
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
    fn error_behind_status_200_is_classified_by_its_code() {
        let code = |error: &str| {
            let error = serde_json::from_str(error).unwrap();
            from_value(StatusCode::OK, &error, &Redactor::default()).failure.code()
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
    fn message_is_redacted_and_cut() {
        let body = format!(r#"{{"error":{{"message":"bad key sk-12345 {}"}}}}"#, "x".repeat(600));
        let error = from_reply(StatusCode::BAD_REQUEST, body.as_bytes(), &Redactor::default());
        let Failure::UpstreamRefused { message, .. } = error.failure else { panic!("{error:?}") };
        let message = message.en;
        assert!(message.starts_with("bad key […] x"));
        assert!(message.chars().count() < MAX_MESSAGE);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 00:00:00 GMT").unwrap();
        let wait = |value| parse_retry_after(value, now);
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 22 Nov 2026 00:00:09 GMT"), Some(Duration::from_secs(9)));
        assert_eq!(wait("Sat, 21 Nov 2026 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        let in_headers = |value: &str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]))
        };
        assert_eq!(in_headers("soon"), None);
        assert_eq!(in_headers("+7"), None);
        assert_eq!(in_headers("20").as_deref(), Some("20"));
    }

    #[test]
    fn only_a_rate_limit_passes_retry_after_on() {
        let error =
            |status| from_reply(status, b"", &Redactor::default()).with_retry_after(Some("20"));
        let busy = error(StatusCode::TOO_MANY_REQUESTS).failure;
        assert_eq!(busy.retry_after().as_deref(), Some("20"));
        let failed = error(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            (failed.retry_after.as_deref(), failed.failure.retry_after()),
            (Some("20"), None)
        );
    }

    #[test]
    fn message_is_found_in_every_place() {
        let message = |body: &str| {
            let status = StatusCode::BAD_REQUEST;
            match from_reply(status, body.as_bytes(), &Redactor::default()).failure {
                Failure::UpstreamRefused { message, .. } => message.en,
                other => panic!("{body}: {other:?}"),
            }
        };
        for (body, expected) in [
            (r#"{"error":{"message":"a"}}"#, "a"),
            (r#"{"error":"a"}"#, "a"),
            (r#"{"error":["a","b"]}"#, "a; b"),
            (r#"{"message":["a"]}"#, "a"),
            (r#"{"message":{"detail":"a"}}"#, "a"),
            (r#"{"error":{"message":"{\"error\":{\"message\":\"a\"}}"}}"#, "a"),
            (r#"{"detail":"a"}"#, "a"),
            (r#"{"detail":[{"loc":["body"],"msg":"a","type":"missing"}]}"#, "a"),
            (r#"{"errors":[{"message":"a"}]}"#, "a"),
            (r#"{"code":7,"msg":"a"}"#, "a"),
            (r#"{"error_code":7,"error_msg":"a"}"#, "a"),
            (r#"{"error":{"message":"a","metadata":{"raw":"b"}}}"#, "a; b"),
            (
                r#"{"error":{"message":"a","metadata":{"raw":"{\"error\":{\"message\":\"b\"}}"}}}"#,
                "a; b",
            ),
            (r#"[{"error":{"message":"a"}}]"#, "a"),
            ("plain text", "plain text"),
            ("<html>", ""),
            ("", ""),
        ] {
            assert_eq!(message(body), expected, "{body}");
        }
    }

    #[test]
    fn words_of_providers_are_classified() {
        check(
            429,
            r#"{"error":{"code":"1113","message":"您的账户已欠费"}}"#,
            "upstream_quota",
            false,
        );
        check(403, r#"{"error":{"code":"insufficient_user_quota"}}"#, "upstream_quota", false);
        check(403, r#"{"code":"INSUFFICIENT_BALANCE","message":"x"}"#, "upstream_quota", false);
        check(
            403,
            r#"{"code":30001,"message":"account balance is insufficient"}"#,
            "upstream_quota",
            false,
        );
        check(
            400,
            r#"[{"error":{"message":"API key not valid. Please pass a valid API key."}}]"#,
            "upstream_key",
            false,
        );
        check(
            400,
            r#"{"error":{"message":"User location is not supported for the API use."}}"#,
            "upstream_region",
            false,
        );
        check(
            503,
            r#"{"error":{"message":"no available channel for model x"}}"#,
            "upstream_model",
            false,
        );
        check(
            404,
            r#"[{"error":{"message":"models/x is not found for API version v1"}}]"#,
            "upstream_model",
            false,
        );
        for (status, message, code) in [
            (400, "The image was not found; the model cannot read it", "upstream_refused"),
            (404, "File not found for this model request", "upstream_refused"),
            (500, "upstream model deployment not found in cache, retry", "upstream_failed"),
            (400, "invalid base64; do not send your api key", "upstream_refused"),
            (
                404,
                "The model or endpoint ep-1 does not exist or you have no access",
                "upstream_model",
            ),
            (404, "Not found the model m or Permission denied", "upstream_model"),
            (400, "模型不存在，请检查模型代码", "upstream_model"),
            (400, "The api_key is invalid", "upstream_key"),
            (400, "Invalid x-api-key", "upstream_key"),
            (400, "Bad \u{1b}[31mrequest", "upstream_refused"),
        ] {
            let body = serde_json::json!({"error": {"message": message}}).to_string();
            check(status, &body, code, status == 500);
            let status = StatusCode::from_u16(status).unwrap();
            let error = from_reply(status, body.as_bytes(), &Redactor::default());
            assert!(!error.failure.message(Lang::En).contains('\u{1b}'));
        }
        check(
            413,
            r#"{"error":{"code":"rate_limit_exceeded","message":"reduce your message size"}}"#,
            "upstream_refused",
            false,
        );
        check(
            400,
            r#"{"error":{"message":"This model only supports streaming"}}"#,
            "upstream_refused",
            false,
        );
    }

    #[test]
    fn empty_error_members_report_no_error() {
        for empty in
            ["null", "false", "\"\"", "{}", "[]", "0", r#"{"message":"","code":null,"type":""}"#]
        {
            assert!(!is_error(&serde_json::from_str(empty).unwrap()), "{empty}");
        }
        for object in [
            r#"{"error":"x"}"#,
            r#"{"detail":"x"}"#,
            r#"{"code":500,"msg":"x"}"#,
            r#"{"code":"Failed","message":"x"}"#,
            r#"{"object":"error","message":"x"}"#,
            r#"{"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#,
        ] {
            assert!(reports_error(&serde_json::from_str(object).unwrap()), "{object}");
        }
        for object in [
            "{}",
            r#"{"type":"ping"}"#,
            r#"{"code":0,"message":"ok"}"#,
            r#"{"code":"success","msg":"x"}"#,
            r#"{"citations":["x"],"usage":{"total_tokens":1}}"#,
            r#"{"base_resp":{"status_code":0,"status_msg":"success"}}"#,
        ] {
            assert!(!reports_error(&serde_json::from_str(object).unwrap()), "{object}");
        }
    }
}
