//! Refused requests: the upstream's words are shown, wherever they stand.

use super::parts::DONE;
use super::row::{Row, body, json, page, stream};

const STREAM: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"content\":\"The sky is blue.\"}}]}\n\n",
    "data: [DONE]\n\n"
);

fn refused(status: u16, name: &str, error: impl Into<Vec<u8>>) -> Row {
    json(status, name, error).fails("upstream_refused")
}

pub(super) fn rows() -> Vec<Row> {
    [providers(), places(), paths(), sizes(), streams_only(), filters()].concat()
}

fn providers() -> Vec<Row> {
    vec![
        refused(400, "OpenAI: a long context", r#"{"error":{"message":"This model's maximum context length is 16385 tokens. However, your messages resulted in 20000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#)
            .says("maximum context length is 16385 tokens")
            .says("400"),
        refused(400, "OpenAI: a parameter", r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#)
            .says("Use 'max_completion_tokens' instead"),
        refused(400, "OpenAI: a model that cannot stream", r#"{"error":{"message":"Unsupported value: 'stream' does not support true with this model. Only the default (false) value is supported.","type":"invalid_request_error","param":"stream","code":"unsupported_value"}}"#)
            .says("'stream' does not support true")
            .hides("ASK_PARTIAL"),
        refused(403, "Azure: a firewall", r#"{"error":{"code":"403","message":"Access denied due to Virtual Network/Firewall rules."}}"#)
            .says("Firewall rules")
            .says("403"),
        refused(400, "Gemini: a role", r#"[{"error":{"code":400,"message":"Please use a valid role: user, model.","status":"INVALID_ARGUMENT"}}]"#)
            .says("Please use a valid role: user, model."),
        refused(400, "Bailian: thinking without a stream", r#"{"error":{"code":"invalid_parameter_error","param":null,"message":"parameter.enable_thinking must be set to false for non-streaming calls","type":"invalid_request_error"},"request_id":"1"}"#)
            .says("enable_thinking must be set to false"),
        refused(400, "Zhipu: a parameter", r#"{"error":{"code":"1214","message":"messages 参数非法。请检查文档。"}}"#)
            .says("messages 参数非法"),
        refused(422, "Mistral: an unknown member", r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":1}]},"type":"invalid_request_error","param":null,"code":null}"#)
            .says("Extra inputs are not permitted"),
        refused(422, "Cloudflare: a list of errors", r#"{"errors":[{"message":"AiError: Bad input: Error: oneOf at '/' not met","code":5006}],"success":false,"result":{},"messages":[]}"#)
            .says("oneOf at '/' not met"),
        refused(400, "Cloudflare's gateway: error as a list", r#"{"success":false,"result":[],"messages":[],"error":[{"code":2001,"message":"Please configure AI Gateway"}]}"#)
            .says("Please configure AI Gateway"),
        refused(422, "Hugging Face: error as a list of texts", r#"{"error":["Error in `inputs`: field required"],"warnings":[]}"#)
            .says("field required"),
        refused(400, "llama.cpp: a long context", r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#)
            .says("exceeds the available context size"),
        refused(403, "AWS: no route", r#"{"message":"Missing Authentication Token"}"#)
            .says("Missing Authentication Token"),
        refused(400, "OpenRouter: the provider's words", r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"temperature is too hot\",\"type\":\"invalid_request_error\"}}","provider_name":"Together"}},"user_id":"user_1"}"#)
            .says("temperature is too hot"),
        refused(400, "LiteLLM: words of words", r#"{"error":{"message":"litellm.BadRequestError: OpenAIException - temperature is too hot. Received Model Group=x","type":null,"param":null,"code":"400"}}"#)
            .says("temperature is too hot"),
        page(403, "Cloudflare: a challenge", "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>")
            .fails("upstream_refused")
            .says("403"),
        body(403, "Cloudflare: a number", "error code: 1020")
            .header("content-type: text/plain")
            .fails("upstream_refused")
            .says("error code: 1020"),
        page(400, "nginx: a port for HTTPS", "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>")
            .fails("upstream_refused")
            .says("400"),
        refused(400, "upstream in the words, and what is supported", r#"{"error":{"message":"upstream error: this model only supports text input"}}"#)
            .says("only supports text input")
            .hides("ASK_PARTIAL"),
        refused(400, "a parameter for streams", r#"{"error":{"message":"'stream_options' is only supported when 'stream' is enabled"}}"#)
            .says("stream_options")
            .hides("ASK_PARTIAL"),
        refused(400, "a picture that the model did not find", r#"{"error":{"message":"The model could not read the picture: https://example.com/a.png was not found","code":"invalid_image_url"}}"#)
            .says("could not read the picture"),
        refused(400, "a key in the words of another error", r#"{"error":{"message":"Invalid parameter: temperature must be below 2 (api_key ending in 8Gf)"}}"#)
            .says("temperature must be below 2"),

    ]
}

/// The same words in each place.
fn places() -> Vec<Row> {
    let place = |name, error: &str| refused(400, name, error).says("temperature is too hot");
    vec![
        place("error as a text", r#"{"error":"temperature is too hot"}"#),
        place("error as a list of objects", r#"{"error":[{"message":"temperature is too hot"}]}"#),
        place("error as JSON in a text", r#"{"error":"{\"message\":\"temperature is too hot\"}"}"#),
        place("error in an error", r#"{"error":{"error":{"message":"temperature is too hot"}}}"#),
        place("a list of errors", r#"[{"error":{"message":"temperature is too hot"}}]"#),
        place("a list of texts", r#"["temperature is too hot"]"#),
        place("message as a text", r#"{"message":"temperature is too hot","code":1}"#),
        place("message as an object", r#"{"message":{"detail":"temperature is too hot"}}"#),
        place("message as a list", r#"{"message":["temperature is too hot"]}"#),
        place("message as a list of objects", r#"{"message":[{"msg":"temperature is too hot"}]}"#),
        place("message as JSON in a text", r#"{"error":{"message":"{\"error\":{\"message\":\"temperature is too hot\"}}"}}"#),
        place("detail as a text", r#"{"detail":"temperature is too hot"}"#),
        place("detail as a list", r#"{"detail":[{"loc":["body","temperature"],"msg":"temperature is too hot","type":"value_error"}]}"#),
        place("detail as an object", r#"{"detail":{"error":"temperature is too hot"}}"#),
        place("msg", r#"{"code":400,"msg":"temperature is too hot"}"#),
        place("error_msg", r#"{"error_code":336003,"error_msg":"temperature is too hot"}"#),
        place("error_message", r#"{"error_message":"temperature is too hot"}"#),
        place("error_description", r#"{"error":"invalid_request","error_description":"temperature is too hot"}"#),
        place("errors as a list of objects", r#"{"errors":[{"message":"temperature is too hot"}]}"#),
        place("errors as a list of texts", r#"{"errors":["temperature is too hot"]}"#),
        place("errors as an object", r#"{"errors":{"message":"temperature is too hot","request_id":"1"}}"#),
        place("metadata.raw as a text", r#"{"error":{"message":"Provider returned error","metadata":{"raw":"temperature is too hot"}}}"#),
        place("metadata.raw as an object", r#"{"error":{"message":"Provider returned error","metadata":{"raw":{"error":{"message":"temperature is too hot"}}}}}"#),
        place("base_resp", r#"{"base_resp":{"status_code":2013,"status_msg":"temperature is too hot"}}"#),
        place("a text", "temperature is too hot"),
        place("a text as JSON", r#""temperature is too hot""#),
        place("behind a byte order mark", "\u{feff}{\"error\":{\"message\":\"temperature is too hot\"}}").hides("{"),
        place("behind blank lines", "\n\n {\"error\":{\"message\":\"temperature is too hot\"}}\n"),
        place("beside half a surrogate pair", r#"{"error":{"message":"temperature is too hot \ud83d"}}"#),
        refused(400, "words that hold the key", r#"{"error":{"message":"temperature is too hot for sk-Zq7Wx3Vb9Nm1Lk5Jh8Gf (Zq7W...h8Gf)"}}"#)
            .says("temperature is too hot for […]"),
        refused(400, "words that hold another key", r#"{"detail":"temperature is too hot for sk-proj-abc and org-xyz1"}"#)
            .says("temperature is too hot for […] and […]")
            .hides("xyz1"),
        refused(400, "a key in the words of a list", r#"{"errors":[{"message":"temperature is too hot for 5Jh8Gf"}]}"#)
            .says("temperature is too hot for […]"),
        refused(400, "words that are not UTF-8", &b"{\"error\":{\"message\":\"\xb2\xce\xca\xfd\"}}"[..]).says("400"),
        refused(403, "words that are not UTF-8 beside a code", &b"{\"code\":\"insufficient_quota\",\"message\":\"\xb2\xce\xca\xfd\"}"[..])
            .fails("upstream_quota"),
        refused(400, "long words", format!(r#"{{"error":{{"message":"too hot {} end"}}}}"#, "x ".repeat(2000)))
            .says("too hot x x x")
            .hides("end"),
        refused(400, "no words", "{}").says("400"),
        json(
            400,
            "words in an event",
            "data: {\"error\":{\"message\":\"temperature is too hot\"}}\n\ndata: [DONE]\n\n",
        )
        .labelled("text/event-stream")
        .fails("upstream_refused")
        .says("temperature is too hot")
        .hides("data:"),
        stream("llama.cpp: a field of the name error first", [
            "error: {\"code\":400,\"message\":\"the request exceeds the available context size\",\"type\":\"invalid_request_error\"}",
            DONE,
        ])
        .fails("upstream_refused")
        .says("exceeds the available context size"),

        place("fields as names", r#"{"errors":{"temperature":["temperature is too hot"]}}"#),
        place("fields as names in message", r#"{"message":{"temperature":["temperature is too hot"]}}"#),
        place("a title", r#"{"type":"about:blank","title":"temperature is too hot","status":400}"#),
        place("a title and errors", r#"{"title":"Bad Request","errors":{"temperature":["temperature is too hot"]}}"#),
        place("errorMessage", r#"{"errorMessage":"temperature is too hot"}"#),
        place("errmsg", r#"{"errcode":1,"errmsg":"temperature is too hot"}"#),
        place("Message", r#"{"Code":"BadRequest","Message":"temperature is too hot"}"#),
        place("Response.Error.Message", r#"{"Response":{"Error":{"Code":"X","Message":"temperature is too hot"}}}"#),
        place("faultstring", r#"{"fault":{"faultstring":"temperature is too hot"}}"#),
        refused(400, "a code without words", r#"{"error":{"code":"temperature_too_hot"}}"#).says("temperature_too_hot"),
        refused(400, "a code that holds the key", r#"{"error":{"code":"bad_Zq7Wx3Vb9Nm1Lk5Jh8Gf"}}"#).says("bad_"),

    ]
}

/// The host or the path is wrong.
fn paths() -> Vec<Row> {
    let path = |row: Row| row.fails("upstream_refused").says("OPENAI_BASE_URL");
    let moved = |status, name| {
        path(body(status, name, "")).header("location: https://example.com/v1/chat/completions")
    };
    vec![
        path(json(404, "OpenAI: an unknown URL", r#"{"error":{"message":"Invalid URL (POST /chat/completions)","type":"invalid_request_error","param":null,"code":null}}"#))
            .says("Invalid URL (POST /chat/completions)"),
        path(json(404, "Azure: no resource", r#"{"error":{"code":"404","message": "Resource not found"}}"#)),
        path(json(404, "FastAPI: no route", r#"{"detail":"Not Found"}"#)),
        path(json(405, "FastAPI: another method", r#"{"detail":"Method Not Allowed"}"#)),
        path(json(404, "Kong: no route", r#"{"message":"no Route matched with those values"}"#))
            .says("no Route matched"),
        path(json(404, "Spring: no route", r#"{"timestamp":"2026-11-22T00:00:00Z","status":404,"error":"Not Found","path":"/chat/completions"}"#)),
        path(json(404, "NVIDIA: no function", r#"{"status":404,"title":"Not Found","detail":"Function id 'x': Specified function in account 'y' is not found"}"#))
            .says("is not found"),
        path(body(404, "Go: a text", "404 page not found\n")).says("404 page not found"),
        path(body(404, "Vercel: a text", "The page could not be found\n\nNOT_FOUND\n\nhkg1::1\n"))
            .says("The page could not be found"),
        path(page(404, "nginx: a web page", "<html>\r\n<head><title>404 Not Found</title></head>\r\n</html>"))
            .says("404"),
        path(page(405, "nginx: a file", "<html><head><title>405 Not Allowed</title></head></html>")),
        path(body(404, "404 without a body", "")),
        moved(301, "moved"),
        moved(302, "found"),
        moved(307, "moved for now"),
        moved(308, "moved for good"),
        path(page(301, "moved by nginx", "<html><head><title>301 Moved Permanently</title></head></html>"))
            .header("location: https://example.com/"),
    ]
}

/// Requests that can never fit. The code of a rate limit does not count.
fn sizes() -> Vec<Row> {
    vec![
        refused(413, "Groq: too many tokens", r#"{"error":{"message":"Request too large for model `llama-3.1-8b-instant` in organization `org_1` on tokens per minute (TPM): Limit 6000, Requested 8000, please reduce your message size and try again.","type":"tokens","code":"rate_limit_exceeded"}}"#)
            .says("reduce your message size")
            .says("413"),
        refused(429, "OpenAI: too many tokens for the limit", r#"{"error":{"message":"Request too large for gpt-6 on tokens per min (TPM): Limit 30000, Requested 43240. The input or output tokens must be reduced in order to run successfully.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#)
            .says("tokens must be reduced"),
        refused(413, "a code of a rate limit alone", r#"{"error":{"message":"too big","code":"rate_limit_exceeded"}}"#)
            .says("too big"),
        page(413, "nginx: a large body", "<html><head><title>413 Request Entity Too Large</title></head></html>")
            .fails("upstream_refused")
            .says("413"),
    ]
}

/// Models that only answer in streams.
fn streams_only() -> Vec<Row> {
    let only = |name, error: &str| refused(400, name, error).says("ASK_PARTIAL=1");
    vec![
        only("Bailian: streams only", r#"{"error":{"code":"invalid_parameter_error","param":null,"message":"This model only support stream mode, please enable the stream parameter to access the model. ","type":"invalid_request_error"},"request_id":"1"}"#)
            .says("only support stream mode"),
        only("streams only, in Chinese", r#"{"code":400,"msg":"该模型仅支持流式输出，请设置 stream=true"}"#)
            .says("该模型仅支持流式输出"),
        only("a model that streams if it is asked to", r#"{"error":{"message":"This model only supports streaming"}}"#)
            .or_if_streamed(
                body(200, "", STREAM)
                    .header("content-type: text/event-stream")
                    .answers("The sky is blue.")
                    .ends(""),
            ),
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

fn filters() -> Vec<Row> {
    let filter = |name, error: &str| json(400, name, error).fails("answer_filtered");
    vec![
        filter(
            "Azure: a filter",
            r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        ),
        filter(
            "Bailian: an inspection",
            r#"{"error":{"code":"data_inspection_failed","param":null,"message":"Input data may contain inappropriate content.","type":"data_inspection_failed"},"request_id":"1"}"#,
        ),
        filter(
            "DashScope: an inspection",
            r#"{"code":"DataInspectionFailed","message":"Output data may contain inappropriate content.","request_id":"1"}"#,
        ),
        filter(
            "Moonshot: a filter",
            r#"{"error":{"message":"The request was rejected because it was considered high risk","type":"content_filter"}}"#,
        ),
        filter(
            "new-api: words",
            r#"{"error":{"message":"用户消息包含敏感词","type":"new_api_error","code":"sensitive_words_detected"}}"#,
        ),
        filter(
            "Zhipu: a filter",
            r#"{"contentFilter":[{"level":1,"role":"user"}],"error":{"code":"1301","message":"系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合。"}}"#,
        ),
        filter(
            "Volcengine: a filter",
            r#"{"error":{"code":"InputTextSensitiveContentDetected","message":"The request failed because the input text may contain sensitive information.","param":"","type":"BadRequest"}}"#,
        ),
    ]
}
