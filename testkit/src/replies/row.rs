/// A reply of an upstream, and its result.
#[derive(Clone)]
pub(super) struct Row {
    /// The kind and the name, unique in the table. It is the question, too.
    pub(super) name: String,
    pub(super) reply: Reply,
    pub(super) expected: Expected,
    /// Another reply with its result, for requests that ask for a stream.
    pub(super) streamed: Option<(Reply, Expected)>,
}

/// The bytes of an upstream.
#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<String>,
    /// The body. Each piece is a chunk of its own if there are several.
    pieces: Vec<Vec<u8>>,
    pub(super) delivery: Delivery,
}

/// The framing of a reply, and the end of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// With a length, or in chunks. The connection stays open.
    Framed,
    /// Without a length. The connection is closed at the end; in TLS, without `close_notify`.
    UntilClose,
    /// With a length that is not reached.
    Short,
    /// In chunks without the last one.
    Unfinished,
    /// In chunks without the last one. The connection is reset.
    Reset,
    /// In chunks without the last one. The connection stays open.
    Held,
    /// The first piece is the whole response, with its head. The connection stays open.
    Raw,
    /// As [`Self::Raw`]. The connection is closed.
    RawClosed,
    /// As [`Self::Raw`]. The connection is reset.
    RawReset,
}

/// The result of a reply.
#[derive(Clone)]
pub(super) enum Expected {
    Answer(Answer),
    Failure(Failure),
}

#[derive(Clone, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) finish_reason: Option<&'static str>,
    /// The upstream's name for the model, if the reply has one.
    pub(super) model: Option<&'static str>,
    /// Tokens of the question and of the answer, if the reply counts them.
    pub(super) usage: Option<(u64, u64)>,
}

#[derive(Clone, Default)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    /// Texts that the message holds.
    pub(super) says: Vec<String>,
    /// Texts that the message does not hold.
    pub(super) hides: Vec<&'static str>,
    /// The text before the failure. It is sent if the function streams.
    pub(super) shown: &'static str,
    /// Set if the request is retried, unless a text was sent.
    pub(super) is_retried: bool,
}

impl Failure {
    /// Returns whether the next key or the next model is tried.
    pub(super) fn moves_on(&self) -> bool {
        self.moves_to_next_key() || self.code == "upstream_model"
    }

    pub(super) fn moves_to_next_key(&self) -> bool {
        matches!(self.code, "upstream_key" | "upstream_quota" | "upstream_region")
    }
}

impl Reply {
    /// Writes the response. With `size`, the body comes in chunks of this many bytes.
    pub(super) fn bytes(&self, size: Option<usize>) -> Vec<u8> {
        let body = self.pieces.concat();
        let framing = match (self.delivery, self.pieces.len()) {
            (Delivery::Raw | Delivery::RawClosed | Delivery::RawReset, _) => return body,
            (Delivery::UntilClose, _) => "connection: close\r\n".to_owned(),
            (Delivery::Short, _) => format!("content-length: {}\r\n", body.len() + 100),
            (Delivery::Framed, 0 | 1) if size.is_none() => {
                format!("content-length: {}\r\n", body.len())
            }
            _ => "transfer-encoding: chunked\r\n".to_owned(),
        };
        let headers: String = self.headers.iter().map(|line| format!("{line}\r\n")).collect();
        let head = format!("HTTP/1.1 {} Canned\r\n{headers}{framing}\r\n", self.status);
        let mut bytes = head.into_bytes();
        if framing.starts_with("transfer-encoding") {
            let pieces: Vec<&[u8]> = match size {
                Some(size) => body.chunks(size).collect(),
                None => self.pieces.iter().map(Vec::as_slice).collect(),
            };
            for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
                bytes.extend(chunk(piece));
            }
            if self.delivery == Delivery::Framed {
                bytes.extend(chunk(b""));
            }
        } else {
            bytes.extend(body);
        }
        bytes
    }

    /// The number of bytes in the body.
    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.headers.iter().filter_map(|line| line.split_once(": "));
        headers.filter(|header| header.0 == name).map(|header| header.1).next()
    }

    /// Returns whether the upstream closes without a byte.
    pub(super) fn is_nothing(&self) -> bool {
        self.len() == 0 && matches!(self.delivery, Delivery::RawClosed | Delivery::RawReset)
    }
}

/// Writes one chunk. An empty one is the last.
fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// A row with this body as one piece. The default result is an answer without text.
pub(super) fn body(status: u16, name: &str, body: impl Into<Vec<u8>>) -> Row {
    let reply = Reply {
        status,
        headers: Vec::new(),
        pieces: vec![body.into()],
        delivery: Delivery::Framed,
    };
    let expected = Expected::Failure(Failure { code: "answer_empty", ..Failure::default() });
    Row { name: name.to_owned(), reply, expected, streamed: None }
}

/// A row with a JSON body.
pub(super) fn json(status: u16, name: &str, json: impl Into<Vec<u8>>) -> Row {
    body(status, name, json).header("content-type: application/json")
}

