//! TLS in front of an HTTP server on this machine, one request a connection.
//!
//! `cargo run -p testkit --features tls --example tls -- 127.0.0.1:9000 root.pem` writes the root
//! certificate into the file and prints the address. It ends with its standard input.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::{env, fs, process, thread};

use testkit::{Authority, Request, accept_tls};

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [server, root] = args.as_slice() else {
        eprintln!("usage: tls SERVER ROOT.pem");
        process::exit(2);
    };
    let authority = Authority::new();
    fs::write(root, authority.pem())?;
    let config = authority.server("127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("https://{}", listener.local_addr()?);
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    for stream in listener.incoming() {
        let (stream, config, server) = (stream?, config.clone(), server.clone());
        thread::spawn(move || {
            let mut client = BufReader::new(accept_tls(&config, &stream));
            let Some(request) = Request::read(&mut client) else { return Ok(()) };
            let mut server = TcpStream::connect(server)?;
            let head = request.head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            server.write_all(head.as_bytes())?;
            server.write_all(&request.body)?;
            let mut client = client.into_inner();
            io::copy(&mut server, &mut client)?;
            client.conn.send_close_notify();
            client.flush()
        });
    }
    Ok(())
}
