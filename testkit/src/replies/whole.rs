//! Answers as JSON, as each provider writes them, and replies without an answer.

use super::parts::SKY;
use super::row::{Row, json};

/// A completion whose only choice has this message.
fn message(name: &str, message: &str) -> Row {
    json(200, name, format!(r#"{{"choices":[{{"message":{message},"finish_reason":"stop"}}]}}"#))
}

/// A completion with these choices.
fn choices(name: &str, choices: &str) -> Row {
    json(200, name, format!(r#"{{"choices":{choices}}}"#))
}

/// A complete answer with another member beside the choices.
fn beside(name: &str, member: &str) -> Row {
    let choice = r#"{"message":{"content":"The sky is blue."},"finish_reason":"stop"}"#;
    json(200, name, format!(r#"{{{member},"choices":[{choice}]}}"#)).answers(SKY)
}

pub(super) fn rows() -> Vec<Row> {
    [providers(), texts(), finish_reasons(), empty_errors(), no_answer()].concat()
}

fn providers() -> Vec<Row> {
    vec![
        json(
            200,
            "OpenAI",
            r#"{
  "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
  "object": "chat.completion",
  "created": 1741569952,
  "model": "gpt-6-luna",
  "choices": [
    {
      "index": 0,
      "message": {"role": "assistant", "content": "The sky is blue.", "refusal": null, "annotations": []},
      "logprobs": null,
      "finish_reason": "stop"
    }
  ],
  "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29, "prompt_tokens_details": {"cached_tokens": 0}},
  "service_tier": "default",
  "system_fingerprint": null
}
"#,
        )
        .answers(SKY)
        .by("gpt-6-luna")
        .counts(19, 10),
        json(
            200,
            "Azure with filter results",
            r#"{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"finish_reason":"stop","index":0,"logprobs":null,"message":{"content":"The sky is blue.","role":"assistant"}}],"created":1741569952,"id":"chatcmpl-1","model":"gpt-6-luna","object":"chat.completion","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"jailbreak":{"filtered":false,"detected":false}}}],"usage":{"completion_tokens":5,"prompt_tokens":11,"total_tokens":16}}"#,
        )
        .answers(SKY)
        .by("gpt-6-luna")
        .counts(11, 5),
        json(
            200,
            "Azure with a filter that failed beside the answer",
            r#"{"choices":[{"content_filter_result":{"error":{"code":"content_filter_error","message":"The contents are not filtered"}},"finish_reason":"stop","index":0,"message":{"content":"The sky is blue.","role":"assistant"}}]}"#,
        )
        .answers(SKY),
        json(
            200,
            "Gemini",
            r#"{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"The sky is blue.","extra_content":{"google":{"thought_signature":"Ab=="}},"role":"assistant"}}],"created":1764000000,"id":"x1","model":"gemini-3-flash","object":"chat.completion","usage":{"completion_tokens":5,"prompt_tokens":4,"total_tokens":40}}"#,
        )
        .answers(SKY)
        .by("gemini-3-flash")
        .counts(4, 5),
        json(
            200,
            "DeepSeek with reasoning",
            r#"{"id":"930c60df","object":"chat.completion","created":1705651092,"model":"deepseek-flash","choices":[{"index":0,"message":{"role":"assistant","content":"The sky is blue.","reasoning_content":"Rayleigh, of course."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":16,"completion_tokens":10,"total_tokens":26,"completion_tokens_details":{"reasoning_tokens":7}},"system_fingerprint":"fp_1"}"#,
        )
        .answers(SKY)
        .by("deepseek-flash")
        .counts(16, 10),
        json(
            200,
            "Qwen",
            r#"{"choices":[{"message":{"role":"assistant","content":"The sky is blue.","reasoning_content":""},"finish_reason":"stop","index":0,"logprobs":null}],"object":"chat.completion","usage":{"prompt_tokens":22,"completion_tokens":17,"total_tokens":39},"created":1726127645,"system_fingerprint":null,"model":"qwen-plus","id":"chatcmpl-81951b98"}"#,
        )
        .answers(SKY)
        .by("qwen-plus")
        .counts(22, 17),
        json(
            200,
            "MiniMax with a status that is no failure",
            r#"{"id":"04f9","choices":[{"finish_reason":"stop","index":0,"message":{"content":"The sky is blue.","role":"assistant","name":"MiniMax AI","audio_content":""}}],"created":1,"model":"MiniMax-M2.7","object":"chat.completion","usage":{"total_tokens":9,"prompt_tokens":4,"completion_tokens":5},"input_sensitive":false,"output_sensitive":false,"input_sensitive_type":0,"output_sensitive_type":0,"base_resp":{"status_code":0,"status_msg":""}}"#,
        )
        .answers(SKY)
        .by("MiniMax-M2.7")
        .counts(4, 5),
        json(
            200,
            "Spark with a code that is no failure",
            r#"{"code":0,"message":"Success","sid":"cha000b0001","choices":[{"message":{"role":"assistant","content":"The sky is blue."},"index":0}],"usage":{"prompt_tokens":6,"completion_tokens":5,"total_tokens":11}}"#,
        )
        .answers(SKY)
        .ends("")
        .counts(6, 5),
        json(
            200,
            "Hunyuan with a note",
            r#"{"id":"h1","object":"chat.completion","created":1,"model":"hy3-preview","system_fingerprint":"","choices":[{"index":0,"message":{"role":"assistant","content":"The sky is blue."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8},"note":"以上内容为AI生成，不代表开发者立场，请勿删除或修改本标记"}"#,
        )
        .answers(SKY)
        .by("hy3-preview")
        .counts(3, 5),
        json(
            200,
            "Mistral with thinking in parts",
            r#"{"id":"m1","object":"chat.completion","model":"magistral-medium-latest","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","tool_calls":null,"content":[{"type":"thinking","thinking":[{"type":"text","text":"Rayleigh."}]},{"type":"text","text":"The sky is blue."}]}}],"usage":{"prompt_tokens":3,"total_tokens":8,"completion_tokens":5}}"#,
        )
        .answers(SKY)
        .by("magistral-medium-latest")
        .counts(3, 5),
        json(
            200,
            "OpenRouter with the provider's own finish reason",
            r#"{"id":"gen-1","provider":"Google","model":"google/gemini-3-flash","object":"chat.completion","created":1,"choices":[{"logprobs":null,"finish_reason":"stop","native_finish_reason":"STOP","index":0,"message":{"role":"assistant","content":"The sky is blue.","refusal":null,"reasoning":"Rayleigh."}}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,"cost":0.0001}}"#,
        )
        .answers(SKY)
        .by("google/gemini-3-flash")
        .counts(3, 5),
        json(
            200,
            "vLLM with null members",
            r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"qwen3","choices":[{"index":0,"message":{"role":"assistant","content":"The sky is blue.","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"reasoning":null},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}],"usage":{"prompt_tokens":3,"total_tokens":8,"completion_tokens":5,"prompt_tokens_details":null},"prompt_logprobs":null,"kv_transfer_params":null}"#,
        )
        .answers(SKY)
        .by("qwen3")
        .counts(3, 5),
        json(
            200,
            "Perplexity with sources",
            r#"{"id":"p1","model":"sonar","citations":["https://example.com/sky"],"search_results":[{"title":"Errors of the sky","url":"https://example.com/sky"}],"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"The sky is blue."},"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
        )
        .answers(SKY)
        .by("sonar"),
        json(
            200,
            "a relay that names the model by the key",
            r#"{"model":"gpt-Zq7Wx3Vb9Nm1Lk5Jh8Gf","choices":[{"message":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#,
        )
        .answers(SKY)
        .by("gpt[…]"),
        json(
            200,
            "a relay's envelope around a completion",
            r#"{"code":200,"message":"success","success":true,"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"The sky is blue."},"finish_reason":"stop"}]}"#,
        )
        .answers(SKY),
        json(
            201,
            "another success status",
            r#"{"choices":[{"message":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#,
        )
        .answers(SKY),
        json(
            200,
            "a member that comes twice",
            r#"{"model":"a","model":"b","choices":[{"message":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#,
        )
        .answers(SKY)
        .by("b"),
        json(
            200,
            "an empty model",
            r#"{"model":"","choices":[{"message":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#,
        )
        .answers(SKY),

    ]
}

fn texts() -> Vec<Row> {
    let large = "The sky is blue. ".repeat(20_000);
    vec![
        message("parts of text", r#"{"content":[{"type":"text","text":"The sky"},{"type":"text","text":" is blue."}]}"#)
            .answers(SKY),
        message(
            "parts of other kinds",
            r#"{"content":[{"type":"reasoning","text":"No."},{"type":"output_text","text":"The sky is blue."},{"type":"image_url","image_url":{"url":"x"}}]}"#,
        )
        .answers(SKY),
        message("a part with a refusal", r#"{"content":[{"type":"refusal","refusal":"I can't help."}]}"#)
            .answers("I can't help."),
        message("parts that are strings", r#"{"content":["The sky"," is blue."]}"#).answers(SKY),
        message("refusal without content", r#"{"content":null,"refusal":"I can't help with that."}"#)
            .answers("I can't help with that."),
        message("refusal beside empty content", r#"{"content":"","refusal":"I can't help with that."}"#)
            .answers("I can't help with that."),
        message("refusal beside blank content", r#"{"content":" ","refusal":"I can't help."}"#)
            .answers("I can't help."),
        message("refusal beside content", r#"{"content":"The sky is blue.","refusal":"No."}"#)
            .answers(SKY),
        message("thoughts in the content", r#"{"content":"<think>\nRayleigh.\n</think>\n\nThe sky is blue."}"#)
            .answers("<think>\nRayleigh.\n</think>\n\nThe sky is blue."),
        message(
            "text that is kept to the byte",
            r#"{"content":" \n你好\r\n\t\u0000<b>\ud83d\ude00\ufeff \u2028data: [DONE]\n\n"}"#,
        )
        .answers(" \n你好\r\n\t\0<b>😀\u{feff} \u{2028}data: [DONE]\n\n"),
        message("half a surrogate pair", r#"{"content":"cut \ud83d"}"#).answers("cut \u{fffd}"),
        message("text that is an error in JSON", r#"{"content":"{\"error\":{\"message\":\"no\",\"code\":500}}"}"#)
            .answers(r#"{"error":{"message":"no","code":500}}"#),
        message("large text", &format!(r#"{{"content":"{large}"}}"#)).answers(&large),
        choices(
            "second choice first",
            r#"[{"index":1,"message":{"content":"No."},"finish_reason":"length"},{"index":0,"message":{"content":"The sky is blue."},"finish_reason":"stop"}]"#,
        )
        .answers(SKY),
        choices(
            "tool calls beside the text",
            r#"[{"message":{"content":"The sky is blue.","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]"#,
        )
        .answers(SKY)
        .ends("tool_calls"),
    ]
}

fn finish_reasons() -> Vec<Row> {
    let with = |name, reason: &str| {
        let choice = format!(r#"[{{"message":{{"content":"The sky is"}}{reason}}}]"#);
        choices(name, &choice)
    };
    vec![
        with("no finish reason", "").answers("The sky is").ends(""),
        with("finish reason null", r#","finish_reason":null"#).answers("The sky is").ends(""),
        with("an empty finish reason", r#","finish_reason":"""#).answers("The sky is").ends(""),
        with("finish reason length", r#","finish_reason":"length""#)
            .answers("The sky is")
            .ends("length"),
        with("finish reason of a filter", r#","finish_reason":"content_filter""#)
            .answers("The sky is")
            .ends("content_filter"),
        with("Mistral's finish reason of a full context", r#","finish_reason":"model_length""#)
            .answers("The sky is")
            .ends("model_length"),
        with("finish reason error", r#","finish_reason":"error""#)
            .fails("upstream_failed")
            .retried(),
        with("Zhipu's finish reason of a broken network", r#","finish_reason":"network_error""#)
            .fails("upstream_failed")
            .retried(),
        with(
            "DeepSeek's finish reason of an overload",
            r#","finish_reason":"insufficient_system_resource""#,
        )
        .fails("upstream_failed")
        .retried(),
        with("finish reason abort", r#","finish_reason":"abort""#)
            .fails("upstream_failed")
            .retried(),
    ]
}

/// Members beside an answer that report no error.
fn empty_errors() -> Vec<Row> {
    vec![
        beside("error null", r#""error":null"#),
        beside("error as an empty text", r#""error":"""#),
        beside("error as an empty object", r#""error":{}"#),
        beside("error as an empty list", r#""error":[]"#),
        beside("error false", r#""error":false"#),
        beside(
            "error with empty members only",
            r#""error":{"message":"","type":"","param":"","code":null}"#,
        ),
        beside("error with a code of zero", r#""error":{"code":0,"message":""}"#),
        beside("error with blank members", r#""error":{"message":" ","code":"0","details":[]}"#),
        beside("errors and detail empty", r#""errors":[],"detail":null,"error_msg":"""#),
        beside("code and message of a success", r#""code":"0","msg":"ok","data":null"#),
        beside("error as the word null", r#""error":"null""#),
        beside("error as the word none", r#""error":{"message":"None","type":"None","code":null}"#),
        beside("error as the word success", r#""error":"success""#),
        beside("success true", r#""success":true,"status":"success","message":"""#),
    ]
}

fn no_answer() -> Vec<Row> {
    vec![
        json(200, "an empty object", "{}"),
        choices("choices null", "null"),
        choices("no choice", "[]"),
        choices("a choice without a message", r#"[{"index":0,"finish_reason":"stop"}]"#),
        choices("a choice that is a list", r#"[["The sky is blue."]]"#),
        message("content null", r#"{"role":"assistant","content":null}"#),
        message("blank content", r#"{"content":" \n\n"}"#),
        message("content that is a number", r#"{"content":7}"#),
        message("content that is an object", r#"{"content":{"text":"The sky is blue."}}"#),
        message("a message that is a list", r#"["The sky is blue."]"#),
        message("tool calls alone", r#"{"content":null,"tool_calls":[{"id":"c"}]}"#),
        message("reasoning alone", r#"{"content":"","reasoning_content":"Rayleigh."}"#)
            .hides("Rayleigh"),
        choices(
            "reasoning up to the limit",
            r#"[{"message":{"content":null,"reasoning":"Rayleigh."},"finish_reason":"length"}]"#,
        )
        .says("ASK_EXTRA")
        .hides("Rayleigh"),
        choices("filtered", r#"[{"message":{"content":""},"finish_reason":"content_filter"}]"#)
            .fails("answer_filtered"),
        choices(
            "filtered by Zhipu",
            r#"[{"message":{"role":"assistant","content":""},"finish_reason":"sensitive"}]"#,
        )
        .fails("answer_filtered"),
        choices("text of a completion before chats", r#"[{"text":"The sky is blue.","index":0}]"#),
        json(200, "Gemini: a filter by its own reason", r#"{"choices":[{"finish_reason":"SAFETY","index":0,"message":{"role":"assistant"}}]}"#).fails("answer_filtered"),
        json(200, "Gemini: a filter with a reason behind it", r#"{"choices":[{"finish_reason":"content_filter: PROHIBITED_CONTENT","index":0,"message":{"role":"assistant","content":null}}]}"#).fails("answer_filtered"),

    ]
}
