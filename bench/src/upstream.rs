//! The upstream of the event functions: it answers at once, over plain HTTP or TLS.

use std::io::{BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use testkit::{Authority, Endpoint, Request, accept_tls, http};

/// An upstream, which serves until the value is dropped.
pub(crate) struct Upstream {
    endpoint: Endpoint,
    /// The value of `OPENAI_BASE_URL`.
    pub(crate) url: String,
}

impl Upstream {
    /// Answers over plain HTTP.
    pub(crate) fn start(answer: &str) -> Self {
        let reply = json(200, &[], completion(answer));
        let endpoint = Endpoint::start(move |stream| serve(stream, &reply));
        Self { url: format!("http://{}/v1", endpoint.address()), endpoint }
    }

    /// Does the same over TLS, below an intermediate authority, and writes the root's certificate
    /// to a file.
    pub(crate) fn start_tls(answer: &str, root: &Path) -> anyhow::Result<Self> {
        let authority = Authority::new();
        std::fs::write(root, authority.pem()).context("write the root's certificate")?;
        let config = authority.intermediate().server("127.0.0.1");
        let reply = json(200, &[], completion(answer));
        let endpoint = Endpoint::start(move |stream| serve(accept_tls(&config, stream), &reply));
        Ok(Self { url: format!("https://{}/v1", endpoint.address()), endpoint })
    }

    /// The address of the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.endpoint.address()
    }
}

fn serve(stream: impl Read + Write, reply: &[u8]) {
    let mut stream = BufReader::new(stream);
    while Request::read(&mut stream).is_some() {
        // A client that has left ends its connection alone.
        if stream.get_mut().write_all(reply).is_err() {
            break;
        }
    }
}

/// A response with a JSON body and these header lines.
pub(crate) fn json(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    http::response(status, &[&["Content-Type: application/json"], headers].concat(), body)
}

/// Returns a completion as providers write it.
pub(crate) fn completion(answer: &str) -> String {
    let answer = serde_json::Value::from(answer);
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-3.5-turbo-0125","choices":[{{"index":0,"message":{{"role":"assistant","content":{answer}}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":12,"completion_tokens":9,"total_tokens":21}}}}"#
    )
}
