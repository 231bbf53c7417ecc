//! The meaning of an error that an upstream reported.

use http::StatusCode;

use super::error::AttemptError;
use super::phrases::{code_words, says_any};
use super::reported_error::ReportedError;
use crate::failure::Failure;
use crate::lang::Localized;
use crate::settings::Redactor;

// Phrases are in the form of `says_any`.

const REGION: &[&str] = &[
    "country|region|territory|location … is not supported|territory not supported|is blocked",
    "unsupported country|unsupported region|unsupported location",
    "not available|not supported|unavailable … your country|your region|your location",
    "地区|区域|国家 … 不支持|不可用",
    "不支持 … 地区|区域|国家",
];

const QUOTA: &[&str] = &[
    "insufficient|not enough|exhausted|out of|used all … balance|credit|funds",
    "balance|credit|funds|free tier|free quota|free trial|resource pack \
     … insufficient|not enough|exhausted|depleted|used up|too low|negative",
    "exhausted|used up … free trial|free quota|free tier|free allocation",
    "insufficient … quota",
    "quota … insufficient|not enough|used up",
    "spending limit|spend limit|usage limit|key limit exceeded|set limit exceeded",
    "credit required|credits required|purchase more credits|requires more credits",
    "billing hard limit|billing not active|billing issue",
    "account … suspended|overdue|not active|in arrears",
    "arrearage|in arrears|overdue payment|past invoices",
    "subscription … inactive|expired|not active",
    "inactive subscription|expired subscription",
    "budget … exceeded",
    "exceeded … budget",
    "余额|额度|资源包|配额 … 不足|用尽|用完|耗尽",
    "预扣费 … 失败",
    "欠费|请充值|充值后|套餐已到期",
];

/// Phrases of an account without credit that only count as a code. In messages, they may be about
/// the rate.
const QUOTA_CODES: &[&str] =
    &["exceeded current quota|quota exceeded|quota exhausted|free tier only|token quota failed"];

/// Zhipu's code of an account without credit: <https://docs.bigmodel.cn/cn/faq/api-code>
const QUOTA_NUMBER: &str = "1113";

const KEY: &[&str] = &[
    "invalid|incorrect|wrong|expired|revoked|unknown|missing \
     … api key|apikey|api token|access token|subscription key|credentials",
    "api key|apikey|api token|access token|api secret|subscription key|credentials \
     … invalid|incorrect|not valid|no longer valid|expired|wrong|leaked|disabled|revoked|deleted\
     |blocked|suspended|inactive|not active|not found|not exist|not have permission\
     |无效|错误|不正确|过期|失效|不存在|禁用",
    "account|organization|project \
     … deactivated|disabled|locked|banned|terminated|archived",
    "authentication|authorization … failed|fails|error|is invalid",
    "invalid authentication|invalid authorization|unauthenticated|unregistered callers",
    "user … banned",
    "login fail",
    "密钥|令牌 … 无效|错误|不正确|过期|失效|不存在|不可用|禁用",
    "账户|账号|用户 … 锁定|停用|封禁|禁用|注销",
    "无效的令牌|无效的密钥|无效的 api|无效的api|key 无效",
    "身份验证失败|鉴权失败|认证失败",
];

const KEY_CODES: &[&str] =
    &["api key|apikey|unauthorized|auth failure|service disabled|consumer invalid|invalid token\
     |token expired"];

const MODEL: &[&str] = &[
    "model|deployment|模型 … not found|not exist|not open|no longer available\
     |no longer supported|deprecated|decommissioned|retired|discontinued|not available\
     |not permitted|permission blocked|access denied|不存在|已下线|已下架|未开通",
    "model … not supported by any",
    "invalid model|unknown model|no such model|unsupported model|not a valid model\
     |not a chat model",
    "not found the model|unable to access model|access to model denied",
    "permission to use the model|eligible for using the model",
    "not have access to|no access to|not allowed to|not work with … model",
    "no endpoints|no allowed providers",
    "未找到模型|找不到模型|无效的模型|不支持的模型",
    "无权访问|无权使用 … 模型",
];

const MODEL_CODES: &[&str] = &["model not supported"];

/// A relay's model without an upstream. It comes with status 503.
const NO_CHANNEL: &[&str] = &["no available channel … model", "model|模型 … 无可用渠道"];

const FILTER: &[&str] = &[
    "content filter|content policy|content management policy|content moderation",
    "data inspection|inappropriate content|sensitive words|new sensitive|sensitive information",
    "input was flagged|output was flagged|prohibited content",
    "敏感内容|敏感信息|敏感词|内容违规",
];

const FILTER_CODES: &[&str] = &["sensitive|safety|blocklist|recitation"];

/// Zhipu's code of a filter: <https://docs.bigmodel.cn/cn/faq/api-code>
const FILTER_NUMBER: &str = "1301";

const STREAMS_ONLY: &[&str] = &[
    "only support|only available|only works|can only|requires|仅支持|只支持 … stream|流式",
    "stream|streaming … must be true|must be set to true|is required|must be enabled",
    "non stream|nonstream … not supported|unsupported|not allowed",
    "not support|不支持 … non stream|非流式",
];

/// A parameter that only streams have.
const STREAM_OPTIONS: &[&str] = &["stream options"];

const TOO_LARGE: &[&str] =
    &["request too large|reduce your message|reduce the length|tokens must be reduced"];

