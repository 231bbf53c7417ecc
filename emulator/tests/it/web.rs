//! Web functions: an HTTP server as a process behind the emulator.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::exit,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use scf_emulator::{Emulator, Function, Kind, MAX_BYTES, Settings};
use testkit::{
    Request, WAIT_LIMIT, Wire, free_port,
    http::{chunk, response},
    poll,
    process::wait_until_stopped,
};

use crate::support::{Package, address, get, logs, send, state};

/// Returns settings for [`web_function_process`].
fn settings() -> Settings {
    let port = free_port();
    let mut function = Function::new(env::current_exe().unwrap())
        .arg("web::web_function_process")
        .arg("--exact")
        .arg("--nocapture")
        .env("TEST_PORT", port.to_string());
    function.kind = Kind::Web { port };
    Settings::new(function)
}

fn start(settings: Settings) -> Emulator {
    settings.start("127.0.0.1:0").unwrap()
}

/// Sends a request without closing the connection.
fn open(emulator: &Emulator, path: &str) -> Wire {
    let mut client = Wire::connect(address(emulator));
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    client
}

/// The Web function of these tests. It is no test: it serves if the emulator starts it.
#[test]
fn web_function_process() {
    let Ok(port) = env::var("TEST_PORT") else { return };
    println!("serving");
    let ip: Ipv4Addr = env::var("TEST_IP").map_or(Ipv4Addr::UNSPECIFIED, |ip| ip.parse().unwrap());
    let listener = TcpListener::bind((ip, port.parse().unwrap())).unwrap();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    for stream in listener.incoming() {
        let gate = gate.clone();
        thread::spawn(move || {
            let stream = stream.unwrap();
            // A probe has no request.
            if stream.peek(&mut [0]).is_ok_and(|bytes| bytes > 0) {
                let mut client = Wire::new(stream);
                let request = client.request();
                serve(&mut client, &request, &gate);
            }
        });
    }
}

fn serve(client: &mut Wire, request: &Request, gate: &(Mutex<bool>, Condvar)) {
    let (is_open, opened) = gate;
    match request.target() {
        "/stream" => {
            client.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.send(chunk("first"));
            drop(opened.wait_while(is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
            client.send(chunk("last"));
            client.send("0\r\n\r\n");
        }
        "/open" => {
            *is_open.lock().unwrap() = true;
            opened.notify_all();
            client.send(response(200, &[], "open"));
        }
        "/wait" => {
            println!("waiting");
            client.rest();
            println!("the emulator has closed");
        }
        "/broken" => client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        "/nothing" => {}
        "/reason" => client.send("HTTP/1.1 299 Almost OK\r\nContent-Length: 0\r\n\r\n"),
        "/exit" => exit(3),
        "/exit-later" => {
            client.send(response(200, &["Connection: close"], "bye"));
            exit(4);
        }
        "/allocate" => {
            let bytes = vec![1u8; 200 << 20];
            client.rest();
            drop(bytes);
        }
        "/headers" => {
            client.send(response(200, &[&format!("X-Long: {}", "x".repeat(4096))], ""));
        }
        "/large" => client.send(response(200, &[], vec![b'x'; MAX_BYTES + 1])),
        "/full" => client.send(response(200, &[], vec![b'x'; MAX_BYTES])),
        "/echo" => {
            let headers = ["Keep-Alive: timeout=1", "Connection: keep-alive, X-Hop", "X-Hop: 1"];
            client.send(response(201, &headers, request.text()));
        }
        "/socket" => {
            client.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
            );
            let text = client.exactly(4);
            client.send([&text[..], b"!"].concat());
            client.rest();
        }
        _ => {
            let headers: Vec<_> =
                request.headers().map(|(name, value)| format!("{name}: {value}")).collect();
            client.send(response(200, &[], format!("{}\n{}", request.line(), headers.join("\n"))));
        }
    }
}

#[test]
fn request_has_the_platforms_headers() {
    let mut settings = settings();
    settings.limits.time = Duration::from_millis(2500);
    let function = settings.function.as_mut().unwrap();
    function.name = "mine".to_owned();
    function.region = "ap-tokyo".to_owned();
    let emulator = start(settings);
    let forged = ["X-Scf-Remote-Addr: 1.2.3.4", "X-Scf-Secret-Id: x", "Keep-Alive: 1", "X-Mine: 2"];
    let text = send(&emulator, "GET /a%20b?c=\"d\"", &forged, b"").text();
    let lines: Vec<_> = text.lines().map(str::to_lowercase).collect();
    assert_eq!(lines[0], "get /a%20b?c=%22d%22 http/1.1");
    for line in [
        "x-mine: 2",
        "x-scf-appid: 1300000000",
        "x-scf-memory: 128",
        "x-scf-name: mine",
        "x-scf-namespace: default",
        "x-scf-region: ap-tokyo",
        "x-scf-remote-addr: 127.0.0.1",
        "x-scf-timeout: 2500",
        "x-scf-uin: 100000000001",
        "x-scf-version: $latest",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line} in {text}");
    }
    let id = lines.iter().find_map(|line| line.strip_prefix("x-scf-request-id: ")).unwrap();
    assert_eq!(id.len(), 36);
    assert!(!text.contains("secret") && !text.contains("keep-alive"), "{text}");
    let report = format!("Report RequestId: {id} Duration:");
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains(&report)), "{}", logs(&emulator));
}

