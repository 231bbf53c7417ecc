//! Streams that an error ends, or that end before the answer does.

use super::parts::{DONE, STOP, delta, message};
use super::row::{Delivery, Row, stream};

/// A text, this event, and what would end an answer.
fn after_text(name: &str, event: &str) -> Row {
    stream(name, [&delta("The sky"), event, STOP, DONE]).fails("upstream_failed").after("The sky")
}

/// A text, these events, and no end.
fn cut(name: &str, events: &[&str]) -> Row {
    let text = delta("The sky");
    stream(name, [text.as_str()].into_iter().chain(events.iter().copied()))
        .fails("upstream_failed")
        .after("The sky")
}

/// This event first, and what would end an answer.
fn first(name: &str, event: &str) -> Row {
    stream(name, [event, DONE]).fails("upstream_failed")
}

pub(super) fn rows() -> Vec<Row> {
    [messages(), errors(), first_errors(), finish_reasons(), no_end()].concat()
}

/// Messages that are neither the text so far nor the next piece.
fn messages() -> Vec<Row> {
    vec![
        after_text("another text in message", &message("No.")),
        after_text("less text in message", &message("The")),
        after_text("the text with another beginning in message", &message(" The sky is blue.")),
        stream(
            "deltas and messages in turn",
            [&message("The"), &delta(" sky"), &message(" is"), DONE],
        )
        .fails("upstream_failed")
        .after("The sky"),
    ]
}

