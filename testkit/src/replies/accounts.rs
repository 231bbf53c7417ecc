//! Errors of the key and of the quota: the next key is tried.

use super::row::{Row, body, event, json, page};

pub(super) fn rows() -> Vec<Row> {
    [keys(), quotas()].concat()
}

fn keys() -> Vec<Row> {
    let key = |status, name, error: &str| {
        json(status, name, error).fails("upstream_key").says("OPENAI_API_KEY")
    };
    vec![
        key(
            401,
            "OpenAI: a wrong key",
            r#"{"error":{"message":"Incorrect API key provided: sk-Zq7Wx***8Gf. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        ),
        key(
            401,
            "OpenAI: no member of an organization",
            r#"{"error":{"message":"You must be a member of an organization to use the API.","type":"invalid_request_error","param":null,"code":null}}"#,
        ),
        key(
            401,
            "Azure: a wrong key or address",
            r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}"#,
        ),
        key(
            400,
            "Gemini: a wrong key",
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}]"#,
        ),
        key(
            400,
            "Gemini: an old key",
            r#"[{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT"}}]"#,
        ),
        key(
            400,
            "Gemini: a wrong key by its reason",
            r#"{"error":{"code":400,"message":"Request is invalid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
        ),
        key(
            401,
            "DeepSeek: a wrong key",
            r#"{"error":{"message":"Authentication Fails, Your api key: ****8Gf is invalid","type":"authentication_error","param":null,"code":"invalid_request_error"}}"#,
        ),
        key(
            401,
            "Bailian: a wrong key",
            r#"{"error":{"message":"Incorrect API key provided. ","type":"invalid_request_error","param":null,"code":"invalid_api_key"},"request_id":"1"}"#,
        ),
        key(
            401,
            "DashScope: a wrong key",
            r#"{"code":"InvalidApiKey","message":"Invalid API-key provided.","request_id":"1"}"#,
        ),
        key(
            401,
            "Zhipu: no proof of identity",
            r#"{"error":{"code":"1000","message":"身份验证失败。"}}"#,
        ),
        key(
            401,
            "Moonshot: a wrong key",
            r#"{"error":{"message":"Invalid Authentication","type":"invalid_authentication_error"}}"#,
        ),
        key(
            401,
            "Baidu: a wrong key",
            r#"{"error":{"code":"invalid_iam_token","message":"IAM Certification failed","type":"invalid_request_error"},"id":"as-1"}"#,
        ),
        key(
            401,
            "Volcengine: a wrong key",
            r#"{"error":{"code":"AuthenticationError","message":"The API key or AK/SK in the request is missing or invalid. Request id: 1","param":"","type":"Unauthorized"}}"#,
        ),
        key(401, "SiliconFlow: a text as JSON", r#""Invalid token""#),
        key(401, "SiliconFlow: a text", "Api key is invalid"),
        key(
            401,
            "MiniMax: a wrong key",
            r#"{"type":"error","error":{"type":"authorized_error","message":"invalid api key (2049)","http_code":"401"},"request_id":"1"}"#,
        ),
        key(401, "Mistral: a wrong key", r#"{"message":"Unauthorized","request_id":"1"}"#),
        key(
            401,
            "Groq: a wrong key",
            r#"{"error":{"message":"Invalid API Key","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        ),
        key(
            400,
            "xAI: a wrong key",
            r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: sk***b. You can obtain an API key from https://console.x.ai."}"#,
        ),
        key(
            401,
            "Anthropic: a wrong key",
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_1"}"#,
        ),
        key(
            401,
            "LiteLLM: a wrong key",
            r#"{"error":{"message":"Authentication Error, Invalid proxy server token passed. Received API Key = sk-...8Gf","type":"token_not_found_in_db","param":"key","code":"401"}}"#,
        ),
        key(401, "vLLM: a wrong key", r#"{"error":"Unauthorized"}"#),
        key(
            401,
            "new-api: a wrong key",
            r#"{"error":{"code":"","message":"无效的令牌 (request id: 1)","type":"new_api_error"}}"#,
        ),
        key(403, "a relay: an old key with 403", r#"{"message":"Your API key has expired"}"#),
        key(400, "a relay: a wrong key with 400", r#"{"success":false,"msg":"invalid apikey"}"#),
        key(
            401,
            "Cloudflare: a wrong key",
            r#"{"result":null,"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"messages":[]}"#,
        ),
        page(
            401,
            "openresty: a web page",
            "<html><head><title>401 Authorization Required</title></head></html>",
        )
        .fails("upstream_key"),
        body(401, "401 without a body", "").fails("upstream_key"),
        key(
            403,
            "Gemini: a leaked key",
            r#"[{"error":{"code":403,"message":"Your API key was reported as leaked. Please use another API key.","status":"PERMISSION_DENIED"}}]"#,
        ),
        key(
            403,
            "Gemini: a key for other services",
            r#"[{"error":{"code":403,"message":"Requests to this API generativelanguage.googleapis.com are blocked.","status":"PERMISSION_DENIED","details":[{"reason":"API_KEY_SERVICE_BLOCKED","domain":"googleapis.com"}]}}]"#,
        ),
        key(
            403,
            "a disabled key",
            r#"{"error":{"message":"This API key has been disabled.","type":"access_denied"}}"#,
        ),
        key(
            403,
            "NVIDIA: a wrong key",
            r#"{"status":403,"title":"Forbidden","detail":"Authorization failed"}"#,
        ),
        key(
            200,
            "Baidu: a wrong access token",
            r#"{"error_code":110,"error_msg":"Access token invalid or no longer valid"}"#,
        ),
        event(
            400,
            "an error with 400 as an event",
            "data: {\"error\":{\"code\":\"invalid_api_key\",\"message\":\"Incorrect\"}}\n\n",
        )
        .fails("upstream_key"),
        json(
            200,
            "error true with a status",
            r#"{"error":true,"code":401,"message":"engine is gone"}"#,
        )
        .fails("upstream_key"),
    ]
}

fn quotas() -> Vec<Row> {
    let quota = |status, name, error: &str| {
        json(status, name, error).fails("upstream_quota").says("OPENAI_API_KEY")
    };
    vec![
        quota(
            429,
            "OpenAI: no quota",
            r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        ),
        quota(
            402,
            "DeepSeek: no balance",
            r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
        ),
        quota(
            429,
            "Zhipu: no balance",
            r#"{"error":{"code":"1113","message":"余额不足或无可用资源包,请充值。"}}"#,
        ),
        quota(
            429,
            "Zhipu: a number as the code",
            r#"{"error":{"code":1113,"message":"您的账户已欠费，请充值后重试"}}"#,
        ),
        quota(
            403,
            "new-api: no quota",
            r#"{"error":{"message":"用户额度不足, 剩余额度: ¥-0.01 (request id: 1)","type":"new_api_error","param":"","code":"insufficient_user_quota"}}"#,
        ),
        quota(
            403,
            "one-api: a token without quota",
            r#"{"error":{"message":"token quota is not enough, token remain quota: 0","type":"one_api_error","code":"pre_consume_token_quota_failed"}}"#,
        ),
        quota(
            403,
            "sub2api: no balance",
            r#"{"code":"INSUFFICIENT_BALANCE","message":"Insufficient account balance"}"#,
        ),
        quota(
            403,
            "SiliconFlow: no balance",
            r#"{"code":30001,"message":"Sorry, your account balance is insufficient","data":null}"#,
        ),
        quota(
            403,
            "Volcengine: an overdue account",
            r#"{"error":{"code":"AccountOverdueError","message":"The request failed because your account has an overdue balance.","param":"","type":"Forbidden"}}"#,
        ),
        quota(
            400,
            "Bailian: an overdue account",
            r#"{"error":{"code":"Arrearage","param":null,"message":"Access denied, please make sure your account is in good standing.","type":"Arrearage"},"request_id":"1"}"#,
        ),
        quota(
            429,
            "Moonshot: a suspended account",
            r#"{"error":{"message":"Your account org-xx is suspended, please check your plan and billing details","type":"exceeded_current_quota_error"}}"#,
        ),
        quota(
            402,
            "OpenRouter: no credits",
            r#"{"error":{"message":"Insufficient credits. Add more using https://openrouter.ai/settings/credits","code":402},"user_id":"user_1"}"#,
        ),
        quota(
            402,
            "Hugging Face: no credits",
            r#"{"error":"You have exceeded your monthly included credits for Inference Providers."}"#,
        ),
        quota(
            400,
            "Anthropic: no credit",
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
        ),
        quota(
            500,
            "MiniMax: no balance with 500",
            r#"{"type":"error","error":{"type":"api_error","message":"insufficient balance (1008)"},"request_id":"1"}"#,
        ),
        quota(
            429,
            "ModelScope: no balance behind it",
            r#"{"error":{"http_code":"429","message":"insufficient balance (1008)","type":"insufficient_balance_error"},"request_id":"1"}"#,
        ),
        quota(
            403,
            "a relay: the words in a list",
            r#"{"errors":[{"code":7,"message":"not enough credits"}]}"#,
        ),
        body(402, "402 without a body", "").fails("upstream_quota"),
        quota(
            403,
            "Bailian: no free tier",
            r#"{"error":{"message":"The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, please disable the \"use free tier only\" mode in the management console.","type":"AllocationQuota.FreeTierOnly","param":null,"code":"AllocationQuota.FreeTierOnly"}}"#,
        ),
        quota(
            401,
            "new-api: a token without quota",
            r#"{"error":{"code":"","message":"该令牌额度已用尽 (request id: 1)","type":"new_api_error"}}"#,
        ),
        quota(
            429,
            "xAI: no credits",
            r#"{"code":"Some resource has been exhausted","error":"Your team 1 has either used all available credits or reached its monthly spending limit. To continue making API requests, please purchase more credits or raise your spending limit."}"#,
        ),
        quota(
            403,
            "xAI: out of credits",
            r#"{"code":"permission-denied","error":"You have run out of credits or need a Grok subscription."}"#,
        ),
        quota(
            400,
            "LiteLLM: no budget",
            r#"{"error":{"message":"Budget has been exceeded! Current cost: 26.075, Max budget: 0.25","type":"budget_exceeded","param":null,"code":"400"}}"#,
        ),
        quota(
            429,
            "LiteLLM: no budget of a user",
            r#"{"error":{"message":"LiteLLM User: x, exceeded budget for model=y","type":"budget_exceeded","param":null,"code":"429"}}"#,
        ),
        quota(
            412,
            "Fireworks: a spending limit",
            r#"{"error":{"message":"Account x is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices.","object":"error","type":"invalid_request_error"}}"#,
        ),
        quota(
            200,
            "MiniMax: no balance beside an empty choice",
            r#"{"choices":[{"finish_reason":"","message":{"content":""}}],"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
        ),
        event(429, "DashScope: an error with 429 as an event", "id:1\nevent:error\n:HTTP_STATUS/429\ndata:{\"code\":\"Arrearage\",\"message\":\"Access denied\",\"request_id\":\"1\"}\n\n")
            .fails("upstream_quota"),
        json(401, "an error that is labelled as gzip", r#"{"error":{"message":"no","code":"insufficient_quota"}}"#)
            .header("content-encoding: gzip")
            .fails("upstream_quota"),

    ]
}
