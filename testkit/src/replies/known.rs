//! Rows that the functions do not read right yet.

use super::parts::{DONE, JSON, SKY, STOP, delta};
use super::row::{Delivery, Row, json, raw, stream};

pub(super) fn rows() -> Vec<Row> {
    [
        wrong_answers(),
        lost_answers(),
        keys(),
        quotas(),
        models(),
        filters(),
        behind_errors(),
        words(),
        streams_only(),
        mistaken(),
        frames(),
    ]
    .concat()
}

/// Answers that an error ended, and that are shown as complete.
fn wrong_answers() -> Vec<Row> {
    let stream = |name, events: &[&str]| {
        let text = delta("The sky");
        stream(name, [text.as_str()].into_iter().chain(events.iter().copied()))
            .fails("upstream_failed")
            .after("The sky")
    };
    vec![
        // <https://github.com/ggml-org/llama.cpp/pull/16109>
        stream(
            "llama.cpp: a field of the name error",
            &["error: {\"code\":500,\"message\":\"context shift is disabled\",\"type\":\"server_error\"}", DONE],
        )
        .says("context shift is disabled")
        .retried(),
        stream("a chunk with a name that is cut", &["event: chunk\ndata: {\"choices\":[{\"delta\":{\"con", DONE]),
        stream(
            "MiniMax: a failure beside the last chunk",
            &[r#"{"choices":[{"delta":{"content":""},"finish_reason":"stop"}],"base_resp":{"status_code":1013,"status_msg":"internal service error"}}"#],
        )
        .says("internal service error"),
        json(
            200,
            "MiniMax: a failure beside a part of the text",
            r#"{"choices":[{"finish_reason":"stop","message":{"content":"The sky"}}],"base_resp":{"status_code":1013,"status_msg":"internal service error"}}"#,
        )
        .fails("upstream_failed")
        .says("internal service error"),
        stream("an error in the delta", &[r#"{"choices":[{"delta":{"error":{"message":"worker is gone"}}}]}"#, DONE])
            .says("worker is gone")
            .retried(),
        stream("finish reason failure", &[r#"{"choices":[{"delta":{},"finish_reason":"failure"}]}"#, DONE])
            .retried(),
        stream("finish reason exception", &[r#"{"choices":[{"delta":{},"finish_reason":"exception"}]}"#, DONE])
            .retried(),
    ]
}

/// Answers that are refused, or shown with a wrong model.
fn lost_answers() -> Vec<Row> {
    vec![
        json(200, "JSON that is labelled as gzip", JSON)
            .header("content-encoding: gzip")
            .answers(SKY),
        stream("events that are labelled as gzip", [&delta(SKY), STOP, DONE])
            .header("content-encoding: gzip")
            .answers(SKY),
        stream("an unknown field first", ["x-request: 1", &delta(SKY), STOP, DONE]).answers(SKY),
        json(
            200,
            "a member that comes twice",
            r#"{"model":"a","model":"b","choices":[{"message":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#,
        )
        .answers(SKY)
        .by("b"),
        stream(
            "Azure: an empty model first",
            [
                r#"{"choices":[],"model":"","prompt_filter_results":[]}"#,
                r#"{"model":"gpt-6-luna","choices":[{"delta":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#,
                DONE,
            ],
        )
        .answers(SKY)
        .by("gpt-6-luna"),
        json(
            200,
            "an empty model",
            r#"{"model":"","choices":[{"message":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#,
        )
        .answers(SKY),
    ]
}

fn keys() -> Vec<Row> {
    let key = |status, name, error: &str| json(status, name, error).fails("upstream_key");
    vec![
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
            "Baidu: a wrong key",
            r#"{"error_code":110,"error_msg":"Access token invalid or no longer valid"}"#,
        ),
    ]
}

fn quotas() -> Vec<Row> {
    let quota = |status, name, error: &str| json(status, name, error).fails("upstream_quota");
    vec![
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
    ]
}

fn models() -> Vec<Row> {
    let model = |status, name, error: &str| json(status, name, error).fails("upstream_model");
    vec![
        model(
            404,
            "Azure: no deployment",
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}"#,
        ),
        model(
            400,
            "Groq: an old model",
            r#"{"error":{"message":"The model `x` has been decommissioned and is no longer supported.","type":"invalid_request_error","code":"model_decommissioned"}}"#,
        ),
        model(
            400,
            "LiteLLM: no model",
            r#"{"error":{"message":"{'error': '/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models for your key.'}","type":"None","param":"None","code":"400"}}"#,
        ),
        model(
            404,
            "OpenRouter: no endpoint",
            r#"{"error":{"message":"No endpoints found for x/y:free.","code":404},"user_id":"user_1"}"#,
        ),
        model(
            400,
            "OpenRouter: no model",
            r#"{"error":{"message":"x/y is not a valid model ID","code":400},"user_id":"user_1"}"#,
        ),
        model(
            400,
            "GitHub: no model",
            r#"{"error":{"code":"unknown_model","message":"Unknown model: x","details":"Unknown model: x"}}"#,
        ),
        model(
            400,
            "Hugging Face: no model",
            r#"{"error":{"message":"The requested model 'x' is not supported by any provider you have enabled.","type":"invalid_request_error","param":"model","code":"model_not_supported"}}"#,
        ),
        model(
            404,
            "Together: no model",
            r#"{"id":"1","error":{"message":"Unable to access model x. Please visit https://api.together.ai/models to view the list of supported models.","type":"invalid_request_error","param":null,"code":"model_not_available"}}"#,
        ),
        model(
            200,
            "MiniMax: no model",
            r#"{"base_resp":{"status_code":2013,"status_msg":"invalid params, unknown model 'x' (2013)"}}"#,
        ),
        model(
            404,
            "Anthropic: no model",
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}"#,
        ),
    ]
}

fn filters() -> Vec<Row> {
    let filter = |status, name, error: &str| json(status, name, error).fails("answer_filtered");
    vec![
        filter(
            400,
            "Zhipu: a filter",
            r#"{"contentFilter":[{"level":1,"role":"user"}],"error":{"code":"1301","message":"系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合。"}}"#,
        ),
        filter(
            400,
            "Volcengine: a filter",
            r#"{"error":{"code":"InputTextSensitiveContentDetected","message":"The request failed because the input text may contain sensitive information.","param":"","type":"BadRequest"}}"#,
        ),
        filter(
            200,
            "MiniMax: a filter",
            r#"{"choices":null,"base_resp":{"status_code":1026,"status_msg":"input new_sensitive"}}"#,
        ),
        filter(
            200,
            "Gemini: a filter by its own reason",
            r#"{"choices":[{"finish_reason":"SAFETY","index":0,"message":{"role":"assistant"}}]}"#,
        ),
        filter(
            200,
            "Gemini: a filter with a reason behind it",
            r#"{"choices":[{"finish_reason":"content_filter: PROHIBITED_CONTENT","index":0,"message":{"role":"assistant","content":null}}]}"#,
        ),
    ]
}

/// Errors whose code or words are not found, so that the class is wrong.
fn behind_errors() -> Vec<Row> {
    let event = |status, name, event: &str| json(status, name, event).labelled("text/event-stream");
    vec![
        event(400, "an error with 400 as an event", "data: {\"error\":{\"code\":\"invalid_api_key\",\"message\":\"Incorrect\"}}\n\n")
            .fails("upstream_key"),
        event(404, "an error with 404 as an event", "event: error\ndata: {\"error\":{\"code\":\"model_not_found\",\"message\":\"no\"}}\n\n")
            .fails("upstream_model"),
        event(429, "DashScope: an error with 429 as an event", "id:1\nevent:error\n:HTTP_STATUS/429\ndata:{\"code\":\"Arrearage\",\"message\":\"Access denied\",\"request_id\":\"1\"}\n\n")
            .fails("upstream_quota"),
        json(401, "an error that is labelled as gzip", r#"{"error":{"message":"no","code":"insufficient_quota"}}"#)
            .header("content-encoding: gzip")
            .fails("upstream_quota"),
        json(200, "error true with a status", r#"{"error":true,"code":401,"message":"engine is gone"}"#)
            .fails("upstream_key"),
        stream("llama.cpp: a field of the name error first", [
            "error: {\"code\":400,\"message\":\"the request exceeds the available context size\",\"type\":\"invalid_request_error\"}",
            DONE,
        ])
        .fails("upstream_refused")
        .says("exceeds the available context size"),
        json(200, "a choice with an error as a text", r#"{"choices":[{"error":"worker is gone","message":{"content":"The sky"}}]}"#)
            .fails("upstream_failed")
            .says("worker is gone")
            .retried(),
        json(200, "a choice with an error of no known code", r#"{"choices":[{"error":{"message":"worker is gone","code":"provider_unavailable"},"finish_reason":"error","message":{"content":""}}]}"#)
            .fails("upstream_failed")
            .says("worker is gone")
            .retried(),
        stream("OpenRouter: an error beside a finish reason error", [
            r#"{"id":"gen-1","provider":"x","error":{"code":"provider_unavailable","message":"Provider disconnected"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
            DONE,
        ])
        .fails("upstream_failed")
        .says("Provider disconnected")
        .retried(),
    ]
}

/// Words of the upstream that are lost, or shown with their frame.
fn words() -> Vec<Row> {
    let failed = |name, error: &str| json(200, name, error).fails("upstream_failed");
    vec![
        json(
            400,
            "words in an event",
            "data: {\"error\":{\"message\":\"temperature is too hot\"}}\n\ndata: [DONE]\n\n",
        )
        .labelled("text/event-stream")
        .fails("upstream_refused")
        .says("temperature is too hot")
        .hides("data:"),
        failed(
            "success false and a message",
            r#"{"success":false,"message":"未登录且未提供 access token"}"#,
        )
        .says("未登录且未提供"),
        failed("error true and a message", r#"{"error":true,"message":"engine is gone"}"#)
            .says("engine is gone"),
        failed(
            "the name of an error and a message",
            r#"{"error":"Bad Gateway","message":"engine is gone"}"#,
        )
        .says("engine is gone"),
    ]
}

fn streams_only() -> Vec<Row> {
    let only =
        |name, error: &str| json(400, name, error).fails("upstream_refused").says("ASK_PARTIAL=1");
    vec![
        only(
            "streams only, by what is not supported",
            r#"{"error":{"message":"Non-streaming requests are not supported for this model. Please set stream=true."}}"#,
        ),
        only(
            "streams only, as required",
            r#"{"error":{"message":"Streaming is required for this model"}}"#,
        ),
    ]
}

/// Words that are mistaken for those of another class.
fn mistaken() -> Vec<Row> {
    let refused = |name, error: &str| json(400, name, error).fails("upstream_refused");
    vec![
        refused("upstream in the words, and what is supported", r#"{"error":{"message":"upstream error: this model only supports text input"}}"#)
            .says("only supports text input")
            .hides("ASK_PARTIAL"),
        refused("a parameter for streams", r#"{"error":{"message":"'stream_options' is only supported when 'stream' is enabled"}}"#)
            .says("stream_options")
            .hides("ASK_PARTIAL"),
        refused("a picture that the model did not find", r#"{"error":{"message":"The model could not read the picture: https://example.com/a.png was not found","code":"invalid_image_url"}}"#)
            .says("could not read the picture"),
        refused("a key in the words of another error", r#"{"error":{"message":"Invalid parameter: temperature must be below 2 (api_key ending in 8Gf)"}}"#)
            .says("temperature must be below 2"),
    ]
}

/// Frames that the two functions read differently.
fn frames() -> Vec<Row> {
    let length = JSON.len();
    vec![
        raw(
            "an invalid size behind the last chunk",
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{JSON}\r\nzz\r\n"),
        )
        .delivered(Delivery::RawClosed)
        .answers(SKY),
        raw(
            "a head of 70 KB",
            format!("HTTP/1.1 200 OK\r\nx-large: {}\r\ncontent-length: {length}\r\n\r\n{JSON}", "x".repeat(70_000)),
        )
        .delivered(Delivery::RawClosed)
        .fails("upstream_failed"),
    ]
}