#[test]
fn bodies_and_end_to_end_headers_are_passed_on() {
    let emulator = start(settings());
    let response = send(&emulator, "POST /echo", &[], b"body");
    assert_eq!((response.status(), response.text().as_str()), (201, "body"));
    assert_eq!(response.header("x-hop").or(response.header("keep-alive")), None);

    let mut client = Wire::connect(address(&emulator));
    client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send([chunk("in "), chunk("pieces"), "0\r\n\r\n".to_owned()].concat());
    assert_eq!(client.response().text(), "in pieces");

    let response = get(&emulator, "/reason");
    assert_eq!(response.head.line(), "HTTP/1.1 299 Almost OK");
}

#[test]
fn request_with_an_invalid_chunk_is_a_400() {
    let emulator = start(settings());
    let mut client = Wire::connect(address(&emulator));
    client
        .send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n");
    assert_eq!(client.last_response().status(), 400);
}

#[test]
fn responses_are_streamed() {
    let emulator = start(Settings { concurrency: 2, ..settings() });
    let mut client = open(&emulator, "/stream");
    client.head();
    assert_eq!(client.chunk(), "first");
    assert_eq!(get(&emulator, "/open").text(), "open");
    assert_eq!((client.chunk().as_str(), client.chunk().as_str()), ("last", ""));
}

#[test]
fn requests_over_the_concurrency_wait() {
    let emulator = start(settings());
    let mut first = open(&emulator, "/stream");
    first.head();
    let mut second = open(&emulator, "/open");
    second.assert_silent_for(Duration::from_millis(300));
    first.close();
    // The first client has left, so its place is free.
    assert_eq!(second.response().text(), "open");
}

#[test]
fn upgrades_are_tunneled() {
    let emulator = start(settings());
    let mut client = Wire::connect(address(&emulator));
    client.send(
        "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
    );
    let head = client.head();
    assert_eq!((head.status(), head.header("upgrade")), (101, Some("echo")));
    client.send("\"\u{80}\n");
    assert_eq!(client.exactly(5), "\"\u{80}\n!".as_bytes());
}

#[test]
fn bodies_over_6_mb_are_a_406_and_a_410() {
    let emulator = start(settings());
    let response = send(&emulator, "POST /echo", &[], &vec![b'x'; MAX_BYTES + 1]);
    assert_eq!((response.status(), &response.json()["statusCode"]), (406, &406.into()));
    assert_eq!(send(&emulator, "POST /", &[], &vec![b'x'; MAX_BYTES]).status(), 200);
    assert_eq!(get(&emulator, "/large").status(), 410);
    assert_eq!(get(&emulator, "/full").body.len(), MAX_BYTES);
}

#[test]
fn invalid_responses_are_a_443() {
    let emulator = start(settings());
    let check = |path: &str, error: &str| {
        let response = get(&emulator, path);
        let body = response.json();
        let message = body["errorMessage"].as_str().unwrap();
        assert!(response.status() == 443 && message.contains(error), "{path}: {message}");
    };
    check("/headers", "response headers of 4");
    check("/socket", "status 101 without a request for it");
    check("/nothing", "no response");
}

#[test]
fn truncated_response_is_broken_off() {
    let emulator = start(settings());
    let mut client = open(&emulator, "/broken");
    assert_eq!(client.head().header("content-length"), Some("10"));
    assert_eq!(client.rest(), "half");
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains("443: UserCodeError: incomplete")));
}

#[test]
fn web_time_limit_is_a_433_and_starts_a_new_instance() {
    let mut settings = settings();
    settings.limits.time = Duration::from_millis(500);
    let emulator = start(settings);
    assert_eq!(get(&emulator, "/").status(), 200);
    let first = emulator.pid();
    let response = get(&emulator, "/wait");
    assert_eq!((response.status(), &response.json()["statusCode"]), (433, &433.into()));
    // A stream that has begun is broken off.
    let mut client = open(&emulator, "/stream");
    client.head();
    assert_eq!(client.chunk(), "first");
    assert_eq!(client.rest(), "");
    assert_eq!(get(&emulator, "/").status(), 200);
    assert_ne!(emulator.pid(), first);
}

