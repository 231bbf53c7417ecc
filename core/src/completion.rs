//! The provider's wire: what the model is sent, and what of its answer counts.

use std::fmt;

use http::{HeaderMap, StatusCode};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::json;
use crate::lang::Sentence;
use crate::question::{Message, Role};
use crate::refusal::{self, Refusal};
use crate::secret::Mask;
use crate::settings::Settings;

/// An answer of the model's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What it says, unchanged.
    pub text: String,
    /// What else the provider said of it.
    pub about: About,
}

/// What the provider says of an answer, beside the answer itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The model that answered, by the provider's own name for it.
    pub model: Option<String>,
    /// Why it ended: `stop`, `length`, …; `deadline` where our time ran out.
    pub finish_reason: Option<String>,
    /// The provider's count of tokens, as it came.
    pub usage: Option<Value>,
}

/// What is posted to `/chat/completions`: model and messages, what `ASK_EXTRA` holds, and nothing else.
pub fn request(settings: &Settings, model: &str, messages: &[Message], stream: bool) -> Vec<u8> {
    #[derive(Serialize)]
    struct Request<'a> {
        model: &'a str,
        messages: Vec<Said<'a>>,
        #[serde(flatten)]
        extra: &'a Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stream: Option<bool>,
    }
    #[derive(Serialize)]
    struct Said<'a> {
        role: Role,
        content: &'a str,
    }

    let system = settings.system_prompt.iter().map(|content| Said { role: Role::System, content });
    let said =
        messages.iter().map(|message| Said { role: message.role, content: &message.content });
    let request = Request {
        model,
        messages: system.chain(said).collect(),
        extra: &settings.extra,
        stream: stream.then_some(true),
    };
    // Writing strings and JSON values with text keys into memory cannot fail.
    serde_json::to_vec(&request).unwrap_or_default()
}

/// Reads a whole reply of the provider's.
pub fn read(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    mask: &Mask,
) -> Result<Answer, Refusal> {
    if status != StatusCode::OK {
        return Err(refusal::of_reply(status, headers, body, mask));
    }
    let completion: Completion = json::read(body).map_err(|_| no_completion())?;
    completion.answer(mask).map_err(|refusal| refusal.with_headers(headers))
}

/// The provider's reply is not what it should be.
fn no_completion() -> Refusal {
    let said = Sentence::new("its reply is not a chat completion", "它的回复不是 chat completion");
    Failure::UpstreamFailed(said).into()
}

/// The members that are read, of a whole completion and of a streamed piece. Each may be missing or null.
#[derive(Deserialize)]
pub(crate) struct Completion {
    #[serde(default)]
    model: Text,
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Choice {
    /// In a whole completion.
    #[serde(default)]
    message: Option<Part>,
    /// In a piece of a stream.
    #[serde(default)]
    delta: Option<Part>,
    #[serde(default)]
    finish_reason: Text,
}

#[derive(Default, Deserialize)]
struct Part {
    #[serde(default)]
    content: Text,
    #[serde(default)]
    refusal: Text,
}

/// What one completion or piece holds.
pub(crate) struct Content {
    pub(crate) text: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) about: About,
}

impl Completion {
    /// Takes it apart; the provider may have sent an error with status 200, or as an event of a stream. The mask goes over
    /// what is said beside the answer, which is the model's own and stays as it is.
    pub(crate) fn content(self, mask: &Mask) -> Result<Content, Refusal> {
        // Some send an empty one beside every answer.
        let says = |error: &Value| {
            !matches!(error, Value::Null | Value::Bool(false))
                && *error != ""
                && *error != json!({})
        };
        if let Some(error) = self.error.filter(says) {
            return Err(refusal::of_error(StatusCode::OK, &error, mask));
        }
        let choice =
            self.choices.and_then(|choices| choices.into_iter().next()).unwrap_or_default();
        let part = choice.message.or(choice.delta).unwrap_or_default();
        Ok(Content {
            text: part.content.0,
            refusal: part.refusal.0,
            about: About {
                model: self.model.0.map(|model| mask.name(&model).into_owned()),
                finish_reason: choice.finish_reason.0.map(|reason| mask.name(&reason).into_owned()),
                usage: self.usage.map(|usage| mask.value(usage)),
            },
        })
    }

    fn answer(self, mask: &Mask) -> Result<Answer, Refusal> {
        let content = self.content(mask)?;
        let usable = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let text = usable(content.text).or_else(|| usable(content.refusal));
        match text {
            Some(text) => Ok(Answer { text, about: content.about }),
            None => Err(nothing_to_show(content.about.finish_reason.as_deref()).into()),
        }
    }
}

/// Why an answer that ended has no text.
pub(crate) fn nothing_to_show(finish_reason: Option<&str>) -> Failure {
    match finish_reason {
        // Zhipu's word for it is `sensitive`.
        Some("content_filter" | "sensitive") => Failure::AnswerFiltered,
        reason => Failure::AnswerEmpty { out_of_tokens: reason == Some("length") },
    }
}

