//! The server under it all: limits, names, and how it stops.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::*;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn its_health_has_a_version_and_says_whether_the_settings_are_sound() {
    let sound = Server::start(&[("OPENAI_API_KEY", KEY), ("ASK_TOKEN", TOKEN)]);
    let mut caller = sound.send(HEALTH);
    let head = caller.head();
    assert_eq!(status(&head), 200);
    assert_eq!(header(&head, "cache-control").as_deref(), Some("no-store"));
    assert_eq!(header(&head, "x-content-type-options").as_deref(), Some("nosniff"));
    let expected = format!(r#"{{"settings":"ok","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(caller.body(&head), expected);
    let line = sound.log();
    assert_eq!((line["path"].as_str(), line["cold"].as_bool()), (Some("/healthz"), Some(true)));
    caller.send(HEALTH.replace("Host", "X-Scf-Request-Id: scf-1\r\nHost"));
    assert_eq!(header(&caller.head(), "x-request-id").as_deref(), Some("scf-1"));
    let line = sound.log();
    assert_eq!((line["request_id"].as_str(), line["cold"].as_bool()), (Some("scf-1"), Some(false)));

    let broken = Server::start(&[("ASK_TIMEOUT", "soon")]);
    let mut caller = broken.send(HEALTH);
    let head = caller.head();
    assert_eq!(status(&head), 200);
    assert!(caller.body(&head).contains("ASK_TIMEOUT"));
}

