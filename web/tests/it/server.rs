//! The server itself: health, names, limits, and the stop.

use std::time::{Duration, Instant};

use testkit::process;

use crate::support::*;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Opens a connection that has been used.
fn connect_idle(app: &Instance) -> Wire {
    let mut client = app.send(HEALTH);
    client.response();
    client
}

#[test]
fn health_has_the_version_and_the_state_of_the_settings() {
    let app = App::unset().set("OPENAI_API_KEY", KEY).set("ASK_TOKEN", TOKEN).start();
    let mut client = app.send(HEALTH);
    let response = client.response();
    let expected = format!(r#"{{"settings":"ok","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    response.assert_answer(&expected);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    let line = app.log_line();
    assert_eq!((line["path"].as_str(), line["cold"].as_bool()), (Some("/healthz"), Some(true)));
    client.send(HEALTH.replace("Host", "X-Scf-Request-Id: scf-1\r\nHost"));
    assert_eq!(client.head().header("x-request-id"), Some("scf-1"));
    let line = app.log_line();
    assert_eq!((line["request_id"].as_str(), line["cold"].as_bool()), (Some("scf-1"), Some(false)));

    let response = App::unset().set("ASK_TIMEOUT", "soon").start().send(HEALTH).response();
    assert!(response.status() == 200 && response.text().contains("ASK_TIMEOUT"), "{response:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn invalid_port_means_the_default_port() {
    // On a loopback address of its own: the default port may be in use.
    let app = App::unset().set("HOST", "127.90.0.9").set("PORT", "ninety").start();
    assert_eq!(app.address.to_string(), "127.90.0.9:9000");
    assert!(app.line()["message"].as_str().unwrap().contains("PORT"));
    assert_proxy_error(&mut app.send(&request("GET /v1/models", "")), 500, "config");
}

#[test]
fn address_in_use_is_an_error() {
    let listener = Listener::bind();
    let address = listener.address();
    let mut command = process::command(env!("CARGO_BIN_EXE_ask-web"));
    let output = command.env("PORT", address.port().to_string()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("ask-web: ") && error.contains(&address.to_string()), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn local_server_accepts_its_own_host_names_alone() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("ASK_HOSTS", "my-machine, other.example:81").start();
    let health =
        |host: &str| app.send(&HEALTH.replace("Host: localhost\r\n", host)).head().status();
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
    let mut client = app.send(&HEALTH.replace("/healthz", "http://evil.example/healthz"));
    assert_eq!(client.head().status(), 403);
    let models = request("GET /v1/models", "").replace("localhost", "evil.example");
    assert_proxy_error(&mut app.send(&models), 403, "host");
    listener.assert_unused();
}

#[test]
fn every_spelling_of_a_loopback_address_is_local() {
    for host in ["127.1", "2130706433", "::ffff:127.0.0.1", "localhost"] {
        let app = App::unset().set("HOST", host).start();
        let mut client = app.send(&HEALTH.replace("localhost", "evil.example"));
        assert_eq!(client.head().status(), 403, "{host}");
    }
}

#[test]
fn public_server_accepts_every_host_name() {
    let app = App::unset().set("HOST", "0.0.0.0").start();
    let mut client = Wire::connect(([127, 0, 0, 1], app.address.port()).into());
    client.send(HEALTH.replace("localhost", "fn.example"));
    assert_eq!(client.head().status(), 200);
}

#[test]
fn head_over_64_kb_is_rejected() {
    let app = App::unset().start();
    let padded =
        |size: usize| HEALTH.replace("Host", &format!("X-Pad: {}\r\nHost", "p".repeat(size)));
    assert_eq!(app.send(&padded(64 * 1024 - 200)).head().status(), 200);
    assert_eq!(app.log_line()["status"], 200);
    for size in [64 * 1024, 300 * 1024] {
        let mut client = app.send(&padded(size));
        assert_eq!(client.head().status(), 431);
        assert_eq!(app.log_line()["code"], "head_too_large");
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn head_times_out_after_10_s_and_an_idle_connection_later() {
    let app = App::unset().start();
    let mut idle = connect_idle(&app);
    let began = Instant::now();
    let (silent, slow) = (app.connect(), app.send("GET /healthz HT"));
    let mut second = connect_idle(&app);
    second.send("GET /again");
    for mut client in [silent, slow, second] {
        client.assert_closes_within(Duration::from_secs(12));
    }
    assert!(began.elapsed() > Duration::from_secs(9), "{:?}", began.elapsed());
    assert!(idle.is_open());
    idle.send(HEALTH);
    assert_eq!(idle.head().status(), 200);
}

#[test]
fn stop_finishes_a_stream_and_closes_idle_connections() {
    let (listener, app) = start_app();
    let (mut idle, mut fresh) = (connect_idle(&app), app.connect());
    let (mut client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
    upstream.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n");
    client.head();
    assert_eq!(client.chunk(), "one");

    app.signal("TERM");
    idle.assert_closes_within(Duration::from_secs(1));
    fresh.assert_closes_within(Duration::from_secs(1));
    app.wait_until_refusing();
    upstream.send("3\r\ntwo\r\n");
    assert_eq!(client.chunk(), "two");
    upstream.send("0\r\n\r\n");
    assert_eq!(client.chunk(), "");
    assert_eq!(client.rest(), "");
    assert!(app.wait().success());
}

#[test]
fn stop_ends_after_ask_drain() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("ASK_DRAIN", "0.2").start();
    let (mut client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
    app.signal("TERM");
    assert!(app.wait().success());
    assert_eq!(client.rest(), "");
    upstream.assert_closes_within(Duration::from_secs(1));
}

#[test]
fn stop_without_requests_is_immediate() {
    let app = App::unset().start();
    let _idle = connect_idle(&app);
    let began = Instant::now();
    app.signal("TERM");
    assert!(app.wait().success());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

/// Starts the program in a shell that has set these limits.
fn limited(limits: &str, listener: &Listener) -> Instance {
    let url = listener.url("/v1").replace("127.0.0.1", "localhost");
    let app = App::unset().set_all(&[
        ("ASK_OWN_KEYS", "1"),
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", &url),
    ]);
    let mut shell = process::command("/bin/sh");
    shell.args(["-c", &format!("{limits}; exec {}", env!("CARGO_BIN_EXE_ask-web"))]);
    let app = app.command();
    shell.envs(app.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Instance::spawn(&mut shell)
}

#[test]
fn running_out_of_file_descriptors_is_an_error_that_passes() {
    let listener = Listener::bind();
    let app = limited("ulimit -n 24", &listener);
    let mut open = Vec::new();
    let mut rejected = loop {
        let mut client = app.send(HEALTH);
        let response = client.response();
        if response.status() != 200 {
            break (response, client);
        }
        open.push(client);
        assert!(open.len() < 24);
    };
    let response = rejected.0;
    assert_eq!((response.status(), response.header("retry-after")), (503, Some("1")));
    for name in [
        "cache-control",
        "x-content-type-options",
        "x-request-id",
        "vary",
        "access-control-expose-headers",
    ] {
        assert!(response.header(name).is_some(), "{name} is missing in {response:?}");
    }
    assert!(response.text().contains("\"busy\""));
    assert_eq!(rejected.1.rest(), "");
    rejected.1.close();

    // On an open connection there is no descriptor for the upstream, nor to resolve its name.
    let mut client = open.pop().unwrap();
    client.send(request("GET /v1/models", ""));
    assert_proxy_error(&mut client, 503, "busy");
    client.send("GET /?q=hi HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
    let response = client.response();
    response.assert_error(503, "busy");
    assert_eq!(response.header("retry-after"), Some("1"));
    listener.assert_unused();

    // Once the others have left, there is.
    open.into_iter().for_each(Wire::close);
    while app.log_line()["path"] != "/" {}
    client.send(request("GET /v1/models", ""));
    let mut upstream = listener.accept();
    upstream.head();
    upstream.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.head().status(), 200);
}

#[test]
#[cfg(target_os = "linux")]
fn soft_limit_on_open_files_is_raised() {
    let app = limited("ulimit -S -n 64; ulimit -H -n 512", &Listener::bind());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", app.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("512"), "{files}");
}
