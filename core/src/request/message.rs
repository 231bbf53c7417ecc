//! The content of a message, as clients write it.

use serde_json::Value;

use super::body::unreadable;
use crate::completion::{Content, ImageUrl, Part, Role};
use crate::failure::Failure;

/// Returns the content of a message: OpenAI's `content`, a string or parts, deep-chat's `text` and
/// `files`, or the AI SDK's `parts`.
pub(super) fn content(message: &Value, role: Role) -> Result<Content, Failure> {
    let mut parts = Vec::new();
    for name in ["content", "text", "parts"] {
        parts = match &message[name] {
            Value::Null => continue,
            Value::String(text) => vec![Part::Text { text: text.clone() }],
            Value::Array(parts) => read_parts(parts, role)?,
            _ => {
                return Err(unreadable(
                    "the content of a message is not text",
                    "消息的内容不是文本",
                ));
            }
        };
        // Another member may have the text.
        if !is_empty(&parts) {
            break;
        }
    }
    if let Value::Array(files) = &message["files"] {
        parts.extend(read_parts(files, role)?);
    }
    Ok(trim(parts))
}

/// Reads the parts of a message. Other parts of an answer are skipped, such as steps and sources.
/// Those of a question are an error: without its file, it would be another question.
fn read_parts(parts: &[Value], role: Role) -> Result<Vec<Part>, Failure> {
    let mut read = Vec::with_capacity(parts.len());
    for part in parts {
        match (part["text"].as_str(), part["type"].as_str()) {
            (Some(text), None | Some("text" | "input_text" | "output_text")) => {
                read.push(Part::Text { text: text.to_owned() });
            }
            _ if role == Role::Assistant => {}
            _ if role == Role::User => {
                let image_url = picture(part).ok_or_else(|| {
                    unreadable(
                        "only text and pictures with an https or data URL can be asked",
                        "只接受文字，以及 https 或 data 网址的图片",
                    )
                })?;
                read.push(Part::ImageUrl { image_url });
            }
            _ => return Err(unreadable("its system message is not text", "system 消息不是文本")),
        }
    }
    Ok(read)
}

/// Reads a picture: OpenAI's `image_url`, the AI SDK's file, or deep-chat's file.
fn picture(part: &Value) -> Option<ImageUrl> {
    let image = &part["image_url"];
    let members = [&image["url"], image, &part["url"], &part["src"]];
    let url = members.into_iter().find_map(Value::as_str)?;
    let detail = image["detail"].as_str().map(str::to_owned);
    let media_type = part["mediaType"].as_str();
    let is_image = media_type.is_none_or(|media_type| starts_with(media_type, "image/"));
    let is_picture = starts_with(url, "https://") && is_image || starts_with(url, "data:image/");
    is_picture.then(|| ImageUrl { url: url.to_owned(), detail })
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
}

fn is_empty(parts: &[Part]) -> bool {
    parts.iter().all(|part| matches!(part, Part::Text { text } if text.trim().is_empty()))
}

/// Joins and trims the text of a content without pictures. With pictures, only empty text goes.
fn trim(mut parts: Vec<Part>) -> Content {
    if parts.iter().any(|part| matches!(part, Part::ImageUrl { .. })) {
        parts.retain(|part| !matches!(part, Part::Text { text } if text.trim().is_empty()));
        return Content::Parts(parts);
    }
    let texts = parts.into_iter().filter_map(|part| match part {
        Part::Text { text } => Some(text),
        Part::ImageUrl { .. } => None,
    });
    Content::Text(texts.collect::<String>().trim().to_owned())
}
