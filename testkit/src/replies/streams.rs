//! Answers as events, as each provider writes them.

use super::parts::{DONE, SKY, STOP, delta, message};
use super::row::{Row, stream};

/// A chunk with both.
fn both(message: &str, delta: &str) -> String {
    format!(
        r#"{{"choices":[{{"message":{{"content":"{message}"}},"delta":{{"content":"{delta}"}}}}]}}"#
    )
}

/// The answer in two chunks, another event between them, and its end.
fn with(name: &str, between: &str) -> Row {
    stream(name, [&delta("The sky"), between, &delta(" is blue."), STOP, DONE]).answers(SKY)
}

/// The answer in one chunk, these events, and nothing more.
fn then(name: &str, events: &[&str]) -> Row {
    let text = delta(SKY);
    stream(name, [text.as_str()].into_iter().chain(events.iter().copied())).answers(SKY)
}

pub(super) fn rows() -> Vec<Row> {
    [providers(), lines(), messages(), passed_over(), finish_reasons()].concat()
}

fn providers() -> Vec<Row> {
    vec![
        stream(
            "OpenAI with usage",
            [
                r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-6-luna","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aa"}"#,
                r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-6-luna","choices":[{"index":0,"delta":{"content":"The sky"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
                r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-6-luna","choices":[{"index":0,"delta":{"content":" is blue."},"logprobs":null,"finish_reason":null}],"usage":null}"#,
                r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-6-luna","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
                r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-6-luna","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}"#,
                DONE,
            ],
        )
        .answers(SKY)
        .by("gpt-6-luna")
        .counts(19, 10),
        stream(
            "Azure with filter results first and last",
            [
                r#"{"choices":[],"created":0,"id":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}"#,
                r#"{"choices":[{"content_filter_results":{},"delta":{"content":"","refusal":null,"role":"assistant"},"finish_reason":null,"index":0,"logprobs":null}],"object":"chat.completion.chunk"}"#,
                r#"{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{"content":"The sky is blue."},"finish_reason":null,"index":0}]}"#,
                r#"{"choices":[{"content_filter_offsets":{"check_offset":44,"start_offset":44,"end_offset":198},"content_filter_results":{"error":{"code":"content_filter_error","message":"The contents are not filtered"}},"finish_reason":null,"index":0}]}"#,
                r#"{"choices":[{"content_filter_results":{},"delta":{},"finish_reason":"stop","index":0}]}"#,
                DONE,
            ],
        )
        .answers(SKY),
        stream(
            "Gemini with a finish reason in every chunk",
            [
                r#"{"choices":[{"delta":{"content":"The sky","role":"assistant"},"finish_reason":"stop","index":0}],"model":"gemini-3-flash"}"#,
                r#"{"choices":[{"delta":{"content":" is","role":"assistant"},"finish_reason":"stop","index":0}],"model":"gemini-3-flash"}"#,
                r#"{"choices":[{"delta":{"content":" blue.","role":"assistant"},"finish_reason":"stop","index":0}],"model":"gemini-3-flash","usage":{"completion_tokens":5,"prompt_tokens":4}}"#,
                DONE,
            ],
        )
        .answers(SKY)
        .by("gemini-3-flash")
        .counts(4, 5),
        stream(
            "DeepSeek with reasoning and comments",
            [
                ": keep-alive",
                r#"{"id":"1","model":"deepseek-flash","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":""},"finish_reason":null}]}"#,
                r#"{"id":"1","model":"deepseek-flash","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"Rayleigh."},"finish_reason":null}]}"#,
                ": keep-alive",
                r#"{"id":"1","model":"deepseek-flash","choices":[{"index":0,"delta":{"content":"The sky is blue.","reasoning_content":null},"finish_reason":null}]}"#,
                r#"{"id":"1","model":"deepseek-flash","choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":9}}"#,
                DONE,
            ],
        )
        .answers(SKY)
        .by("deepseek-flash")
        .counts(4, 9),
        stream(
            "Kimi with usage in the choice",
            [
                &delta(SKY),
                r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":4,"completion_tokens":5}}]}"#,
                DONE,
            ],
        )
        .answers(SKY),
        stream(
            "Zhipu with text in the last chunk",
            [
                r#"{"id":"1","created":1,"model":"glm-5.3","choices":[{"index":0,"delta":{"role":"assistant","content":"The sky"}}]}"#,
                r#"{"id":"1","created":1,"model":"glm-5.3","choices":[{"index":0,"finish_reason":"stop","delta":{"role":"assistant","content":" is blue."}}],"usage":{"prompt_tokens":4,"completion_tokens":5}}"#,
                DONE,
            ],
        )
        .answers(SKY)
        .by("glm-5.3")
        .counts(4, 5),
        stream(
            "MiniMax with the whole message last and no end",
            [
                r#"{"id":"1","choices":[{"index":0,"delta":{"content":"The sky","role":"assistant"}}],"model":"MiniMax-M2.7","object":"chat.completion.chunk"}"#,
                r#"{"id":"1","choices":[{"finish_reason":"stop","index":0,"delta":{"content":" is blue.","role":"assistant"}}],"model":"MiniMax-M2.7","object":"chat.completion.chunk"}"#,
                r#"{"id":"1","choices":[{"finish_reason":"stop","index":0,"message":{"content":"The sky is blue.","role":"assistant"}}],"model":"MiniMax-M2.7","object":"chat.completion","usage":{"total_tokens":9,"prompt_tokens":4,"completion_tokens":5},"base_resp":{"status_code":0,"status_msg":""}}"#,
            ],
        )
        .answers(SKY)
        .by("MiniMax-M2.7")
        .counts(4, 5),
        stream(
            "Spark with a code in every chunk",
            [
                r#"{"code":0,"message":"Success","sid":"1","choices":[{"delta":{"role":"assistant","content":"The sky"},"index":0}]}"#,
                r#"{"code":0,"message":"Success","sid":"1","choices":[{"delta":{"role":"assistant","content":" is blue."},"index":0}],"usage":{"prompt_tokens":4,"completion_tokens":5}}"#,
                DONE,
            ],
        )
        .answers(SKY)
        .ends("")
        .counts(4, 5),
        stream(
            "Mistral with thinking in parts",
            [
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"Rayleigh."}]}]},"finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"The sky"}]},"finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":" is blue."},"finish_reason":"stop"}]}"#,
                DONE,
            ],
        )
        .answers(SKY),
        stream(
            "OpenRouter with comments and the provider's reason",
            [
                ": OPENROUTER PROCESSING",
                r#"{"id":"gen-1","provider":"DeepInfra","model":"meta/llama-4","choices":[{"index":0,"delta":{"role":"assistant","content":"The sky is blue."},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}"#,
                ": OPENROUTER PROCESSING",
                r#"{"id":"gen-1","provider":"DeepInfra","model":"meta/llama-4","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop","native_finish_reason":"stop","logprobs":null}]}"#,
                r#"{"id":"gen-1","provider":"DeepInfra","model":"meta/llama-4","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"native_finish_reason":null}],"usage":{"prompt_tokens":4,"completion_tokens":5}}"#,
                DONE,
            ],
        )
        .answers(SKY)
        .by("meta/llama-4")
        .counts(4, 5),
        stream(
            "Groq with its own member",
            [
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"The sky is blue."},"finish_reason":null}],"x_groq":{"id":"req_1"}}"#,
                r#"{"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"x_groq":{"id":"req_1","usage":{"prompt_tokens":4}}}"#,
                DONE,
            ],
        )
        .answers(SKY),
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

    ]
}

