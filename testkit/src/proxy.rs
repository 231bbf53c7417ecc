use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use crate::{Endpoint, Request, splice};

/// An egress proxy. It connects every client to the one address that it was given.
///
/// ```
/// use testkit::{Proxy, Upstream, Wire, chat};
///
/// let upstream = Upstream::always(chat::completion("Yes."));
/// let proxy = Proxy::http(upstream.address(), None);
/// let mut client = Wire::connect(proxy.address());
/// client.send("CONNECT provider.invalid:80 HTTP/1.1\r\n\r\n");
/// assert_eq!(client.head().status(), 200);
/// assert_eq!(proxy.targets(), ["CONNECT provider.invalid:80 HTTP/1.1"]);
/// ```
pub struct Proxy {
    endpoint: Endpoint,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Accepts `CONNECT` with this `Proxy-Authorization`, or without one.
    pub fn http(upstream: SocketAddr, authorization: Option<&str>) -> Self {
        let authorization = authorization.map(str::to_owned);
        Self::start(move |mut stream, targets| {
            let Some(request) = Request::read(&mut BufReader::new(stream)) else { return };
            targets.lock().unwrap().push(request.line().to_owned());
            if request.header("proxy-authorization") != authorization.as_deref() {
                let refusal =
                    "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
                return stream.write_all(refusal.as_bytes()).unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            splice(stream, &TcpStream::connect(upstream).unwrap());
        })
    }

    /// Accepts SOCKS5 (RFC 1928) with this user and password (RFC 1929), or without them.
    pub fn socks(upstream: SocketAddr, login: Option<(&str, &str)>) -> Self {
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        Self::start(move |mut stream, targets| {
            let [5, count] = read(stream) else { panic!("not SOCKS5") };
            let methods = read_text(stream, count);
            let method = if login.is_some() { 2 } else { 0 };
            assert!(methods.as_bytes().contains(&method), "{methods:?}");
            stream.write_all(&[5, method]).unwrap();
            if let Some(login) = &login {
                let [1, length] = read(stream) else { panic!("no login") };
                let user = read_text(stream, length);
                let [length] = read(stream);
                let is_known = (user, read_text(stream, length)) == *login;
                stream.write_all(&[1, u8::from(!is_known)]).unwrap();
                if !is_known {
                    return;
                }
            }
            let [5, 1, 0, kind] = read(stream) else { panic!("no CONNECT") };
            let host = match kind {
                1 => Ipv4Addr::from(read::<4>(stream)).to_string(),
                3 => {
                    let [length] = read(stream);
                    read_text(stream, length)
                }
                4 => format!("[{}]", Ipv6Addr::from(read::<16>(stream))),
                kind => panic!("address of kind {kind}"),
            };
            let port = u16::from_be_bytes(read(stream));
            targets.lock().unwrap().push(format!("{host}:{port}"));
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            splice(stream, &TcpStream::connect(upstream).unwrap());
        })
    }

    fn start(serve: impl Fn(&TcpStream, &Mutex<Vec<String>>) + Send + Sync + 'static) -> Self {
        let targets = Arc::<Mutex<Vec<String>>>::default();
        let shared = targets.clone();
        Self { endpoint: Endpoint::start(move |stream| serve(stream, &shared)), targets }
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address()
    }

    /// The targets so far: request lines (HTTP) or `host:port` (SOCKS5).
    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

fn read<const N: usize>(mut stream: &TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn read_text(mut stream: &TcpStream, length: u8) -> String {
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}