const BUSY: &[&str] = &[
    "rate limit|too many requests|request limit reached|requests limit|throttl",
    "过于频繁|频率限制|速率限制|访问量过大|限流",
];

const BUSY_CODES: &[&str] = &["slow down|limit requests|resource exhausted"];

const SERVER_CODES: &[&str] = &[
    "server error|internal error|service unavailable|unavailable|server is overloaded|overloaded",
];

const REQUEST_CODES: &[&str] = &["invalid request|invalid argument"];

/// Parts of finish reasons that mean a failure. The last is DeepSeek's for an overloaded server.
const FAILURE_REASONS: &[&str] = &[
    "error",
    "fail",
    "exception",
    "abort",
    "cancel",
    "interrupt",
    "timeout",
    "timed_out",
    "unavailable",
    "overload",
    "insufficient_system_resource",
];

/// Classifies an error. A success status means that it came in the place of an answer.
pub(super) fn classify(
    status: StatusCode,
    error: &ReportedError,
    redactor: &Redactor,
) -> AttemptError {
    // Behind a success status, the one that a code names counts.
    let status = if status.is_success() { error.status().unwrap_or(status) } else { status };
    let message = error.message(redactor);
    if error.says(REGION) {
        return Failure::UpstreamRegion.into();
    }
    if status == StatusCode::PAYMENT_REQUIRED || is_quota(status, error) {
        return Failure::UpstreamQuota.into();
    }
    if is_key(status, error) {
        return Failure::UpstreamKey.into();
    }
    if is_model(status, error) {
        return Failure::UpstreamModel { models: Vec::new() }.into();
    }
    if is_filter(error) {
        return Failure::AnswerFiltered.into();
    }
    if error.message_says(STREAMS_ONLY) && !error.message_says(STREAM_OPTIONS) {
        return Failure::UpstreamStreamsOnly { message }.into();
    }
    // Some send the code of a rate limit for a request that can never fit.
    let is_too_large = status == StatusCode::PAYLOAD_TOO_LARGE || error.message_says(TOO_LARGE);
    let is_busy =
        status == StatusCode::TOO_MANY_REQUESTS || error.says(BUSY) || error.code_says(BUSY_CODES);
    if is_busy && !is_too_large {
        return AttemptError::retryable(Failure::UpstreamBusy { retry_after: None });
    }
    let is_refused = status.is_client_error()
        || status.is_redirection()
        || is_too_large
        || error.code_says(REQUEST_CODES);
    if is_refused && status != StatusCode::REQUEST_TIMEOUT {
        let message = Localized::new(message.clone(), message);
        return Failure::UpstreamRefused { status, message }.into();
    }
    let retryable = matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
        || status.is_success() && error.code_says(SERVER_CODES);
    let failure = Failure::UpstreamFailed(failed_reason(status, &message));
    AttemptError { retryable, ..failure.into() }
}

/// Returns whether a finish reason means that the answer is incomplete because of an error.
pub(super) fn is_failure_reason(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    FAILURE_REASONS.iter().any(|part| reason.contains(part))
}

/// Returns whether a finish reason means that the limit of tokens was reached.
pub(super) fn is_length_reason(reason: &str) -> bool {
    says_any(&code_words(reason), &["length|max tokens|max output tokens|model length"])
}

/// Returns whether a finish reason means that a filter ended the answer.
pub(super) fn is_filter_reason(reason: &str) -> bool {
    let words = code_words(reason);
    says_any(&words, FILTER) || says_any(&words, FILTER_CODES)
}

fn is_quota(status: StatusCode, error: &ReportedError) -> bool {
    // Google has the same words for a limit of the rate.
    let is_current_quota = error.message_says(&["exceeded your current quota"])
        && !error.code_says(&["resource exhausted"]);
    let is_balance = error.message_says(&["balance"]) && !error.message_says(&["load balance"]);
    error.says(QUOTA)
        || error.code_says(QUOTA_CODES)
        || error.has_code(QUOTA_NUMBER)
        || is_current_quota
        || is_balance && !status.is_server_error()
}

fn is_key(status: StatusCode, error: &ReportedError) -> bool {
    let is_key_code = error.code_says(KEY_CODES) && status != StatusCode::TOO_MANY_REQUESTS;
    status == StatusCode::UNAUTHORIZED || is_key_code || error.says(KEY)
}

fn is_model(status: StatusCode, error: &ReportedError) -> bool {
    // The message may be the name of the model alone.
    let is_not_found = error.code_says(&["not found"]) && error.message_says(&["model"]);
    error.code_says(MODEL)
        || error.code_says(MODEL_CODES)
        || error.message_says(NO_CHANNEL)
        || (is_not_found || error.message_says(MODEL)) && !status.is_server_error()
}

fn is_filter(error: &ReportedError) -> bool {
    error.says(FILTER) || error.code_says(FILTER_CODES) || error.has_code(FILTER_NUMBER)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    fn from_text(status: StatusCode, text: &[u8]) -> AttemptError {
        classify(status, &ReportedError::from_text(text), &Redactor::default())
    }

    #[track_caller]
    fn check(status: u16, body: &str, code: &str, retryable: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let error = from_text(status, body.as_bytes());
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
        let code = |error: &str| from_text(StatusCode::OK, error.as_bytes()).failure.code();
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
            let error = from_text(status, body.as_bytes());
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
}
