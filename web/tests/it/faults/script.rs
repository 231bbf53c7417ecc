//! The bytes that a failing upstream sends before it fails.

use serde_json::json;
use testkit::chat;
use testkit::http::chunk;

/// The place of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The end of the request, before the response.
    Before,
    /// The middle of the head.
    InHead,
    /// The end of the head.
    AfterHead,
    /// The end of the answer's first piece.
    InBody,
    /// The place before the last byte.
    LastByte,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureMode {
    Closed,
    Reset,
    Silent,
    /// Continues with bytes that are not HTTP.
    Garbage,
    /// Continues with HTTP that is no answer.
    Nonsense,
    /// Continues beyond every limit.
    TooLarge,
    /// Ends the message, but not the answer in it.
    Ended,
}

/// A failure of connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connect {
    Refused,
    Stalled,
    Reset,
    WrongRoot,
    WrongName,
    NoTls,
    TlsClosed,
    TlsReset,
    TlsSilent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Connect(Connect),
    In(Stage, FailureMode),
    Status(u16),
}

use FailureMode::{Closed, Ended, Garbage, Nonsense, Reset, Silent, TooLarge};
use Stage::{AfterHead, Before, InBody, InHead, LastByte};

/// All faults. The first one is none.
pub(super) const FAULTS: &[Fault] = &[
    Fault::None,
    Fault::Connect(Connect::Refused),
    Fault::Connect(Connect::Stalled),
    Fault::Connect(Connect::Reset),
    Fault::Connect(Connect::WrongRoot),
    Fault::Connect(Connect::WrongName),
    Fault::Connect(Connect::NoTls),
    Fault::Connect(Connect::TlsClosed),
    Fault::Connect(Connect::TlsReset),
    Fault::Connect(Connect::TlsSilent),
    Fault::In(Before, Closed),
    Fault::In(Before, Reset),
    Fault::In(Before, Silent),
    Fault::In(Before, Garbage),
    Fault::In(InHead, Closed),
    Fault::In(InHead, Reset),
    Fault::In(InHead, Silent),
    Fault::In(InHead, Garbage),
    Fault::In(InHead, TooLarge),
    Fault::In(AfterHead, Closed),
    Fault::In(AfterHead, Reset),
    Fault::In(AfterHead, Silent),
    Fault::In(AfterHead, Garbage),
    Fault::In(AfterHead, Nonsense),
    Fault::In(AfterHead, TooLarge),
    Fault::In(AfterHead, Ended),
    Fault::In(InBody, Closed),
    Fault::In(InBody, Reset),
    Fault::In(InBody, Silent),
    Fault::In(InBody, Garbage),
    Fault::In(InBody, Nonsense),
    Fault::In(InBody, TooLarge),
    Fault::In(InBody, Ended),
    Fault::In(LastByte, Closed),
    Fault::In(LastByte, Reset),
    Fault::In(LastByte, Silent),
    Fault::In(LastByte, Garbage),
    Fault::Status(302),
    Fault::Status(400),
    Fault::Status(401),
    Fault::Status(404),
    Fault::Status(429),
    Fault::Status(500),
    Fault::Status(503),
];

/// The answer, in two pieces.
pub(super) const PIECES: [&str; 2] = ["One", " and two."];

/// The bytes of an upstream.
pub(super) struct Script {
    pub(super) wire: Vec<u8>,
    /// The body in them, without its framing.
    pub(super) content: Vec<u8>,
}

impl Script {
    /// A stream of server-sent events, in chunks.
    pub(super) fn streamed(fault: Fault) -> Self {
        let [one, two] = PIECES.map(chat::event);
        let all = [one, two, chat::DONE.to_owned()];
        let head = head(200, "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n");
        let (mut wire, mut content) = match fault {
            Fault::Status(status) => return Self::status(status),
            Fault::In(Before | InHead, _) => return Self::cut_head(fault, head),
            Fault::In(AfterHead, _) => (head, String::new()),
            Fault::In(InBody, _) => (head + &chunk(&all[0]), all[0].clone()),
            Fault::None | Fault::Connect(_) | Fault::In(LastByte, _) => {
                let chunks: String = all.iter().map(|event| chunk(event)).collect();
                (head + &chunks + "0\r\n\r\n", all.concat())
            }
        };
        match fault {
            Fault::In(LastByte, mode) => {
                wire.pop();
                wire.push_str(if mode == Garbage { "x" } else { "" });
            }
            Fault::In(_, Garbage) => wire.push_str("none\r\n"),
            Fault::In(_, Nonsense) => add(&mut wire, &mut content, "data: nonsense\n\n"),
            Fault::In(_, TooLarge) => {
                add(&mut wire, &mut content, &format!("data: {}\n\n", "x".repeat(9 << 20)));
            }
            Fault::In(_, Ended) => wire.push_str("0\r\n\r\n"),
            _ => {}
        }
        Self { wire: wire.into(), content: content.into() }
    }

    /// A complete answer, as JSON.
    pub(super) fn buffered(fault: Fault) -> Self {
        let choice = json!({"message": {"content": PIECES.concat()}});
        let answer = json!({"model": chat::MODEL, "choices": [choice]}).to_string();
        let half = answer.len() / 2;
        let sized = |size: usize| {
            head(200, &format!("content-type: application/json\r\ncontent-length: {size}\r\n"))
        };
        let head = sized(answer.len());
        let wire = match fault {
            Fault::Status(status) => return Self::status(status),
            Fault::In(Before | InHead, _) => return Self::cut_head(fault, head),
            Fault::None | Fault::Connect(_) => head + &answer,
            Fault::In(LastByte, Garbage) => head + &answer[..answer.len() - 1] + "x",
            Fault::In(LastByte, _) => head + &answer[..answer.len() - 1],
            Fault::In(_, TooLarge) => sized(33 << 20) + &" ".repeat(33 << 20),
            Fault::In(AfterHead, Garbage | Nonsense) => head + &"x".repeat(answer.len()),
            Fault::In(AfterHead, Ended) => sized(0),
            Fault::In(AfterHead, _) => head,
            Fault::In(InBody, Garbage | Nonsense) => {
                head + &answer[..half] + &"x".repeat(answer.len() - half)
            }
            Fault::In(InBody, Ended) => sized(half) + &answer[..half],
            Fault::In(InBody, _) => head + &answer[..half],
        };
        Self { wire: wire.into(), content: Vec::new() }
    }

    fn cut_head(fault: Fault, head: String) -> Self {
        let wire = match fault {
            Fault::In(Before, Garbage) => "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
            Fault::In(Before, _) => String::new(),
            Fault::In(_, Garbage) => "HTTP/1.1 200 OK\r\nno colon in this line\r\n\r\n".to_owned(),
            Fault::In(_, TooLarge) => {
                format!("HTTP/1.1 200 OK\r\nx-large: {}", "x".repeat(100 << 10))
            }
            _ => head[..head.len() / 2].to_owned(),
        };
        Self { wire: wire.into(), content: Vec::new() }
    }

    fn status(status: u16) -> Self {
        let body = json!({"error": {"message": "No.", "type": "x", "code": null}}).to_string();
        let headers =
            format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        Self { wire: (head(status, &headers) + &body).into(), content: body.into() }
    }
}

fn head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} Canned\r\nconnection: close\r\n{headers}\r\n")
}

/// Adds one more chunk, and the end.
fn add(wire: &mut String, content: &mut String, bytes: &str) {
    wire.push_str(&(chunk(bytes) + "0\r\n\r\n"));
    content.push_str(bytes);
}
