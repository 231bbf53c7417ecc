//! `-i`: the pictures of a question.

use std::fs;

use serde_json::{Value, json};
use testkit::{Scratch, Upstream, chat, http};

use crate::support::{Ask, KEY, emulator, piped};

/// The first bytes of each kind, their media type, and the same bytes as base64.
const KINDS: [(&[u8], &str, &str); 5] = [
    (b"\x89PNG\r\n\x1a\n", "image/png", "iVBORw0KGgo="),
    (b"\xff\xd8\xff\xe0", "image/jpeg", "/9j/4A=="),
    (b"GIF87a", "image/gif", "R0lGODdh"),
    (b"GIF89a", "image/gif", "R0lGODlh"),
    (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp", "UklGRgAAAABXRUJQVlA4IA=="),
];

fn file(bytes: &[u8]) -> Scratch {
    let file = Scratch::new("");
    fs::write(file.path(), bytes).unwrap();
    file
}

/// Returns the content of a message with these pictures.
fn content(text: &str, kinds: &[(&[u8], &str, &str)]) -> Value {
    let picture = |(_, media_type, base64): &(&[u8], &str, &str)| {
        let url = format!("data:{media_type};base64,{base64}");
        json!({"type": "image_url", "image_url": {"url": url}})
    };
    let text = json!({"type": "text", "text": text});
    [text].into_iter().chain(kinds.iter().map(picture)).collect()
}

#[test]
fn provider_gets_pictures_as_data_urls() {
    let upstream = Upstream::always(chat::completion("A cat."));
    for kind in KINDS {
        let picture = file(kind.0);
        Ask::new(&upstream).args(&["-i", picture.path(), "What?"]).run().assert_answer("A cat.");
        let message = json!({"role": "user", "content": content("What?", &[kind])});
        assert_eq!(upstream.take_requests()[0].json()["messages"], json!([message]));
    }
    let pictures: Vec<_> = KINDS[..4].iter().map(|kind| file(kind.0)).collect();
    let image = |picture: &Scratch| format!("--image={}", picture.path());
    let args: Vec<_> = pictures.iter().map(image).collect();
    let args: Vec<_> = args.iter().map(String::as_str).chain(["-"]).collect();
    Ask::new(&upstream).args(&args).stdin(piped("Which?\n")).run().assert_answer("A cat.");
    let sent = upstream.request().json()["messages"][0]["content"].clone();
    assert_eq!(sent, content("Which?", &KINDS[..4]));
}

#[test]
fn function_passes_pictures_on() {
    let upstream = Upstream::always(chat::completion("A cat."));
    let function = emulator(&[
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", &upstream.url("/v1")),
        ("ASK_MAX_QUESTION", "20"),
    ]);
    let picture = file(KINDS[0].0);
    let ask = || Ask::unset().args(&["--url", &function.url(), "-i", picture.path()]);
    ask().args(&["-s", "Be brief.", "What?"]).run().assert_answer("A cat.");
    let system = json!({"role": "system", "content": "Be brief."});
    let user = json!({"role": "user", "content": content("What?", &KINDS[..1])});
    assert_eq!(upstream.request().json()["messages"], json!([system, user]));
    // A model that the function does not offer is no other model's answer.
    ask().args(&["-m", "other", "What?"]).run().assert_error(1, "", &["X-Error-Code: model"]);
}

#[test]
fn unusable_pictures_are_named_and_nothing_is_asked() {
    let upstream = Upstream::always(chat::completion("No."));
    let ask = |args: &[&str]| Ask::new(&upstream).args(args).args(&["What?"]).run();
    let (png, text) = (file(KINDS[0].0), Scratch::new("RIFF, a text"));
    let (png, text) = (png.path(), text.path());
    ask(&["-i", "/none.png"]).assert_error(1, "", &["/none.png cannot be read", "No such file"]);
    ask(&["-i", "/"]).assert_error(1, "", &["/ cannot be read", "directory"]);
    ask(&["-i", "/dev/zero"]).assert_error(1, "", &["/dev/zero", "PNG, JPEG, GIF or WebP"]);
    ask(&["-i", png, "-i", text]).assert_error(1, "", &[text, "PNG, JPEG, GIF or WebP"]);
    ask(&["-i", ""]).assert_error(2, "", &["empty value after -i"]);
    let five = ["-i", png, "-i", png, "-i", png, "-i", png, "-i", png];
    ask(&five).assert_error(2, "", &["more than 4 pictures"]);
    let link = upstream.url("/?question=hi&exp=1&sig=x");
    let linked = Ask::unset().args(&["--url", &link, "-i", png]).run();
    linked.assert_error(2, "", &["already has a question"]);
    assert!(upstream.requests().is_empty());
}

#[test]
fn six_megabytes_are_the_limit() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let jpeg = |size: usize| file(&[KINDS[1].0, &vec![0; size - 4]].concat());
    let (half, more) = (jpeg(9 << 18), jpeg(9 << 19));
    let (half, more) = (half.path(), more.path());
    let ask = |args: &[&str]| Ask::new(&upstream).args(args).args(&["What?"]).run();
    ask(&["-i", half]).assert_answer("Yes.");
    ask(&["-i", more]).assert_error(1, "", &[more, "too large", "6 MB"]);
    ask(&["-i", half, "-i", half]).assert_error(1, "", &[half, "too large", "6 MB"]);
    assert_eq!(upstream.requests().len(), 1);
    // The text counts, too, on the way to a function.
    let function = Upstream::always(http::response(200, &[], ""));
    let text = text_file(&"x".repeat(6 << 20));
    let run = Ask::unset().args(&["--url", &function.url("/"), "-"]).stdin(text).run();
    run.assert_error(1, "", &["larger than 6 MB"]);
    assert!(function.requests().is_empty());
}

/// Returns a file with this text for standard input. A pipe holds less.
fn text_file(text: &str) -> fs::File {
    fs::File::open(Scratch::new(text).path()).unwrap()
}