/// The lines of events, in every form that the standard allows.
fn lines() -> Vec<Row> {
    fn pieces<const N: usize>(name: &str, pieces: [Vec<u8>; N]) -> Row {
        stream(name, [""; 0]).pieces(pieces.into())
    }
    let text = |content: &str, end: &str| format!("data:{}{end}", delta(content));
    let crlf = [text("The sky", "\r\n\r\n"), text(" is blue.", "\r\n\r\n")];
    let cr = [text("The sky", "\r\r"), text(" is blue.", "\r\r")];
    let split = delta("你好😀").into_bytes();
    let at = split.windows(4).position(|bytes| bytes == "😀".as_bytes()).unwrap_or_default() + 2;
    vec![
        pieces(
            "no blank behind the colon",
            [text(SKY, "\n\n").into(), b"data:[DONE]\n\n".to_vec()],
        )
        .answers(SKY)
        .ends(""),
        pieces("CRLF", [crlf.concat().into(), b"data: [DONE]\r\n\r\n".to_vec()])
            .answers(SKY)
            .ends(""),
        pieces("CR", [cr.concat().into(), b"data: [DONE]\r\r".to_vec()]).answers(SKY).ends(""),
        pieces(
            "events in one piece",
            [format!("data: {}\n\ndata: {STOP}\n\ndata: [DONE]\n\n", delta(SKY)).into()],
        )
        .answers(SKY),
        pieces(
            "a character in two pieces",
            [[b"data: ", &split[..at]].concat(), [&split[at..], b"\n\ndata: [DONE]\n\n"].concat()],
        )
        .answers("你好😀")
        .ends(""),
        then(
            "data on two lines",
            &["data: {\"choices\":[{\"delta\":{},\ndata: \"finish_reason\":\"stop\"}]}", DONE],
        ),
        then("id, retry and unknown fields", &["id: 7\nretry: 3000\nx: y\n: z", STOP, DONE]),
        stream("an id first", [&format!("id: 1\ndata: {}", delta(SKY)), STOP, DONE])
            .labelled("")
            .answers(SKY),
        stream("retry first", ["retry: 3000", &delta(SKY), STOP, DONE]).labelled("").answers(SKY),
        then("the name of every event", &[&format!("event: message\ndata: {STOP}"), DONE]),
        then("no blank line behind the last event", &[]).followed_by(format!("data: {STOP}\n")),
        then("blanks before the data", &[&format!("data:  \t{STOP}"), DONE]),
        then("no line end behind the last event", &[]).followed_by(format!("data: {STOP}")),
        stream("an unknown field first", ["x-request: 1", &delta(SKY), STOP, DONE]).answers(SKY),
    ]
}

