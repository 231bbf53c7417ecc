use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use super::row::{Delivery, Expected, Row};
use super::setup::Setup;
use crate::{Authority, Disconnect, Endpoint, Request, Scratch, accept_tls, chat};

/// The answer to the second request for a question in [`Setup::Lists`].
pub(super) const NEXT_ANSWER: &str = "The next one answers.";

/// Maximum number of chunks of a body in [`Setup::Partial`].
const MAX_CHUNKS: usize = 200;

/// Minimum size of these chunks, in bytes.
const MIN_CHUNK: usize = 7;

/// An upstream that replies to a question with the row of this name.
pub(super) struct TableUpstream {
    endpoint: Endpoint,
    /// The certificate of the authority, if the upstream speaks TLS.
    root: Option<Scratch>,
    served: Arc<Served>,
}

struct Served {
    setup: Setup,
    rows: Arc<[Row]>,
    /// The requests for each question.
    requests: Mutex<HashMap<String, Vec<Request>>>,
}

impl TableUpstream {
    pub(super) fn start(setup: Setup, rows: Arc<[Row]>) -> Self {
        let served = Arc::new(Served { setup, rows, requests: Mutex::default() });
        let serving = served.clone();
        if setup != Setup::Tls {
            let endpoint = Endpoint::start(move |stream| serving.serve(stream, stream));
            return Self { endpoint, root: None, served };
        }
        let authority = Authority::new();
        let config = authority.server("127.0.0.1");
        let serve = move |stream: &TcpStream| serving.serve(accept_tls(&config, stream), stream);
        Self { endpoint: Endpoint::start(serve), root: Some(authority.file()), served }
    }

    /// The settings of a function that asks this upstream.
    pub(super) fn vars(&self) -> Vec<(&'static str, String)> {
        let scheme = if self.root.is_some() { "https" } else { "http" };
        let mut vars = self.served.setup.vars();
        vars.push(("OPENAI_BASE_URL", format!("{scheme}://{}/v1", self.endpoint.address())));
        vars.extend(self.root.iter().map(|root| ("SSL_CERT_FILE", root.path().to_owned())));
        vars
    }

    /// Removes and returns the requests for a question.
    pub(super) fn take_requests(&self, question: &str) -> Vec<Request> {
        self.served.requests.lock().unwrap().remove(question).unwrap_or_default()
    }
}

impl Served {
    fn serve(&self, stream: impl Read + Write, socket: &TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = Request::read(&mut stream) {
            let (bytes, disconnect) = self.reply(request);
            // A client that has left is no failure.
            let _ = stream.get_mut().write_all(&bytes);
            if let Some(disconnect) = disconnect {
                return disconnect.apply_reading(socket, &mut stream);
            }
        }
    }

    /// Records a request. Returns the reply, and the end of the connection if it ends.
    fn reply(&self, request: Request) -> (Vec<u8>, Option<Disconnect>) {
        let body = request.json();
        let question = body["messages"][0]["content"].as_str().expect("a question").to_owned();
        let row = self.rows.iter().find(|row| row.name == question).expect("the name of a row");
        let (reply, expected) = row.case(body["stream"] == true);
        let is_first = {
            let mut requests = self.requests.lock().unwrap();
            let requests = requests.entry(question).or_default();
            requests.push(request);
            requests.len() == 1
        };
        let moves_on = matches!(expected, Expected::Failure(failure) if failure.moves_on());
        if self.setup == Setup::Lists && moves_on && !is_first {
            return (chat::completion(NEXT_ANSWER), None);
        }
        let size =
            (self.setup == Setup::Partial).then(|| reply.len().div_ceil(MAX_CHUNKS).max(MIN_CHUNK));
        let disconnect = match reply.delivery {
            Delivery::Framed | Delivery::Raw | Delivery::Held => None,
            Delivery::UntilClose | Delivery::Short | Delivery::Unfinished | Delivery::RawClosed => {
                Some(Disconnect::Close)
            }
            Delivery::Reset | Delivery::RawReset => Some(Disconnect::Reset),
        };
        (reply.bytes(size), disconnect)
    }
}