#[test]
#[cfg(target_os = "linux")]
fn it_comes_up_where_the_port_cannot_be_read() {
    // The usual port, at a loopback address that nobody else uses.
    let server = Server::start(&[("HOST", "127.90.0.9"), ("PORT", "ninety")]);
    assert_eq!(server.address.to_string(), "127.90.0.9:9000");
    assert!(server.said()["message"].as_str().unwrap().contains("PORT"));
    assert_eq!(failure(&mut server.send(&request("GET /v1/models", ""))), (500, "config".into()));
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let taken = Provider::start();
    let port = taken.address().port().to_string();
    let ended = Command::new(env!("CARGO_BIN_EXE_ask-web"))
        .env_clear()
        .env("PORT", &port)
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        said.starts_with("ask-web: listen on 127.0.0.1:") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn a_local_server_answers_to_its_own_names_alone() {
    let provider = Provider::start();
    let server = Server::before_with(&provider, &[("ASK_HOSTS", "my-machine, other.example:81")]);
    let health = |host: &str| {
        let mut caller = server.send(&HEALTH.replace("Host: localhost\r\n", host));
        status(&caller.head())
    };
    for host in [
        "localhost",
        "localhost:9000",
        "LOCALHOST",
        "127.0.0.1",
        "127.7.7.7:1",
        "[::1]:9000",
        "a.localhost",
        "My-Machine:5",
        "other.example:81",
    ] {
        assert_eq!(health(&format!("Host: {host}\r\n")), 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "other.example",
        "10.0.0.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]:9000",
        "",
        "a b",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
    ] {
        assert_eq!(health(&format!("Host: {host}\r\n")), 403, "{host}");
    }
    assert_eq!(health(""), 403);
    assert_eq!(health("Host: localhost\r\nHost: evil.example\r\n"), 403);
    let mut caller = server.send(&HEALTH.replace("/healthz", "http://evil.example/healthz"));
    assert_eq!(status(&caller.head()), 403);
    let mut caller =
        server.send(&request("GET /v1/models", "").replace("localhost", "evil.example"));
    assert_eq!(failure(&mut caller), (403, "host".into()));
    provider.is_left_alone();
}

#[test]
fn a_server_is_local_however_its_address_is_written() {
    for host in ["127.1", "2130706433", "::ffff:127.0.0.1", "localhost"] {
        let server = Server::start(&[("HOST", host)]);
        let mut caller = server.send(&HEALTH.replace("localhost", "evil.example"));
        assert_eq!(status(&caller.head()), 403, "{host}");
    }
}

#[test]
fn a_server_for_others_answers_to_any_name() {
    let server = Server::start(&[("HOST", "0.0.0.0")]);
    let port = server.address.port();
    let mut caller = Wire::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    caller.send(HEALTH.replace("localhost", "fn.example"));
    assert_eq!(status(&caller.head()), 200);
}

#[test]
fn a_head_over_64_kb_is_refused_and_one_below_is_not() {
    let server = Server::start(&[]);
    let padded =
        |size: usize| HEALTH.replace("Host", &format!("X-Pad: {}\r\nHost", "p".repeat(size)));
    let mut caller = server.send(&padded(64 * 1024 - 200));
    assert_eq!(status(&caller.head()), 200);
    for size in [64 * 1024, 300 * 1024] {
        let mut caller = server.send(&padded(size));
        let head = caller.head();
        assert_eq!(
            (status(&head), header(&head, "x-error-code").as_deref()),
            (431, Some("head_too_large"))
        );
        caller.body(&head);
        assert_eq!(caller.rest(), "");
    }
}

#[test]
fn a_head_has_10_s_and_an_idle_connection_more() {
    let server = Server::start(&[]);
    let mut idle = server.send(HEALTH);
    let head = idle.head();
    idle.body(&head);
    let began = Instant::now();
    let mut silent = server.connect();
    let mut slow = server.send("GET /healthz HT");
    let mut second = server.send(HEALTH);
    let head = second.head();
    second.body(&head);
    second.send("GET /again");
    for wire in [&mut silent, &mut slow, &mut second] {
        wire.closes_within(Duration::from_secs(12));
    }
    assert!(began.elapsed() > Duration::from_secs(9), "{:?}", began.elapsed());
    assert!(idle.is_open());
    idle.send(HEALTH);
    assert_eq!(status(&idle.head()), 200);
}

/// It listens no more.
pub(crate) fn refuses_connections(server: &Server) {
    let began = Instant::now();
    loop {
        match TcpStream::connect(server.address) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            _ => assert!(began.elapsed() < PATIENCE, "it still listens"),
        }
    }
}

#[test]
fn a_stop_lets_a_running_stream_end_and_closes_what_is_idle() {
    let provider = Provider::start();
    let mut server = Server::before(&provider);
    let mut idle = server.send(HEALTH);
    let head = idle.head();
    idle.body(&head);
    let mut fresh = server.connect();
    let mut caller = server.send(&request("GET /v1/x", ""));
    let mut asked = provider.accept();
    asked.head();
    asked.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n");
    caller.head();
    assert_eq!(caller.chunk(), "one");

    server.terminate();
    idle.closes_within(Duration::from_secs(1));
    fresh.closes_within(Duration::from_secs(1));
    refuses_connections(&server);
    asked.send("3\r\ntwo\r\n");
    assert_eq!(caller.chunk(), "two");
    asked.send("0\r\n\r\n");
    assert_eq!(caller.chunk(), "");
    assert_eq!(caller.rest(), "");
    assert!(server.wait().success());
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let provider = Provider::start();
    let mut server = Server::before_with(&provider, &[("ASK_DRAIN", "0.2")]);
    let mut caller = server.send(&request("GET /v1/x", ""));
    let mut asked = provider.accept();
    asked.head();
    server.terminate();
    assert!(server.wait().success());
    assert_eq!(caller.rest(), "");
    asked.closes_within(Duration::from_secs(1));
}

#[test]
fn a_stop_with_nothing_running_is_at_once() {
    let mut server = Server::start(&[]);
    let mut idle = server.send(HEALTH);
    let head = idle.head();
    idle.body(&head);
    let began = Instant::now();
    server.terminate();
    assert!(server.wait().success());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

/// A server that a shell has limited to so many open files.
fn limited(limits: &str, provider: &Provider) -> Server {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{limits}; exec {}", env!("CARGO_BIN_EXE_ask-web"))]);
    command.env_clear().envs([
        ("PORT", "0"),
        ("ASK_OWN_KEYS", "1"),
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", &provider.url("/v1").replace("127.0.0.1", "localhost")),
    ]);
    Server::spawn(command)
}

#[test]
fn out_of_file_descriptors_is_said_and_passes() {
    let provider = Provider::start();
    let server = limited("ulimit -n 24", &provider);
    let mut open = Vec::new();
    let turned_away = loop {
        let mut caller = server.send(HEALTH);
        let head = caller.head();
        if status(&head) != 200 {
            break (head, caller);
        }
        caller.body(&head);
        open.push(caller);
        assert!(open.len() < 24);
    };
    let (head, mut caller) = turned_away;
    assert_eq!(status(&head), 503);
    assert_eq!(header(&head, "retry-after").as_deref(), Some("1"));
    for name in [
        "cache-control",
        "x-content-type-options",
        "x-request-id",
        "vary",
        "access-control-expose-headers",
    ] {
        assert!(header(&head, name).is_some(), "{name} is missing in {head}");
    }
    assert!(caller.body(&head).contains("\"busy\""));
    assert_eq!(caller.rest(), "");

    caller.close();

    // Who is connected is heard, and there is no descriptor for the provider, nor for looking up its name.
    let mut caller = open.pop().unwrap();
    caller.send(request("GET /v1/models", ""));
    assert_eq!(failure(&mut caller), (503, "busy".into()));
    caller.send("GET /?q=hi HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
    let head = caller.head();
    assert_eq!((status(&head), header(&head, "x-error-code").as_deref()), (503, Some("busy")));
    assert_eq!(header(&head, "retry-after").as_deref(), Some("1"));
    assert!(caller.body(&head).contains("file descriptors"));
    provider.is_left_alone();

    // And when others have gone, there is.
    open.into_iter().for_each(Wire::close);
    while server.log()["path"] != "/" {}
    caller.send(request("GET /v1/models", ""));
    let mut asked = provider.accept();
    asked.head();
    asked.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(status(&caller.head()), 200);
}

#[test]
#[cfg(target_os = "linux")]
fn the_soft_limit_on_open_files_is_raised() {
    let server = limited("ulimit -S -n 64; ulimit -H -n 512", &Provider::start());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("512"), "{files}");
}
