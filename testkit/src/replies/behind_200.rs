//! Errors behind a status of success.

use super::row::{Row, json};

fn failed(name: &str, error: &str) -> Row {
    json(200, name, error).fails("upstream_failed")
}

pub(super) fn rows() -> Vec<Row> {
    [classes(), words(), choices()].concat()
}

/// The code or the words decide what the error is.
fn classes() -> Vec<Row> {
    let of = |code, name, error: &str| json(200, name, error).fails(code);
    vec![
        of("upstream_key", "MiniMax: no login", r#"{"base_resp":{"status_code":1004,"status_msg":"login fail: Please carry the API secret key in the 'Authorization' field of the request header"}}"#),
        of("upstream_quota", "MiniMax: no balance", r#"{"id":"1","choices":null,"created":1,"model":"","usage":{"total_tokens":0},"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#),
        of("upstream_busy", "MiniMax: the rate", r#"{"choices":[],"base_resp":{"status_code":1002,"status_msg":"rate limit"}}"#).retried(),
        of("upstream_key", "Bailian: a wrong key", r#"{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#),
        of("upstream_quota", "Bailian: an overdue account", r#"{"error":{"code":"Arrearage","message":"Access denied.","type":"Arrearage"}}"#),
        of("upstream_busy", "Baidu: the rate", r#"{"error_code":336501,"error_msg":"Rate limit reached for RPM","id":"as-1"}"#).retried(),
        of("upstream_quota", "a relay: no quota", r#"{"error":{"message":"用户额度不足","type":"one_api_error","code":"insufficient_user_quota"}}"#),
        of("upstream_model", "a relay: no channel", r#"{"error":{"message":"当前分组 default 下对于模型 gpt-9 无可用渠道","type":"one_api_error"}}"#),
        of("upstream_region", "Gemini: a location", r#"[{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}]"#),
        of("upstream_busy", "Gemini: the rate", r#"[{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}]"#).retried(),
        of("upstream_key", "a status as the code", r#"{"code":401,"message":"token is gone"}"#),
        of("upstream_busy", "a status of the rate as the code", r#"{"base_resp":{"status_code":429,"status_msg":"wait"}}"#).retried(),
        of("upstream_quota", "a status of the quota as the code", r#"{"error":{"code":402,"message":"pay"}}"#),
        of("upstream_refused", "a status of a refusal as the code", r#"{"error":{"code":"400","message":"temperature is too hot"}}"#)
            .says("temperature is too hot"),
        of("upstream_refused", "a type of a refusal", r#"{"error":{"type":"invalid_request_error","message":"temperature is too hot"}}"#)
            .says("temperature is too hot"),
        of("answer_filtered", "Bailian: an inspection", r#"{"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content."}}"#),
        of("upstream_refused", "a model that only streams", r#"{"error":{"message":"This model only supports streaming"}}"#)
            .says("ASK_PARTIAL=1"),
        of("answer_filtered", "MiniMax: a filter",
            r#"{"choices":null,"base_resp":{"status_code":1026,"status_msg":"input new_sensitive"}}"#,
        ),

        of("upstream_key", "an invalid token of OAuth", r#"{"error":"invalid_token","error_description":"no"}"#),
        of("upstream_key", "WeChat's names", r#"{"errcode":40001,"errmsg":"invalid credential, access token is invalid"}"#),
        of("upstream_key", "Tencent Cloud: a wrong key", r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure","Message":"no"}}}"#),
        of("upstream_quota", "a balance and a number as the code", r#"{"code":10012,"msg":"Balance is 0"}"#),

    ]
}

/// The words are shown.
fn words() -> Vec<Row> {
    vec![
        failed("MiniMax: a failure", r#"{"base_resp":{"status_code":1013,"status_msg":"unknown error, 1013"}}"#)
            .says("unknown error, 1013"),
        failed("code and msg", r#"{"code":500,"msg":"worker is gone"}"#).says("worker is gone").retried(),
        failed("a code that is no status", r#"{"code":11200,"message":"AppIdNoAuthError","sid":"1"}"#)
            .says("AppIdNoAuthError"),
        failed("detail", r#"{"detail":"worker is gone"}"#).says("worker is gone"),
        failed("detail as a list", r#"{"detail":[{"loc":["body"],"msg":"field is gone"}]}"#)
            .says("field is gone"),
        failed("error as a text", r#"{"error":"Unexpected endpoint or method. (POST /chat/completions)"}"#)
            .says("Unexpected endpoint or method"),
        failed("error as an object", r#"{"error":{"message":"overloaded"}}"#).says("overloaded"),
        failed("error of the server", r#"{"error":{"message":"worker is gone","type":"server_error"}}"#)
            .says("worker is gone")
            .retried(),
        failed("errors", r#"{"success":false,"errors":[{"code":7000,"message":"No route for that URI"}],"result":null}"#)
            .says("No route for that URI"),
        failed("an object of an error", r#"{"object":"error","message":"engine is gone","code":50002}"#)
            .says("engine is gone"),
        failed("a type of an error", r#"{"type":"error","message":"engine is gone"}"#)
            .says("engine is gone"),
        failed("error_message", r#"{"error_message":"engine is gone"}"#).says("engine is gone"),
        failed("error_code and error_msg", r#"{"error_code":336100,"error_msg":"try again"}"#)
            .says("try again"),
        failed("a list of errors", r#"[{"error":{"message":"engine is gone"}}]"#).says("engine is gone"),
        failed("a text as JSON", r#""engine is gone""#).says("engine is gone"),
        failed("JSON in a text as JSON", r#""{\"error\":{\"message\":\"engine is gone\"}}""#)
            .says("engine is gone")
            .hides("{"),
        failed("a text", "engine is gone").says("engine is gone"),
        failed("an error beside an empty choice", r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}],"error":{"message":"engine is gone"}}"#)
            .says("engine is gone"),
        failed("an error beside an answer", r#"{"choices":[{"message":{"content":"The sky"},"finish_reason":"stop"}],"error":{"message":"engine is gone","code":502}}"#)
            .says("engine is gone")
            .retried(),
        failed("words that hold the key", r#"{"error":{"message":"engine of sk-Zq7Wx3Vb9Nm1Lk5Jh8Gf is gone"}}"#)
            .says("engine of […] is gone"),
        failed("an error with an end of events", "{\"error\":{\"message\":\"engine is gone\"}}\n\ndata: [DONE]\n\n")
            .says("engine is gone"),
        json(
            200,
            "MiniMax: a failure beside a part of the text",
            r#"{"choices":[{"finish_reason":"stop","message":{"content":"The sky"}}],"base_resp":{"status_code":1013,"status_msg":"internal service error"}}"#,
        )
        .fails("upstream_failed")
        .says("internal service error"),

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

        failed("a message alone", r#"{"message":"engine is gone"}"#).says("engine is gone"),
        failed("status fail and msg", r#"{"status":"fail","msg":"engine is gone"}"#).says("engine is gone"),
        failed("names in capitals", r#"{"Code":"Gone","Message":"engine is gone"}"#).says("engine is gone"),
        failed("Tencent Cloud", r#"{"Response":{"Error":{"Code":"Gone","Message":"engine is gone"},"RequestId":"1"}}"#).says("engine is gone"),
        failed("a code without words", r#"{"error":{"code":"engine_gone"}}"#).says("engine_gone"),

    ]
}

/// OpenRouter's error in a choice.
fn choices() -> Vec<Row> {
    let choice = |name, choice: &str| {
        let body = format!(r#"{{"id":"gen-1","provider":"x","choices":[{choice}]}}"#);
        failed(name, &body)
    };
    vec![
        choice("a choice with an error", r#"{"error":{"code":502,"message":"Upstream idle timeout exceeded"},"finish_reason":"error","native_finish_reason":"error","message":{"role":"assistant","content":""}}"#)
            .says("Upstream idle timeout exceeded")
            .retried(),
        choice("a choice with an error and a part of the text", r#"{"error":{"code":502,"message":"Upstream idle timeout exceeded"},"finish_reason":"error","message":{"content":"The sky"}}"#)
            .says("Upstream idle timeout exceeded")
            .retried(),
        choice("a choice with an error of the rate", r#"{"error":{"code":429,"message":"wait"},"finish_reason":"error","message":{"content":""}}"#)
            .fails("upstream_busy")
            .retried(),
        choice("a choice with an error of the key", r#"{"error":{"code":401,"message":"no"},"finish_reason":"error","message":{"content":""}}"#)
            .fails("upstream_key"),
        json(200, "a choice with an error as a text", r#"{"choices":[{"error":"worker is gone","message":{"content":"The sky"}}]}"#)
            .fails("upstream_failed")
            .says("worker is gone")
            .retried(),
        json(200, "a choice with an error of no known code", r#"{"choices":[{"error":{"message":"worker is gone","code":"provider_unavailable"},"finish_reason":"error","message":{"content":""}}]}"#)
            .fails("upstream_failed")
            .says("worker is gone")
            .retried(),

    ]
}
