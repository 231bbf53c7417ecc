//! Rate limits and failures of the upstream. Most are retried.

use super::row::{Row, body, json, page};

pub(super) fn rows() -> Vec<Row> {
    [busy(), failed(), not_retried()].concat()
}

fn busy() -> Vec<Row> {
    let busy = |status, name, error: &str| {
        json(status, name, error).fails("upstream_busy").says("Retry-After: 0").retried()
    };
    vec![
        busy(
            429,
            "OpenAI: the rate",
            r#"{"error":{"message":"Rate limit reached for gpt-6 in organization org-1 on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Please try again in 2s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        ),
        busy(
            429,
            "Azure: the rate",
            r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation have exceeded token rate limit. Please retry after 5 seconds."}}"#,
        ),
        busy(
            429,
            "Gemini: a quota of the minute",
            r#"[{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateContentInputTokensPerModelPerMinute-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"36s"}]}}]"#,
        ),
        busy(
            429,
            "Bailian: the rate",
            r#"{"error":{"message":"Requests rate limit exceeded, please try again later.","type":"limit_requests","param":null,"code":"limit_requests"}}"#,
        ),
        busy(
            429,
            "Zhipu: the rate",
            r#"{"error":{"code":"1302","message":"您的账户已达到速率限制，请您控制请求频率"}}"#,
        ),
        busy(
            429,
            "Zhipu: too many users",
            r#"{"error":{"code":"1305","message":"该模型当前访问量过大，请您稍后再试"}}"#,
        ),
        busy(
            429,
            "Moonshot: concurrency",
            r#"{"error":{"message":"Your account org-1 request reached max organization concurrency: 1, please try again after 1 seconds","type":"rate_limit_reached_error"}}"#,
        ),
        busy(
            429,
            "Moonshot: an overload",
            r#"{"error":{"message":"The engine is currently overloaded, please try again later","type":"engine_overloaded_error"}}"#,
        ),
        busy(
            429,
            "SiliconFlow: the rate",
            r#"{"message":"Request was rejected due to rate limiting. Details:TPM limit reached.","data":null}"#,
        ),
        busy(
            429,
            "Baidu: the rate",
            r#"{"error":{"code":"rpm_rate_limit_exceeded","message":"Rate limit reached for RPM","type":"rate_limit_exceeded"},"id":"as-1"}"#,
        ),
        busy(
            429,
            "OpenRouter: a limit of the day",
            r#"{"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50"}}}}"#,
        ),
        busy(
            429,
            "OpenRouter: the provider's limit",
            r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"x/y:free is temporarily rate-limited upstream.","provider_name":"Chutes"}}}"#,
        ),
        busy(
            429,
            "LiteLLM: no deployment",
            r#"{"error":{"message":"No deployments available for selected model, Try again in 5 seconds. Passed model=gpt-6","type":"None","param":"None","code":"429"}}"#,
        ),
        busy(
            429,
            "new-api: a full group",
            r#"{"error":{"message":"当前分组上游负载已饱和，请稍后再试 (request id: 1)","type":"upstream_error","param":"429","code":"429"}}"#,
        ),
        busy(
            429,
            "Cloudflare: details of a problem",
            r#"{"type":"about:blank","title":"Error 1015: You are being rate limited","status":429,"detail":"The owner has rate limited you."}"#,
        ),
        busy(429, "a text", "Too Many Requests"),
        page(
            429,
            "nginx: a web page",
            "<html><head><title>429 Too Many Requests</title></head></html>",
        )
        .fails("upstream_busy")
        .retried(),
        body(429, "429 without a body", "").fails("upstream_busy").retried(),
        busy(
            503,
            "a code of the rate with 503",
            r#"{"error":{"message":"wait","code":"rate_limit_exceeded"}}"#,
        ),
    ]
}

