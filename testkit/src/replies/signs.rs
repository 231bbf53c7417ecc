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
        "API_KEY_QUOTA_EXHAUSTED",
        "SetLimitExceeded",
        "ResourceUnavailable.InArrears",
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
        "API_KEY_SERVICE_BLOCKED",
        "SERVICE_DISABLED",
        "AuthFailure.SecretIdNotFound",
        "account_deactivated",
        "invalid_token",
    ];
    let model = [
        "model_not_found",
        "invalid_model",
        "ModelNotFound",
        "ModelNotOpen",
        "InvalidEndpointOrModel.NotFound",
        "DeploymentNotFound",
        "model_decommissioned",
        "model_permission_blocked_project",
        "Model.AccessDenied",
        "unknown_model",
    ];
    let filter = [
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",
        "DataInspectionFailed",
        "sensitive_words_detected",
        "SensitiveContentDetected",
        "InputImageSensitiveContentDetected",
        "1301",
    ];
    let busy = [
        "rate_limit_exceeded",
        "rate_limit_error",
        "rate_limit_reached_error",
        "slow_down",
        "Throttling.RateQuota",
        "Throttling.AllocationQuota",
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
        "InternalServerError",
        "provider_unavailable",
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
        "该令牌额度已用尽",
        "预扣费额度失败, 用户剩余额度: 1",
        "账户资源包已用完",
        "The balance is negative",
        "Please check the balance of the wallet",
        "Key limit exceeded (total limit)",
        "You have reached your specified API usage limits.",
        "You have used up your daily free allocation of 10,000 neurons",
        "Your subscription has expired",
        "The account is in arrears",
        "Your team has reached its monthly spending limit",
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
        "令牌已过期",
        "该令牌状态不可用",
        "用户已被封禁",
        "鉴权失败",
        "This organization has been disabled.",
        "Your account has been deactivated",
        "The API token was revoked",
        "Your API key does not have permission",
        "Authorization failed",
        "access token has expired",
    ];
    let region = [
        "Country, region, or territory not supported",
        "User location is not supported for the API use.",
        "unsupported location",
        "This model is not available in your region.",
        "This model is not available in your country.",
        "Your region is not supported",
        "Access is unavailable in your location",
        "该服务不支持您所在的地区",
    ];
    let model = [
        "Model Not Exist",
        "The model `x` was not found",
        "The model `x-1-2-3-4-5-6` does not exist",
        "模型不存在",
        "模型 x 无可用渠道",
        "不支持的模型 x",
        "无权访问该模型",
        "You do not have access to the model x",
        "This token has no access to model x",
        "Unsupported model x",
        "This is not a chat model and thus not supported in this endpoint",
        "No allowed providers are available for the selected model.",
        "The model x has been retired",
        "Access to model denied.",
    ];
    let busy = ["Rate limit reached", "Too many requests", "请求过于频繁", "触发频率限制"];
    let streams = [
        "This model only supports streaming",
        "This model can only stream",
        "stream must be true",
        "stream must be set to true",
        "This model requires streaming",
        "该模型仅支持流式输出",
        "该模型只支持流式输出",
        "Streaming is required for this model",
        "Non-streaming requests are unsupported",
        "This model is only available in streaming mode",
        "该模型不支持非流式调用",
    ];
    let too_large = [
        "Request too large, rate limit 1",
        "Please reduce your message size, rate limit 1",
        "The tokens must be reduced, rate limit 1",
    ];
    // Each has words of another class.
    let refused = [
        "Unsupported parameter: top_k for model x",
        "Invalid value for temperature of model x",
        "The upstream only supports text",
        "stream_options is only supported if stream is true",
        "The image was not found. Choose a model that reads it",
        "Model x does not support images",
        "The load balancer does not take this method",
        "max_tokens is too large: the key is not enough",
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
        of_sentences("upstream_refused", 400, &refused)
            .into_iter()
            .map(|row| {
                let words = row.name.clone();
                row.says(words).hides("ASK_PARTIAL")
            })
            .collect(),
    ]
    .concat()
}
