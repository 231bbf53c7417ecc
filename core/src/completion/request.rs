//! The request of an attempt.

use std::borrow::Cow;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request};
use serde::Serialize;
use serde_json::{Map, Value};

use super::message::{Content, Message, Role};
use crate::failure::Failure;
use crate::lang::Localized;
use crate::settings::{Secret, SettingError, Settings};

/// Builds the request to `/chat/completions`, with an absolute URL.
///
/// The body has `model`, `messages` and the members of `ASK_EXTRA`, and `stream` if the answer is
/// read as a stream.
///
/// # Errors
/// [`Failure::Config`] if the key does not fit into a header.
pub fn request(
    settings: &Settings,
    key: Option<&Secret>,
    model: &str,
    messages: &[Message],
    stream: bool,
) -> Result<Request<Vec<u8>>, Failure> {
    let key = key.map_or("", Secret::expose);
    let mut authorization = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| {
        let problem = Localized::new("cannot be sent in a header", "无法放入请求头");
        Failure::Config(SettingError::invalid("OPENAI_API_KEY", problem))
    })?;
    authorization.set_sensitive(true);
    let accept = match stream {
        true => HeaderValue::from_static("text/event-stream, application/json"),
        false => HeaderValue::from_static("application/json"),
    };
    let mut request = Request::new(body(settings, model, messages, stream));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = settings.base_url.completions_uri().clone();
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, authorization);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, accept);
    let agent = concat!("scf-ask/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    Ok(request)
}

fn body(settings: &Settings, model: &str, messages: &[Message], stream: bool) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        model: &'a str,
        messages: Vec<Cow<'a, Message>>,
        #[serde(flatten)]
        extra: &'a Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stream: Option<bool>,
    }
    let system = settings.system_prompt.iter().map(|prompt| {
        Cow::Owned(Message { role: Role::System, content: Content::Text(prompt.clone()) })
    });
    let body = Body {
        model,
        messages: system.chain(messages.iter().map(Cow::Borrowed)).collect(),
        extra: &settings.extra,
        stream: stream.then_some(true),
    };
    // Cannot fail: strings and JSON values with text keys are written into memory.
    serde_json::to_vec(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn built(vars: &[(&str, &str)], question: &str, stream: bool) -> Request<Vec<u8>> {
        let settings = Settings::from_pairs(vars);
        let messages = [Message::user(question)];
        request(&settings, settings.keys.first(), "m", &messages, stream).unwrap()
    }

    #[test]
    fn body_has_model_and_messages_only() {
        let request = built(&[("OPENAI_API_KEY", "sk-test")], "你好 \"x\"", false);
        assert_eq!(request.uri(), "https://api.openai.com/v1/chat/completions");
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer sk-test");
        assert_eq!(
            String::from_utf8(request.into_body()).unwrap(),
            r#"{"model":"m","messages":[{"role":"user","content":"你好 \"x\""}]}"#
        );
    }

    #[test]
    fn system_prompt_extra_members_and_stream_are_added() {
        let vars = [("ASK_SYSTEM_PROMPT", "Be brief."), ("ASK_EXTRA", "{\"temperature\":0.5}")];
        let body: Value = serde_json::from_slice(built(&vars, "a", true).body()).unwrap();
        let expected = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "a"},
            ],
            "temperature": 0.5,
            "stream": true,
        });
        assert_eq!(body, expected);
    }
}