fn failed() -> Vec<Row> {
    let failed =
        |status, name, error: &str| json(status, name, error).fails("upstream_failed").retried();
    let web = |status, name, html| page(status, name, html).fails("upstream_failed").retried();
    vec![
        failed(500, "OpenAI: a failure", r#"{"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","param":null,"code":null}}"#)
            .says("had an error while processing")
            .says("500"),
        failed(503, "OpenAI: an overload", r#"{"error":{"message":"That model is currently overloaded with other requests.","type":"server_error","param":null,"code":"server_is_overloaded"}}"#)
            .says("currently overloaded"),
        failed(503, "Gemini: an overload", r#"[{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}]"#)
            .says("The model is overloaded"),
        failed(503, "DeepSeek: an overload", r#"{"error":{"message":"Service is too busy. We advise users to temporarily switch to alternative LLM API service providers.","type":"service_unavailable_error","param":null,"code":"service_unavailable_error"}}"#)
            .says("Service is too busy"),
        failed(500, "Zhipu: a failure", r#"{"error":{"code":"1234","message":"网络错误，错误id：20261122，请联系客服"}}"#)
            .says("网络错误"),
        failed(500, "new-api: a failure behind it", r#"{"error":{"message":"bad response status code 500 (request id: 1)","type":"new_api_error","param":"","code":"bad_response_status_code"}}"#)
            .says("bad response status code 500"),
        failed(503, "SiliconFlow: an overload", r#"{"code":50505,"message":"Model service overloaded. Please try again later.","data":null}"#)
            .says("Model service overloaded"),
        failed(502, "OpenRouter: the provider's words", r#"{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"{\"error\":{\"message\":\"CUDA out of memory\"}}","provider_name":"x"}}}"#)
            .says("CUDA out of memory"),
        failed(503, "Hugging Face: a model that starts", r#"{"error":"Model x/y is currently loading","estimated_time":20.0}"#)
            .says("is currently loading"),
        failed(503, "llama.cpp: a model that starts", r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#)
            .says("Loading model"),
        failed(500, "Ollama: a process that has ended", r#"{"error":{"message":"llama runner process has terminated: exit status 2","type":"api_error","param":null,"code":null}}"#)
            .says("has terminated"),
        failed(500, "LiteLLM: a failure", r#"{"error":{"message":"litellm.APIConnectionError: Connection error.","type":null,"param":null,"code":"500"}}"#)
            .says("Connection error"),
        failed(500, "FastAPI: a failure", r#"{"detail":"Internal Server Error"}"#),
        failed(504, "AWS: a timeout", r#"{"message":"Endpoint request timed out"}"#).says("timed out"),
        failed(408, "a timeout of the request", r#"{"error":{"message":"Request timed out","code":408}}"#)
            .says("Request timed out"),
        failed(503, "Envoy: a text", "upstream connect error or disconnect/reset before headers. reset reason: connection failure")
            .says("connection failure"),
        failed(502, "Cloudflare: a number", "error code: 502").says("error code: 502"),
        failed(502, "a web page in the message", r#"{"error":{"message":"<html>\r\n<head><title>502 Bad Gateway</title></head></html>","type":"upstream_error"}}"#)
            .says("502")
            .hides("<"),
        web(502, "a large web page", &format!("<html>{}</html>", " ".repeat(1_200_000))),
        web(500, "nginx: 500", "<html><head><title>500 Internal Server Error</title></head></html>"),
        web(502, "nginx: 502", "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>")
            .says("502")
            .hides("<"),
        web(503, "a load balancer: 503", "<html><head><title>503 Service Temporarily Unavailable</title></head></html>"),
        web(504, "nginx: 504", "<html><head><title>504 Gateway Time-out</title></head></html>"),
        body(502, "Caddy: no body", "").fails("upstream_failed").says("502").retried(),
    ]
}

/// Statuses that are not retried.
fn not_retried() -> Vec<Row> {
    let failed = |status, name, body: &str| json(status, name, body).fails("upstream_failed");
    vec![
        failed(501, "501", ""),
        page(520, "Cloudflare: 520", "<!DOCTYPE html><html><head><title>520: Web server is returning an unknown error</title></head></html>")
            .fails("upstream_failed")
            .says("520"),
        page(524, "Cloudflare: 524", "<!DOCTYPE html><html><head><title>524: A timeout occurred</title></head></html>")
            .fails("upstream_failed")
            .says("524"),
        failed(529, "Anthropic: 529", r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#)
            .says("Overloaded")
            .says("529"),
        failed(530, "Cloudflare: 530", "error code: 1016").says("error code: 1016"),
    ]
}