/// A row with a web page.
pub(super) fn page(status: u16, name: &str, html: &str) -> Row {
    body(status, name, html).header("content-type: text/html; charset=utf-8")
}

/// A row with server-sent events, each a piece. JSON and `[DONE]` become the data of an event.
/// Other texts are its lines.
pub(super) fn stream<E: AsRef<str>>(name: &str, events: impl IntoIterator<Item = E>) -> Row {
    let piece = |event: E| match event.as_ref() {
        data if data.starts_with(['{', '[', '"']) => format!("data: {data}\n\n").into_bytes(),
        lines => format!("{lines}\n\n").into_bytes(),
    };
    let pieces = events.into_iter().map(piece).collect();
    body(200, name, "").header("content-type: text/event-stream").pieces(pieces)
}

/// A row with an event that is the whole body, with any status.
pub(super) fn event(status: u16, name: &str, event: &str) -> Row {
    body(status, name, event).header("content-type: text/event-stream")
}

/// A row with the bytes of a whole response.
pub(super) fn raw(name: &str, response: impl Into<Vec<u8>>) -> Row {
    body(200, name, response).delivered(Delivery::Raw)
}

impl Row {
    /// Adds a header line to the reply.
    pub(super) fn header(mut self, line: &str) -> Self {
        self.reply.headers.push(line.to_owned());
        self
    }

    /// Replaces the content type of the reply.
    pub(super) fn labelled(mut self, content_type: &str) -> Self {
        self.reply.headers.retain(|line| !line.starts_with("content-type:"));
        match content_type {
            "" => self,
            _ => self.header(&format!("content-type: {content_type}")),
        }
    }

    /// Replaces the body.
    pub(super) fn pieces(mut self, pieces: Vec<Vec<u8>>) -> Self {
        self.reply.pieces = pieces;
        self
    }

    /// Puts bytes before the body, as a piece of their own.
    pub(super) fn preceded_by(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.reply.pieces.insert(0, bytes.into());
        self
    }

    /// Puts bytes behind the body, as a piece of their own.
    pub(super) fn followed_by(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.reply.pieces.push(bytes.into());
        self
    }

    pub(super) fn delivered(mut self, delivery: Delivery) -> Self {
        self.reply.delivery = delivery;
        self
    }

    /// Expects this answer, with the finish reason `stop`.
    pub(super) fn answers(mut self, text: &str) -> Self {
        let (text, finish_reason) = (text.to_owned(), Some("stop"));
        self.expected = Expected::Answer(Answer { text, finish_reason, ..Answer::default() });
        self
    }

    /// Expects another finish reason. An empty one is none.
    pub(super) fn ends(self, reason: &'static str) -> Self {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        self.answer(|answer| answer.finish_reason = reason)
    }

    /// Expects this model.
    pub(super) fn by(self, model: &'static str) -> Self {
        self.answer(|answer| answer.model = Some(model))
    }

    /// Expects these numbers of tokens, of the question and of the answer.
    pub(super) fn counts(self, question: u64, answer: u64) -> Self {
        self.answer(|expected| expected.usage = Some((question, answer)))
    }

    /// Expects a failure with this code, and no retry.
    pub(super) fn fails(mut self, code: &'static str) -> Self {
        self.expected = Expected::Failure(Failure { code, ..Failure::default() });
        self
    }

    /// Expects a text in the message.
    pub(super) fn says(self, text: impl Into<String>) -> Self {
        self.failure(|failure| failure.says.push(text.into()))
    }

    /// Expects that a text is not in the message.
    pub(super) fn hides(self, text: &'static str) -> Self {
        self.failure(|failure| failure.hides.push(text))
    }

    /// Expects a text before the failure.
    pub(super) fn after(self, text: &'static str) -> Self {
        self.failure(|failure| failure.shown = text)
    }

    /// Expects retries. The reply asks for them without a wait.
    pub(super) fn retried(self) -> Self {
        self.retried_later().header("retry-after: 0")
    }

    /// Expects retries with the usual waits.
    pub(super) fn retried_later(self) -> Self {
        self.failure(|failure| failure.is_retried = true)
    }

    /// Takes the reply and the result of another row for requests that ask for a stream.
    pub(super) fn or_if_streamed(mut self, row: Row) -> Self {
        self.streamed = Some((row.reply, row.expected));
        self
    }

    fn answer(mut self, set: impl FnOnce(&mut Answer)) -> Self {
        match &mut self.expected {
            Expected::Answer(answer) => set(answer),
            Expected::Failure(_) => panic!("{} expects no answer", self.name),
        }
        self
    }

    fn failure(mut self, set: impl FnOnce(&mut Failure)) -> Self {
        match &mut self.expected {
            Expected::Failure(failure) => set(failure),
            Expected::Answer(_) => panic!("{} expects no failure", self.name),
        }
        self
    }

    /// Returns the reply and the result for a request that asks for a stream, or does not.
    pub(super) fn case(&self, is_stream: bool) -> (&Reply, &Expected) {
        match &self.streamed {
            Some((reply, expected)) if is_stream => (reply, expected),
            _ => (&self.reply, &self.expected),
        }
    }
}