#[test]
fn exit_during_a_request_is_a_439() {
    let emulator = start(settings());
    let response = get(&emulator, "/exit");
    assert_eq!(response.status(), 439);
    assert!(response.text().contains("exit status: 3"), "{}", response.text());
    assert_eq!(get(&emulator, "/").status(), 200);
    assert_eq!(get(&emulator, "/exit-later").text(), "bye");
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains("the next request starts a new")));
    assert_eq!(get(&emulator, "/").status(), 200);
}

#[test]
fn server_on_loopback_only_is_a_446() {
    let mut settings = settings();
    settings.limits.init = Duration::from_secs(2);
    let function = settings.function.as_mut().unwrap();
    function.env.push(("TEST_IP".to_owned(), "127.0.0.1".to_owned()));
    let emulator = start(settings);
    let response = get(&emulator, "/");
    assert_eq!(response.status(), 446);
    assert!(response.text().contains("only on 127.0.0.1"), "{}", response.text());
}

#[test]
fn occupied_port_is_a_446() {
    let settings = settings();
    let Kind::Web { port } = settings.function.as_ref().unwrap().kind else { unreachable!() };
    let _occupied = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let response = get(&start(settings), "/");
    assert_eq!(response.status(), 446);
    assert!(response.text().contains("Address already in use"), "{}", response.text());
}

#[test]
fn program_that_exits_is_a_405() {
    let package = Package::named("scf_bootstrap", "#!/bin/bash\nno-such-command");
    let mut settings = package.settings();
    assert_eq!(settings.function.as_ref().unwrap().kind, Kind::WEB);
    settings.function.as_mut().unwrap().kind = Kind::Web { port: free_port() };
    let response = get(&start(settings), "/");
    assert_eq!(response.status(), 405);
    assert!(response.text().contains("--env PATH passes your PATH"), "{}", response.text());
}

#[test]
fn web_function_over_its_memory_is_a_434() {
    let emulator = start(settings());
    let response = get(&emulator, "/allocate");
    assert_eq!(response.status(), 434, "{}", response.text());
    assert_eq!(get(&emulator, "/").status(), 200);
}

#[test]
fn client_that_leaves_closes_the_functions_connection() {
    let emulator = start(settings());
    let client = open(&emulator, "/wait");
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains("waiting")));
    client.close();
    let closed = "the emulator has closed";
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains(closed)), "{}", logs(&emulator));
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains("GET /wait client left after")));
}

#[test]
fn web_function_is_frozen_between_requests() {
    let emulator = start(Settings { freeze: true, ..settings() });
    for _ in 0..2 {
        assert_eq!(get(&emulator, "/").status(), 200);
        wait_until_stopped(emulator.pid().unwrap());
    }
    let pid = emulator.pid().unwrap();
    emulator.stop();
    assert_eq!(state(pid), None);
}

#[test]
fn stopping_responds_to_web_clients() {
    let emulator = start(settings());
    let mut client = open(&emulator, "/wait");
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains("waiting")));
    emulator.stop();
    let response = client.last_response();
    assert_eq!(response.status(), 499);
    assert!(response.text().contains("emulator has stopped"), "{}", response.text());
}

#[test]
fn stopping_closes_idle_connections_without_a_response() {
    let emulator = start(settings());
    let fresh = Wire::connect(address(&emulator));
    let mut idle = open(&emulator, "/echo");
    assert_eq!(idle.response().status(), 201);
    let mut partial = open(&emulator, "/echo");
    assert_eq!(partial.response().status(), 201);
    partial.send("GET / HTTP/1.1\r\nHost: ");
    let began = Instant::now();
    emulator.stop();
    for mut client in [fresh, idle, partial] {
        assert_eq!(client.rest(), "");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn odd_targets_are_encoded_in_every_request() {
    let emulator = start(settings());
    let mut client = Wire::connect(address(&emulator));
    for _ in 0..2 {
        client.send("POST /?q=\"<é> HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
        let text = client.response().text();
        assert!(text.starts_with("POST /?q=%22%3Cé%3E HTTP/1.1"), "{text}");
    }
}

#[test]
fn web_functions_take_no_events() {
    let emulator = start(settings());
    assert_eq!(emulator.invoke("{}").reply.unwrap_err().status, 436);
    assert_eq!(emulator.runtime_api(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
}
