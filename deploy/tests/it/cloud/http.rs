//! HTTP/1.1 as far as the API needs it: requests with a length, responses with one.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

/// A request with its headers in lower case.
pub(crate) struct Request {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Returns a header, or an empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// The response to a request.
pub(crate) enum Response {
    Json(String),
    /// A page of a proxy in the place of an answer.
    Status(u16),
    /// The connection ends without a byte.
    Close,
}

/// Serves one connection until its end.
pub(crate) fn serve(stream: TcpStream, mut answer: impl FnMut(&Request) -> Response) {
    let mut reader = BufReader::new(&stream);
    while let Some(request) = read(&mut reader) {
        let (status, kind, body) = match answer(&request) {
            Response::Json(body) => (200, "application/json", body),
            Response::Status(status) => (status, "text/html", "<html>".to_owned()),
            Response::Close => return,
        };
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        let response = format!(
            "HTTP/1.1 {status} X\r\nDate: {date}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             \r\n{body}",
            body.len()
        );
        if (&stream).write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: Vec<_> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request { line: lines[0].clone(), headers, body: Vec::new() };
    let length = request.header("content-length").parse().ok()?;
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
