//! A provider that keeps what it was asked, and a caller whose bytes are the test's.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::callers::health;
use super::expected::is;
use super::provider::{Message, read_message};
use super::reply::{End, Reply, replies};
use crate::support::{KEY, PATIENCE, Server, TOKEN};

/// A provider that answers everything, and keeps what it was asked.
pub(crate) struct Provider {
    pub(crate) address: String,
    pub(crate) asked: Arc<Mutex<Vec<Message>>>,
}

impl Provider {
    /// One that says this to who asks for `/v1/odd`, and an answer to everybody else.
    pub(crate) fn saying(odd: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, odd) = (asked.clone(), Arc::new(odd.into()));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, odd) = (seen.clone(), odd.clone());
                thread::spawn(move || answer(stream, &seen, &odd));
            }
        });
        Self { address, asked }
    }

    pub(crate) fn server(&self) -> Server {
        let url = format!("http://{}/v1", self.address);
        Server::start(&[("OPENAI_API_KEY", KEY), ("ASK_TOKEN", TOKEN), ("OPENAI_BASE_URL", &url)])
    }
}

fn answer(stream: TcpStream, seen: &Mutex<Vec<Message>>, odd: &[u8]) {
    stream.set_nodelay(true).unwrap();
    let mut wire = BufReader::new(stream);
    // What is broken off is not asked.
    while let Ok(message) = read_message(&mut wire) {
        let is_odd = message.0.contains(" /v1/odd ");
        seen.lock().unwrap().push(message);
        let said = if is_odd { odd.to_vec() } else { answered().into_bytes() };
        if wire.get_mut().write_all(&said).is_err() {
            break;
        }
    }
}

/// An answer, whoever asks.
fn answered() -> String {
    let body = r#"{"choices":[{"message":{"content":"Yes."}}]}"#;
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What a caller gets for these bytes, with a question for our health behind them, which also ends the connection.
pub(crate) fn send(server: &Server, bytes: &[u8]) -> Result<Vec<Reply>, String> {
    let mut wire = TcpStream::connect(server.address).unwrap();
    wire.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that has closed already has said why.
    let _ = wire.write_all(bytes).and_then(|()| wire.write_all(health("probe").as_bytes()));
    let mut got = Vec::new();
    let ended = wire.read_to_end(&mut got);
    replies(&got, End::Closed).map_err(|why| format!("{why}, then {ended:?}"))
}

/// Headers that every request here has.
pub(crate) fn usual() -> String {
    format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: text/plain\r\n")
}

/// Others do not notice.
pub(crate) fn is_answered(provider: &Provider, server: &Server) -> Result<(), String> {
    let question = format!("POST /v1/next HTTP/1.1\r\n{}Content-Length: 4\r\n\r\nnext", usual());
    let next = send(server, question.as_bytes())?;
    next.iter().for_each(|_| drop(server.log()));
    is(next.iter().map(|reply| reply.status).collect(), vec![200, 200], "the next question")?;
    let asked = std::mem::take(&mut *provider.asked.lock().unwrap());
    is(
        asked.len() == 1 && asked[0].0.starts_with("POST /v1/next "),
        true,
        &format!("asked {asked:?}"),
    )
}
