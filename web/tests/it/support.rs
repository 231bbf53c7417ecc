//! The program under test as a process, and both ends of the wire in the hands of the test.

use std::env;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing that is waited for takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const KEY: &str = "sk-server-Zq7";
pub(crate) const TOKEN: &str = "owner-token-Xw9";

/// The start file in the unpacked zip that `ASK_WEB_PACKAGE` names, else the binary that cargo has built.
pub(crate) fn program() -> PathBuf {
    let packaged =
        env::var_os("ASK_WEB_PACKAGE").map(|folder| Path::new(&folder).join("scf_bootstrap"));
    packaged.unwrap_or_else(|| env!("CARGO_BIN_EXE_ask-web").into())
}

/// `ask-web` on a port of its own.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Mutex<Receiver<String>>,
}

impl Server {
    /// Starts it with these variables and no others.
    pub(crate) fn start(vars: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program());
        // The start file of the zip opens the server to everybody; on a machine it is for that machine.
        command.env_clear().env("HOST", "127.0.0.1").env("PORT", "0").envs(vars.iter().copied());
        if let Some(folder) = env::var_os("ASK_WEB_PACKAGE") {
            command.current_dir(folder);
        }
        Self::spawn(command)
    }

    /// Starts it for this provider, with a key, a token, and callers' own keys let through.
    pub(crate) fn before(provider: &Provider) -> Self {
        Self::before_with(provider, &[])
    }

    /// The same with more variables, or other values.
    pub(crate) fn before_with(provider: &Provider, vars: &[(&str, &str)]) -> Self {
        let url = provider.url("/v1");
        let usual = [
            ("OPENAI_API_KEY", KEY),
            ("ASK_TOKEN", TOKEN),
            ("ASK_OWN_KEYS", "1"),
            ("OPENAI_BASE_URL", &url),
        ];
        Self::start(&[&usual[..], vars].concat())
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        errors.read_line(&mut first).unwrap();
        let address = first.trim().rsplit("http://").next().unwrap();
        let address = address.parse().unwrap_or_else(|_| panic!("no address in {first:?}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, log) = channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        // What else it says is shown with a test that fails.
        thread::spawn(move || {
            errors.lines().map_while(Result::ok).for_each(|line| eprintln!("{line}"))
        });
        Self { child, address, log: Mutex::new(log) }
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::new(TcpStream::connect(self.address).unwrap())
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn send(&self, request: &str) -> Wire {
        let mut wire = self.connect();
        wire.send(request);
        wire
    }

    /// The next line of a request in the log.
    pub(crate) fn log(&self) -> Value {
        std::iter::repeat_with(|| self.said()).find(|line| line["request_id"].is_string()).unwrap()
    }

    /// The next line of any kind on standard output.
    pub(crate) fn said(&self) -> Value {
        serde_json::from_str(
            &self.log.lock().unwrap().recv_timeout(PATIENCE).expect("a line in the log"),
        )
        .unwrap()
    }

    /// What is in the log and has not been looked at.
    pub(crate) fn rest_of_log(&self) -> Vec<String> {
        self.log.lock().unwrap().try_iter().collect()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A provider whose words are the test's.
pub(crate) struct Provider(pub(crate) TcpListener);

impl Provider {
    pub(crate) fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) fn accept(&self) -> Wire {
        Wire::new(accept(&self.0))
    }

    /// Nobody has come.
    #[track_caller]
    pub(crate) fn is_left_alone(&self) {
        self.0.set_nonblocking(true).unwrap();
        assert_eq!(self.0.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "a connection came");
    }
}

/// The next connection, or a panic where none comes.
#[track_caller]
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let began = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && began.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("nobody came: {error}"),
        }
    }
}

/// One end of a connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    read: BufReader<TcpStream>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { read: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// A head, with the empty line after it.
    #[track_caller]
    pub(crate) fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = self.read.read_until(b'\n', &mut head).expect("a head");
            assert!(read > 0, "the connection ended in {:?}", String::from_utf8_lossy(&head));
        }
        String::from_utf8(head).unwrap()
    }

    #[track_caller]
    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.read.read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    /// This, and nothing else, comes next.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&self.exactly(expected.len())), expected);
    }

    /// The body of a message with this head.
    #[track_caller]
    pub(crate) fn body(&mut self, head: &str) -> String {
        let length = header(head, "content-length").expect("a length").parse().unwrap();
        String::from_utf8(self.exactly(length)).unwrap()
    }

    /// One chunk; the last one is empty.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> String {
        let mut size = String::new();
        self.read.read_line(&mut size).expect("the size of a chunk");
        let size =
            usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("no size: {size:?}"));
        let bytes = self.exactly(size);
        self.expect("\r\n");
        String::from_utf8(bytes).unwrap()
    }

    /// Everything until the other side closes.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.read.read_to_end(&mut rest).expect("an end");
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// The other side closes, within this time, whether it says so or just goes. What still comes is dropped.
    #[track_caller]
    pub(crate) fn closes_within(&mut self, time: Duration) {
        let began = Instant::now();
        self.stream.set_read_timeout(Some(time)).unwrap();
        let mut bytes = [0; 64 * 1024];
        loop {
            match self.read.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("still open after {:?}: {error}", began.elapsed()),
            }
        }
        assert!(began.elapsed() < time, "closed after {:?}", began.elapsed());
    }

    /// Nothing comes for so long, not even an end.
    #[track_caller]
    pub(crate) fn is_silent_for(&mut self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let read = self.read.read(&mut [0]);
        assert_eq!(read.expect_err("nothing").kind(), ErrorKind::WouldBlock);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    /// Whether the other side is still there, as far as one can see.
    pub(crate) fn is_open(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        !matches!(peeked, Ok(0)) && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Closes this end.
    pub(crate) fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The value of a header in a head; several are joined as they are.
pub(crate) fn header(head: &str, name: &str) -> Option<String> {
    let values: Vec<&str> = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(named, _)| named.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// The status in a head.
#[track_caller]
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status in {head:?}"))
}

/// A request with the token, on a local server.
pub(crate) fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n")
}

/// A failure of our own in OpenAI's shape: its status and its code.
#[track_caller]
pub(crate) fn failure(wire: &mut Wire) -> (u16, String) {
    let head = wire.head();
    let body: Value = serde_json::from_str(&wire.body(&head)).expect("JSON");
    let error = body["error"].as_object().expect("an error");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    assert!(error["type"].is_string() && error["param"].is_null(), "{body}");
    let code = error["code"].as_str().expect("a code").to_owned();
    assert_eq!(header(&head, "x-error-code").as_deref(), Some(code.as_str()));
    assert_eq!(header(&head, "cache-control").as_deref(), Some("no-store"));
    assert!(header(&head, "x-request-id").is_some());
    (status(&head), code)
}