/// An error in the middle, in each shape.
fn errors() -> Vec<Row> {
    vec![
        after_text(
            "OpenAI",
            r#"{"error":{"message":"The server had an error while processing your request.","type":"server_error","param":null,"code":null}}"#,
        )
        .says("had an error while processing")
        .retried(),
        after_text("error as a text", r#"{"error":"stream was interrupted"}"#)
            .says("stream was interrupted"),
        after_text("error with a status", r#"{"error":{"message":"bad gateway","code":502}}"#)
            .says("bad gateway")
            .retried(),
        after_text("error with a status of the client", r#"{"error":{"message":"context is full","code":"400"}}"#)
            .fails("upstream_refused")
            .after("The sky")
            .says("context is full"),
        after_text("error of the rate", r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#)
            .fails("upstream_busy")
            .after("The sky")
            .retried(),
        after_text("error of the quota", r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}"#)
            .fails("upstream_quota")
            .after("The sky"),
        after_text("Gemini's list with an error", r#"[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]"#)
            .says("overloaded")
            .retried(),
        after_text("a list with an error after another item", r#"[{"id":"1"},{"error":{"code":500,"message":"broken"}}]"#)
            .says("broken")
            .retried(),
        after_text("vLLM's object of an error", r#"{"object":"error","message":"EngineCore encountered an issue.","type":"InternalServerError","param":null,"code":500}"#)
            .says("EngineCore encountered an issue")
            .retried(),
        after_text("an object of an error without a code", r#"{"object":"error","message":"engine is gone"}"#)
            .says("engine is gone"),
        after_text("an event of the name error", "event: error\ndata: {\"message\":\"worker was lost\"}")
            .says("worker was lost"),
        after_text("an event of the name error with a text", "event: error\ndata: worker was lost")
            .says("worker was lost"),
        after_text("an event of the name error without a message", "event: error\ndata: {}"),
        after_text(
            "Anthropic",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
        )
        .says("Overloaded")
        .retried(),
        after_text(
            "DashScope",
            "id:4\nevent:error\n:HTTP_STATUS/429\ndata:{\"code\":\"Throttling.RateQuota\",\"message\":\"Requests rate limit exceeded, please try again later.\",\"request_id\":\"1\"}",
        )
        .fails("upstream_busy")
        .after("The sky")
        .retried(),
        after_text("code and message", r#"{"code":500,"message":"internal failure"}"#)
            .says("internal failure")
            .retried(),
        after_text("code and msg", r#"{"code":"50001","msg":"worker is gone","data":null}"#)
            .says("worker is gone"),
        after_text("a word as the code", r#"{"code":"InternalError","message":"worker is gone","request_id":"1"}"#)
            .says("worker is gone")
            .retried(),
        after_text("code, message and no choice", r#"{"id":"1","choices":[],"code":500,"message":"worker is gone"}"#)
            .says("worker is gone")
            .retried(),
        after_text("Dify", r#"{"event":"error","task_id":"1","status":400,"code":"provider_quota","message":"Model credentials are missing."}"#)
            .fails("upstream_refused")
            .after("The sky")
            .says("credentials are missing"),
        after_text("detail", r#"{"detail":"worker timeout"}"#).says("worker timeout"),
        after_text("detail as a list", r#"{"detail":[{"loc":["body"],"msg":"field is gone","type":"value_error"}]}"#)
            .says("field is gone"),
        after_text("errors", r#"{"errors":[{"message":"no route","code":7000}],"success":false}"#)
            .says("no route"),
        after_text("error_code and error_msg", r#"{"error_code":336000,"error_msg":"Internal error","id":"as-1"}"#)
            .says("Internal error"),
        after_text("error_code alone", r#"{"text":"**NETWORK ERROR**","error_code":50004}"#),
        after_text("Hunyuan", r#"{"note":"以上内容为AI生成","id":"1","error_msg":{"msg":"引擎内部错误","code":2003}}"#)
            .says("引擎内部错误"),
        after_text("MiniMax", r#"{"base_resp":{"status_code":1013,"status_msg":"internal service error"}}"#)
            .says("internal service error"),
        after_text("an error beside the usage", r#"{"choices":[],"usage":{"prompt_tokens":4},"error":{"message":"provider is gone","code":502}}"#)
            .says("provider is gone")
            .retried(),
        after_text("an error beside a delta", r#"{"choices":[{"delta":{"content":" is"}}],"error":{"message":"provider is gone","code":502}}"#)
            .says("provider is gone")
            .retried(),
        after_text("a choice with an error", r#"{"choices":[{"index":0,"delta":{"content":""},"error":{"code":502,"message":"Upstream idle timeout exceeded"},"finish_reason":"error"}]}"#)
            .says("Upstream idle timeout exceeded")
            .retried(),
        after_text("a text that is no JSON", "data: upstream connect error or disconnect")
            .says("upstream connect error"),
        cut("an event of the name error with CRLF", &[])
            .followed_by("event: error\r\ndata: {\"message\":\"worker is gone\"}\r\n\r\ndata: [DONE]\r\n\r\n")
            .says("worker is gone"),
        after_text("an event of the name error on two lines", "event: error\ndata: worker\ndata: is gone")
            .says("worker is gone"),
        cut("a text without its line end", &[]).followed_by("data: upstream connect error").says("upstream connect error"),
        cut("an event of the name error, cut", &[])
            .delivered(Delivery::Unfinished)
            .followed_by("event: error\ndata: worker is gone")
            .says("worker is gone"),
        after_text("a text as JSON", r#""worker is gone""#).says("worker is gone"),
        after_text("a chunk as a list", r#"[{"choices":[{"delta":{"content":" is"}}]}]"#),
        after_text("a chunk as a list with a name", "event: chunk\ndata: [{\"choices\":[{\"delta\":{\"content\":\" is\"}}]}]"),
        after_text("members of a chunk as a list", r#"["m",[{"delta":{"content":" is"}}]]"#),
        cut("an error that is not UTF-8", &[])
            .followed_by(&b"data: {\"code\":500,\"msg\":\"\xb2\xce\xca\xfd\",\"id\":\"1\"}\n\ndata: [DONE]\n\n"[..])
            .retried(),
        stream("a chunk that is not UTF-8", [&delta("The sky")])
            .followed_by(&b"data: {\"choices\":[{\"delta\":{\"content\":\"\xe4\xbd\"}}]}\n\n"[..])
            .followed_by("data: [DONE]\n\n")
            .fails("upstream_failed")
            .after("The sky"),
        stream("an error after the finish reason", [
            &delta("The sky"),
            STOP,
            r#"{"error":{"message":"moderation failed"}}"#,
            DONE,
        ])
        .fails("upstream_failed")
        .after("The sky")
        .says("moderation failed"),
        after_text("a chunk that is cut", r#"{"choices":[{"delta":{"content":" is"#),
        after_text("an error that holds the key", r#"{"error":{"message":"Key sk-Zq7Wx3Vb9Nm1Lk5Jh8Gf (Jh8Gf) has no access","code":"forbidden"}}"#)
            .says("has no access"),
        // <https://github.com/ggml-org/llama.cpp/pull/16109>
        cut(
            "llama.cpp: a field of the name error",
            &["error: {\"code\":500,\"message\":\"context shift is disabled\",\"type\":\"server_error\"}", DONE],
        )
        .says("context shift is disabled")
        .retried(),
        cut("a chunk with a name that is cut", &["event: chunk\ndata: {\"choices\":[{\"delta\":{\"con", DONE]),
        cut(
            "MiniMax: a failure beside the last chunk",
            &[r#"{"choices":[{"delta":{"content":""},"finish_reason":"stop"}],"base_resp":{"status_code":1013,"status_msg":"internal service error"}}"#],
        )
        .says("internal service error"),
        cut("an error in the delta", &[r#"{"choices":[{"delta":{"error":{"message":"worker is gone"}}}]}"#, DONE])
            .says("worker is gone")
            .retried(),

        after_text("success false", r#"{"success":false,"message":"worker is gone"}"#)
            .says("worker is gone"),
        after_text("success false alone", r#"{"success":false,"data":null}"#),
        after_text("the status of an error alone", r#"{"status":500,"path":"/"}"#).retried(),
        after_text("a status that is a word", r#"{"status":"error","message":"worker is gone"}"#)
            .says("worker is gone"),
        after_text("a code and an empty message", r#"{"code":1,"message":""}"#),
        after_text("errcode and errmsg", r#"{"errcode":40001,"errmsg":"worker is gone"}"#)
            .says("worker is gone"),
        after_text("errorCode and errorMessage", r#"{"errorCode":"E1","errorMessage":"worker is gone"}"#)
            .says("worker is gone"),
        after_text("names in capitals", r#"{"RequestId":"1","Code":"Gone","Message":"worker is gone"}"#)
            .says("worker is gone"),
        after_text("Tencent Cloud", r#"{"Response":{"Error":{"Code":"FailedOperation","Message":"worker is gone"},"RequestId":"1"}}"#)
            .says("worker is gone"),
        after_text("Apigee", r#"{"fault":{"faultstring":"worker is gone","detail":{"errorcode":"x"}}}"#)
            .says("worker is gone"),
        after_text("event error in the data", r#"{"event":"error","message":"worker is gone"}"#)
            .says("worker is gone"),
        after_text("an event of the name exception", "event: exception\ndata: worker is gone")
            .says("worker is gone"),
        after_text("a failed response", r#"{"type":"response.failed","response":{"error":{"message":"worker is gone"}}}"#)
            .says("worker is gone"),
        after_text("an error in the message of a choice", r#"{"choices":[{"message":{"error":{"message":"worker is gone"}}}]}"#)
            .says("worker is gone")
            .retried(),
        after_text("a line of JSON without a field", "\n{\"error\":{\"message\":\"worker is gone\"}}")
            .says("worker is gone"),

    ]
}

/// An error before any text.
fn first_errors() -> Vec<Row> {
    vec![
        first("an overload first", r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#)
            .says("Overloaded")
            .retried(),
        first("a key first", r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#)
            .fails("upstream_key"),
        first("a quota first", r#"{"code":"Arrearage","message":"Access denied, please make sure your account is in good standing."}"#)
            .fails("upstream_quota"),
        first("a model first", r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}"#)
            .fails("upstream_model")
            .says("gpt-first"),
        first("a region first", r#"{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported"}}"#)
            .fails("upstream_region"),
        first("a filter first", r#"{"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content.","type":"data_inspection_failed"}}"#)
            .fails("answer_filtered"),
        first("a name of an error first", "event: error\ndata: {\"code\":503,\"message\":\"no worker\"}")
            .says("no worker")
            .retried(),
        first("a list with an error first", r#"[{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED"}}]"#)
            .fails("upstream_busy")
            .retried(),
        first("an error as JSON data first", r#"{"error":{"message":"Input is too long.","type":"invalid_request_error"}}"#)
            .fails("upstream_refused")
            .says("Input is too long"),
        stream("a role, then an error", [
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"error":{"message":"The engine is overloaded","type":"server_error"}}"#,
        ])
        .fails("upstream_failed")
        .says("overloaded")
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

/// Finish reasons that end no answer.
fn finish_reasons() -> Vec<Row> {
    let finish = |name, reason: &str| {
        let chunk = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{reason}"}}]}}"#);
        stream(name, [&delta("The sky"), chunk.as_str(), DONE])
            .fails("upstream_failed")
            .after("The sky")
            .retried()
    };
    vec![
        finish("finish reason error", "error"),
        finish("finish reason in capitals", "ERROR"),
        finish("Zhipu's finish reason of a broken network", "network_error"),
        finish("DeepSeek's finish reason of an overload", "insufficient_system_resource"),
        finish("finish reason server_error", "server_error"),
        finish("finish reason abort", "abort"),
        finish("finish reason cancelled", "cancelled"),
        finish("finish reason timeout", "timeout"),
        finish("finish reason failed", "failed"),
        stream(
            "finish reason error without a text",
            [r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#, DONE],
        )
        .fails("upstream_failed")
        .retried(),
        stream(
            "finish reason error beside the last text",
            [
                &delta("The sky"),
                r#"{"choices":[{"delta":{"content":" is"},"finish_reason":"error"}]}"#,
                DONE,
            ],
        )
        .fails("upstream_failed")
        .after("The sky")
        .retried(),
        finish("finish reason failure", "failure"),
        finish("finish reason exception", "exception"),
        finish("finish reason provider_unavailable", "provider_unavailable"),
        finish("finish reason in one word", "NetworkError"),
    ]
}

/// Streams without a finish reason and without an end.
fn no_end() -> Vec<Row> {
    let chunk =
        |reason: &str| format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":{reason}}}]}}"#);
    vec![
        cut("no end", &[]),
        cut("null at the end", &[&chunk("null")]),
        cut("an empty finish reason at the end", &[&chunk("\"\"")]),
        cut("a blank finish reason at the end", &[&chunk("\" \"")]),
        cut("null as text at the end", &[&chunk("\"null\"")]),
        cut("a number as the finish reason", &[&chunk("0")]),
        cut("usage at the end", &[r#"{"choices":[],"usage":{"prompt_tokens":4}}"#]),
        cut("sources at the end", &[r#"{"sources":[{"title":"Sky"}]}"#]),
        cut("an end with a name alone", &["event: done\ndata: {}"]),
        cut("half an end", &["data: [DON"]),
        cut("a comment that says it is done", &[": [DONE]"]),
        cut("a finish reason of another choice", &[
            r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#,
        ]),
        cut("a finish reason outside of the choice", &[r#"{"choices":[],"finish_reason":"stop"}"#]),
        stream("comments alone", [": hi", ": hi"]).fails("upstream_failed"),
        stream("events of the API for responses", [
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"1\",\"error\":null}}",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"The sky\"}",
            "event: response.completed\ndata: {\"type\":\"response.completed\"}",
        ])
        .fails("upstream_failed"),
        cut("None as the finish reason", &[&chunk("\"None\"")]),
        cut("no reason of Google's", &[&chunk("\"FINISH_REASON_UNSPECIFIED\"")]),

    ]
}
