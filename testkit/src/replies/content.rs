use serde_json::{Value, json};

use crate::Response;
use crate::table::{expect, expect_eq};

/// The content type of a text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// The content of a response, decoded by its content type.
#[derive(Default)]
pub(super) struct Content {
    pub(super) text: String,
    /// A finish reason other than `stop`.
    pub(super) finish_reason: Option<String>,
    pub(super) error: Option<String>,
    /// Set if the format has an end and it came.
    pub(super) is_ended: bool,
}

impl Content {
    /// Decodes a text, server-sent events, or lines.
    pub(super) fn of(response: &Response) -> Result<Self, String> {
        let body = response.text();
        match response.header("content-type") {
            Some(TEXT) => Ok(Self { text: body, ..Self::default() }),
            Some("text/event-stream") => Self::of_events(&body),
            Some("application/x-ndjson") => Self::of_lines(&body),
            other => Err(format!("the content type is {other:?}")),
        }
    }

    fn of_events(body: &str) -> Result<Self, String> {
        let (mut content, mut id) = (Self::default(), 0);
        expect(body.ends_with("\n\n"), "events without an end")?;
        for event in body.split_terminator("\n\n") {
            expect(!content.is_ended && content.error.is_none(), "an event after the last one")?;
            if event == "data: [DONE]" {
                content.is_ended = true;
                continue;
            }
            let (head, data) = event.split_once("data: ").ok_or("an event without data")?;
            let object: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
            if let Some(text) = object["text"].as_str().filter(|text| !text.is_empty()) {
                id += 1;
                expect_eq(head, &format!("id: {id}\n"), "the lines before the data")?;
                expect_eq(&object, &json!({"text": text}), "the event")?;
                content.text.push_str(text);
            } else if let Some(reason) = object["finish_reason"].as_str() {
                let expected = json!({"text": "", "finish_reason": reason});
                expect_eq(&object, &expected, "the event")?;
                content.finish_reason = Some(reason.to_owned());
            } else {
                let error = object["error"].as_str().ok_or("an event of no kind")?;
                expect_eq(&object, &json!({"error": error}), "the event")?;
                content.error = Some(error.to_owned());
            }
        }
        Ok(content)
    }

    fn of_lines(body: &str) -> Result<Self, String> {
        let mut content = Self::default();
        expect(body.ends_with('\n'), "lines without an end")?;
        for (number, line) in body.lines().enumerate() {
            expect(!content.is_ended && content.error.is_none(), "a line after the last one")?;
            let mut object: Value =
                serde_json::from_str(line).map_err(|error| error.to_string())?;
            let text = object["content"].as_str().map(str::to_owned);
            expect_eq(object["type"] == "begin", number == 0, "the first line as a beginning")?;
            match (object["type"].as_str(), text) {
                (Some("begin"), None) => {}
                (Some("item"), Some(text)) => content.text.push_str(&text),
                (Some("error"), text) => content.error = text,
                (Some("end"), None) => {
                    content.is_ended = true;
                    let reason = object["finish_reason"].take();
                    content.finish_reason = reason.as_str().map(str::to_owned);
                }
                _ => return Err(format!("the line {line}")),
            }
        }
        Ok(content)
    }
}
