//! Errors with nothing but a code or a sentence, each of which is enough to tell their class.

use super::row::{Row, json};

pub(super) fn rows() -> Vec<Row> {
    [codes(), sentences()].concat()
}

/// Rows for each of these codes, with a status that does not decide.
fn of_codes(class: &'static str, status: u16, codes: &[&str]) -> Vec<Row> {
    let row = |code: &&str| {
        let error = format!(r#"{{"error":{{"code":"{code}","message":"no"}}}}"#);
        json(status, &format!("the code {code}"), error).fails(class)
    };
    codes.iter().map(row).collect()
}

/// Rows for each of these sentences, with a status that does not decide.
fn of_sentences(class: &'static str, status: u16, sentences: &[&str]) -> Vec<Row> {
    let row = |sentence: &&str| {
        let error = format!(r#"{{"error":{{"message":"{sentence}"}}}}"#);
        json(status, sentence, error).fails(class)
    };
    sentences.iter().map(row).collect()
}

fn retried(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(Row::retried).collect()
}

fn codes() -> Vec<Row> {
    let quota = [
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
        "exceeded_current_quota_error",
        "insufficient_user_quota",
        "pre_consume_token_quota_failed",
        "INSUFFICIENT_BALANCE",
        "insufficient_credits",
        "credit_required",
        "Arrearage",
        "AccountOverdueError",
        "1113",
    ];
    let key = [
        "invalid_api_key",
        "incorrect_api_key",
        "InvalidApiKey",
        "API_KEY_INVALID",
        "invalid_authentication_error",
        "authentication_error",
        "AuthenticationError",
        "UNAUTHENTICATED",
    ];
    let model = [
        "model_not_found",
        "invalid_model",
        "ModelNotFound",
        "ModelNotOpen",
        "InvalidEndpointOrModel.NotFound",
    ];
    let filter = [
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",
        "DataInspectionFailed",
        "sensitive_words_detected",
        "SensitiveContentDetected",
    ];
    let busy = [
        "rate_limit_exceeded",
        "rate_limit_error",
        "rate_limit_reached_error",
        "slow_down",
        "limit_requests",
        "too_many_requests",
        "RESOURCE_EXHAUSTED",
        "429",
    ];
    let failed = [
        "server_error",
        "internal_error",
        "internal_server_error",
        "server_is_overloaded",
        "overloaded_error",
        "engine_overloaded_error",
        "service_unavailable",
        "UNAVAILABLE",
        "500",
        "502",
        "503",
        "504",
    ];
    [
        of_codes("upstream_quota", 429, &quota),
        of_codes("upstream_key", 403, &key),
        of_codes("upstream_model", 400, &model),
        of_codes("upstream_region", 403, &["unsupported_country_region_territory"]),
        of_codes("answer_filtered", 400, &filter),
        retried(of_codes("upstream_busy", 200, &busy)),
        retried(of_codes("upstream_failed", 200, &failed)),
        of_codes("upstream_refused", 200, &["invalid_request_error", "INVALID_ARGUMENT", "400"]),
    ]
    .concat()
}

fn sentences() -> Vec<Row> {
    let quota = [
        "Insufficient funds",
        "Your credit is exhausted",
        "Your balance is too low",
        "not enough credits",
        "用户额度不足",
        "您的账户已欠费",
        "余额已用尽",
        "余额不足，请充值",
    ];
    let key = [
        "Incorrect API key provided",
        "API key not valid",
        "The API key has expired",
        "wrong api_key",
        "invalid apikey",
        "无效的令牌",
        "令牌无效",
        "密钥无效",
    ];
    let region = [
        "Country, region, or territory not supported",
        "User location is not supported for the API use.",
        "unsupported location",
        "This model is not available in your region.",
        "This model is not available in your country.",
    ];
    let model =
        ["Model Not Exist", "The model `x` was not found", "模型不存在", "模型 x 无可用渠道"];
    let busy = ["Rate limit reached", "Too many requests", "请求过于频繁", "触发频率限制"];
    let streams = [
        "This model only supports streaming",
        "This model can only stream",
        "stream must be true",
        "stream must be set to true",
        "This model requires streaming",
        "该模型仅支持流式输出",
        "该模型只支持流式输出",
    ];
    let too_large = [
        "Request too large, rate limit 1",
        "Please reduce your message size, rate limit 1",
        "The tokens must be reduced, rate limit 1",
    ];
    let streams = of_sentences("upstream_refused", 400, &streams);
    [
        of_sentences("upstream_quota", 403, &quota),
        of_sentences("upstream_key", 403, &key),
        of_sentences("upstream_region", 400, &region),
        of_sentences("upstream_model", 400, &model),
        retried(of_sentences("upstream_busy", 200, &busy)),
        streams.into_iter().map(|row| row.says("ASK_PARTIAL=1")).collect(),
        of_sentences("upstream_refused", 429, &too_large),
    ]
    .concat()
}