/// Text that may be a string, a list of parts, null, or something that holds no text. A string is taken over as it
/// is, without a copy in between: answers can be large.
#[derive(Debug, Default, PartialEq)]
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("text or parts of text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text, E> {
                Ok(Text(Some(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text, A::Error> {
                let mut joined = None;
                while let Some(part) = parts.next_element::<Value>()? {
                    let kind = part["type"].as_str().unwrap_or("text");
                    let text = match kind {
                        "text" | "output_text" => part["text"].as_str().or(part.as_str()),
                        "refusal" => part["refusal"].as_str(),
                        _ => None,
                    };
                    if let Some(text) = text {
                        joined.get_or_insert_with(String::new).push_str(text);
                    }
                }
                Ok(Text(joined))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
                Ok(Text(None))
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into())
        })
    }

    fn read_ok(body: &str) -> Result<Answer, Failure> {
        read(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), &Mask::default())
            .map_err(|refusal| refusal.failure)
    }

    #[track_caller]
    fn check(message: &str, text: &str) {
        let answer = read_ok(&format!("{{\"choices\":[{{\"message\":{message}}}]}}")).unwrap();
        assert_eq!(answer.text, text);
    }

    #[track_caller]
    fn fails(body: &str, failure: Failure) {
        assert_eq!(read_ok(body), Err(failure), "{body}");
    }

    #[test]
    fn the_model_is_sent_model_and_messages_and_nothing_else() {
        let sent = request(&settings(&[]), "m", &[Message::user("你好 \"x\"")], false);
        assert_eq!(
            String::from_utf8(sent).unwrap(),
            r#"{"model":"m","messages":[{"role":"user","content":"你好 \"x\""}]}"#
        );
    }

    #[test]
    fn system_prompt_and_extra_members_go_along_where_they_are_set() {
        let settings =
            settings(&[("ASK_SYSTEM_PROMPT", "Be brief."), ("ASK_EXTRA", "{\"temperature\":0.5}")]);
        let sent: Value =
            serde_json::from_slice(&request(&settings, "m", &[Message::user("a")], true)).unwrap();
        let expected = json!({
            "model": "m",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}],
            "temperature": 0.5,
            "stream": true,
        });
        assert_eq!(sent, expected);
    }

    #[test]
    fn the_answer_is_the_first_choices_content_to_the_byte() {
        check(r#"{"content":" 你好\n\u0000<b>\ud83d\ude00 "}"#, " 你好\n\0<b>😀 ");
        check(
            r#"{"content":[{"type":"text","text":"a"},{"type":"thinking","text":"no"},{"type":"text","text":"b"}]}"#,
            "ab",
        );
        check(r#"{"content":"cut \ud83d"}"#, "cut \u{fffd}");
        check(r#"{"content":null,"refusal":"I can't."}"#, "I can't.");
        check(r#"{"content":"","refusal":"I can't."}"#, "I can't.");
        check(r#"{"content":"a","reasoning_content":"hm","refusal":null}"#, "a");
        for beside in
            ["\"error\":null", "\"error\":\"\"", "\"error\":{}", "\"error\":false", "\"model\":7"]
        {
            let body = format!(
                "{{{beside},\"choices\":[{{\"message\":{{\"content\":\"a\"}},\"finish_reason\":0}}]}}"
            );
            assert_eq!(read_ok(&body).unwrap().text, "a", "{beside}");
        }
    }

    #[test]
    fn what_the_provider_says_of_it_is_kept() {
        let body = r#"{"id":1,"model":"m-1","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"length"}],"usage":{"prompt_tokens":1}}"#;
        let about = read_ok(body).unwrap().about;
        let expected = About {
            model: Some("m-1".into()),
            finish_reason: Some("length".into()),
            usage: Some(json!({"prompt_tokens": 1})),
        };
        assert_eq!(about, expected);
    }

    #[test]
    fn no_usable_content_is_a_failure() {
        let empty = Failure::AnswerEmpty { out_of_tokens: false };
        for body in [
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":[{"message":null}]}"#,
            r#"{"choices":[{"message":{"content":null,"tool_calls":[]}}]}"#,
            r#"{"choices":[{"message":{"content":""}}]}"#,
            r#"{"choices":[{"message":{"content":" \n"}}]}"#,
            r#"{"choices":[{"message":{"content":null,"reasoning_content":"hm"}}]}"#,
            r#"{"choices":[{"message":{"content":{"a":1}}}]}"#,
            r#"{"choices":[{"message":{"content":7}}]}"#,
            r#"{"choices":[{"message":{"content":[]}}]}"#,
        ] {
            fails(body, empty.clone());
        }
        fails(
            r#"{"choices":[{"message":{"content":null},"finish_reason":"length"}]}"#,
            Failure::AnswerEmpty { out_of_tokens: true },
        );
        fails(
            r#"{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]}"#,
            Failure::AnswerFiltered,
        );
    }

    #[test]
    fn what_is_no_completion_is_a_failure_of_the_provider() {
        for body in [
            "",
            "<html>",
            "\"x\"",
            "{\"choices\":7}",
            "{\"choices\":[{\"message\":{\"content\":\"a",
        ] {
            assert_eq!(read_ok(body).unwrap_err().code(), "upstream_failed", "{body}");
        }
    }
}
