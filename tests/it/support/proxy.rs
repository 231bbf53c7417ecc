//! Proxies on the way to the provider. Whatever they are asked for, they connect to the one address that is theirs.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use super::server::{Listening, Request, listen, splice};

/// A proxy that keeps what it was asked for.
pub(crate) struct Proxy {
    listening: Listening,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Takes `CONNECT`, with this `Proxy-Authorization` where one is given.
    pub(crate) fn http(address: SocketAddr, authorization: Option<&str>) -> Self {
        let authorization = authorization.map(str::to_owned);
        Self::new(move |stream, targets| {
            let mut stream = BufReader::new(stream);
            let Some(request) = Request::read(&mut stream) else { return };
            targets.lock().unwrap().push(request.line.clone());
            if request.header("proxy-authorization") != authorization.as_deref() {
                let refused =
                    "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
                return stream.get_mut().write_all(refused.as_bytes()).unwrap();
            }
            stream.get_mut().write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            splice(stream.into_inner(), TcpStream::connect(address).unwrap());
        })
    }

    /// Speaks SOCKS5 (RFC 1928), with this user and password (RFC 1929) where they are given.
    pub(crate) fn socks(address: SocketAddr, login: Option<(&str, &str)>) -> Self {
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        Self::new(move |mut stream, targets| {
            let methods = {
                let [5, count] = read(&mut stream) else { panic!("not SOCKS5") };
                read_text(&mut stream, count)
            };
            let method = if login.is_some() { 2 } else { 0 };
            assert!(methods.as_bytes().contains(&method), "{methods:?}");
            stream.write_all(&[5, method]).unwrap();
            if let Some((user, password)) = &login {
                let [1, length] = read(&mut stream) else { panic!("no login") };
                let shown = read_text(&mut stream, length);
                let [length] = read(&mut stream);
                let matches =
                    (shown, read_text(&mut stream, length)) == (user.clone(), password.clone());
                stream.write_all(&[1, u8::from(!matches)]).unwrap();
                if !matches {
                    return;
                }
            }
            let [5, 1, 0, kind] = read(&mut stream) else { panic!("no CONNECT") };
            let host = match kind {
                1 => std::net::Ipv4Addr::from(read::<4>(&mut stream)).to_string(),
                3 => {
                    let [length] = read(&mut stream);
                    read_text(&mut stream, length)
                }
                4 => format!("[{}]", std::net::Ipv6Addr::from(read::<16>(&mut stream))),
                kind => panic!("address of kind {kind}"),
            };
            let port = u16::from_be_bytes(read(&mut stream));
            targets.lock().unwrap().push(format!("{host}:{port}"));
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            splice(stream, TcpStream::connect(address).unwrap());
        })
    }

    fn new(serve: impl Fn(TcpStream, &Mutex<Vec<String>>) + Send + Sync + 'static) -> Self {
        let targets = Arc::new(Mutex::new(Vec::new()));
        let kept = targets.clone();
        Self { listening: listen(move |stream| serve(stream, &kept)), targets }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// What it was asked for: a `CONNECT` line, or host and port.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

fn read<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn read_text(stream: &mut TcpStream, length: u8) -> String {
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}