/// Chunks with `message`.
fn messages() -> Vec<Row> {
    vec![
        stream(
            "all the text in message beside delta",
            [&both("The", "The"), &both("The sky", " sky"), &both(SKY, " is blue."), STOP, DONE],
        )
        .answers(SKY),
        stream(
            "an empty message beside every delta",
            [&both("", "The sky"), &both("", " is blue."), STOP, DONE],
        )
        .answers(SKY),
        stream(
            "all the text in message beside an empty last delta",
            [
                &delta(SKY),
                r#"{"choices":[{"delta":{},"message":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#,
                DONE,
            ],
        )
        .answers(SKY),
        stream(
            "another text in message beside delta",
            [&both("No.", "The sky"), &both("Never.", " is blue."), STOP, DONE],
        )
        .answers(SKY),
        stream("all the text in the last message", [&delta("The sky is"), &delta(" blue."), &message(SKY), DONE])
            .answers(SKY)
            .ends(""),
        stream("more text in the last message", [&delta("The sky"), &message(SKY), DONE])
            .answers(SKY)
            .ends(""),
        stream("the text so far in every message", [&message("The"), &message("The sky"), &message(SKY), DONE])
            .answers(SKY)
            .ends(""),
        stream("the same message again", [&message("The sky"), &message("The sky"), &message(SKY), DONE])
            .answers(SKY)
            .ends(""),
        stream("the next piece in every message", [&message("The"), &message(" sky"), &message(" is blue."), DONE])
            .answers(SKY)
            .ends(""),
        stream("an empty message between deltas", [&delta("The sky"), &message(""), &delta(" is blue."), STOP, DONE])
            .answers(SKY),
        stream(
            "a null delta beside message",
            [r#"{"choices":[{"delta":null,"message":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#, DONE],
        )
        .answers(SKY),
        stream(
            "a whole completion as the only event",
            [r#"{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"The sky is blue."},"finish_reason":"stop"}]}"#],
        )
        .answers(SKY),
        stream(
            "a refusal after the text",
            [&delta(SKY), r#"{"choices":[{"delta":{"refusal":"No."}}]}"#, STOP, DONE],
        )
        .answers(SKY),
        stream(
            "refusal in pieces",
            [
                r#"{"choices":[{"delta":{"role":"assistant","content":null,"refusal":"I can't"}}]}"#,
                r#"{"choices":[{"delta":{"refusal":" help with that."}}]}"#,
                STOP,
                DONE,
            ],
        )
        .answers("I can't help with that."),
    ]
}

/// Events that are no part of the answer and no error.
fn passed_over() -> Vec<Row> {
    vec![
        with("a ping", r#"{"type":"ping"}"#),
        with("a ping with a name", "event: ping\ndata: {}"),
        with("a heartbeat that is no JSON", "event: heartbeat\ndata: 2026-11-22T00:00:00Z"),
        with("null", "data: null"),
        with("a ping as a text in JSON", "event: ping\ndata: \"pong\""),
        with("a list of sources with a name", "event: sources\ndata: [{\"title\":\"Errors\"}]"),
        with("an event without data", "event: x"),
        with("an empty object", "{}"),
        with("sources", r#"{"sources":[{"title":"Errors","url":"https://example.com/error"}]}"#),
        with("citations", r#"{"citations":["https://example.com"],"images":[]}"#),
        with("usage without choices", r#"{"usage":{"prompt_tokens":4,"completion_tokens":5}}"#)
            .counts(4, 5),
        with(
            "usage with choices null",
            r#"{"choices":null,"usage":{"prompt_tokens":4,"completion_tokens":5}}"#,
        )
        .counts(4, 5),
        with("a code of a success", r#"{"code":0,"message":"ok","data":null}"#),
        with("success as the code", r#"{"code":"Success","message":"done"}"#),
        with("OK as the code", r#"{"code":"OK","msg":"done"}"#),
        with("an empty code", r#"{"code":"","message":"done"}"#),
        with("a code of a success as text", r#"{"code":"200","msg":"success"}"#),
        with("empty error members", r#"{"error":null,"errors":[],"detail":"","error_code":0}"#),
        with("an empty error", r#"{"choices":[],"error":{"message":"","code":null}}"#),
        with("a choice with an empty error", r#"{"choices":[{"index":0,"delta":{},"error":{}}]}"#),
        with("a status of a success", r#"{"base_resp":{"status_code":0,"status_msg":"success"}}"#),
        with("progress", r#"{"object":"chat.completion.progress","status":"processing"}"#),
        with("another choice", r#"{"choices":[{"index":1,"delta":{"content":"No."}}]}"#),
        with("an empty list", "data: []"),
        with(
            "filter results",
            r#"{"choices":[],"prompt_filter_results":[{"content_filter_results":{"hate":{"filtered":false}}}]}"#,
        ),
        with("an error of the word none", r#"{"error":"None","code":"ok","message":"ok"}"#),
        with("a status of a success as a number", r#"{"status":200,"message":"ok"}"#),
        with(
            "a source with a code",
            r#"{"type":"source","code":"a1","title":"Errors","url":"https://example.com"}"#,
        ),
    ]
}

fn finish_reasons() -> Vec<Row> {
    let ending = |name, reason: &str| {
        let end = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":{reason}}}]}}"#);
        stream(name, [&delta("The sky is"), end.as_str(), DONE]).answers("The sky is")
    };
    let chunk = |content: &str, reason: &str| {
        format!(r#"{{"choices":[{{"delta":{{"content":"{content}"}},"finish_reason":{reason}}}]}}"#)
    };
    vec![
        ending("length", r#""length""#).ends("length"),
        ending("content_filter", r#""content_filter""#).ends("content_filter"),
        ending("tool_calls", r#""tool_calls""#).ends("tool_calls"),
        then("a finish reason and no end", &[STOP]),
        then("length and no end", &[r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#])
            .ends("length"),
        then("an end and no finish reason", &[DONE]).ends(""),
        stream(
            "an empty finish reason in every chunk",
            [&chunk("The sky", "\"\""), &chunk(" is blue.", "\"\""), DONE],
        )
        .answers(SKY)
        .ends(""),
        stream(
            "null as text in every chunk",
            [&chunk("The sky", "\"null\""), &chunk(" is blue.", "\"stop\"")],
        )
        .answers(SKY),
        then(
            "usage after the finish reason",
            &[STOP, r#"{"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":5}}"#],
        )
        .counts(4, 5),
        stream(
            "another finish reason in the last chunk",
            [
                &chunk("The sky", "\"stop\""),
                &chunk(" is", "\"stop\""),
                &chunk("", "\"length\""),
                DONE,
            ],
        )
        .answers("The sky is")
        .ends("length"),
        then("a null finish reason after the real one", &[STOP, &delta(""), DONE]),
        stream("no text", [STOP, DONE]).fails("answer_empty"),
        stream("an end alone", [DONE]).fails("answer_empty"),
        stream(
            "reasoning up to the limit",
            [
                r#"{"choices":[{"delta":{"reasoning_content":"Rayleigh."}}]}"#,
                r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#,
                DONE,
            ],
        )
        .fails("answer_empty")
        .says("ASK_EXTRA")
        .hides("Rayleigh"),
        stream(
            "filtered",
            [r#"{"choices":[{"delta":{"content":""},"finish_reason":"content_filter"}]}"#, DONE],
        )
        .fails("answer_filtered"),
        stream(
            "filtered by Zhipu",
            [r#"{"choices":[{"delta":{},"finish_reason":"sensitive"}]}"#, DONE],
        )
        .fails("answer_filtered"),
        then("eos as the finish reason", &[r#"{"choices":[{"delta":{},"finish_reason":"eos"}]}"#])
            .ends("eos"),
        then(
            "the finish reason of another API",
            &[r#"{"choices":[{"delta":{},"finish_reason":"end_turn"}]}"#],
        )
        .ends("end_turn"),
        stream(
            "reasoning up to another limit",
            [r#"{"choices":[{"delta":{},"finish_reason":"MAX_TOKENS"}]}"#, DONE],
        )
        .fails("answer_empty")
        .says("ASK_EXTRA"),
    ]
}
