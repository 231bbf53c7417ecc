//! Conversion of HTTP requests to events, and of replies to HTTP responses.

use scf_emulator::{Settings, Trigger};
use serde_json::{Value, json};
use testkit::{WAIT_LIMIT, Wire, poll};

use crate::support::{Package, address, get, logs, send};

/// Replies with the event.
fn echo() -> Package {
    Package::bash("ready\nwhile next; do reply \"$event\"; done")
}

#[test]
fn envelope_becomes_the_response() {
    let package = Package::replying(
        r#"{"isBase64Encoded": false, "statusCode": 201, "headers": {"content-type": "text/plain"},
            "body": "hello"}"#,
    );
    let emulator = package.start();
    let response = get(&emulator, "/");
    assert_eq!((response.status(), response.text().as_str()), (201, "hello"));
    assert_eq!(response.header("content-type"), Some("text/plain"));
}

#[test]
fn function_of_the_readme_works() {
    let readme = include_str!("../../README.md");
    let script = &readme[readme.find("#!/bin/bash").unwrap()..];
    let package = Package::new(script.split_once("```").unwrap().0);
    let emulator = package.start();
    let event = get(&emulator, "/?question=hello").json();
    assert_eq!(event["queryString"]["question"], "hello");
    // An argument of a command holds 128 KB.
    let body = "x".repeat(2_000_000);
    assert_eq!(send(&emulator, "POST /", &[], body.as_bytes()).json()["body"], body);
}

#[test]
fn headers_may_repeat_and_bodies_may_be_base64() {
    let package = Package::replying(
        r#"{"isBase64Encoded": true, "statusCode": 200, "body": "/wD+",
            "headers": {"Set-Cookie": ["a=1", "b=2"], "Content-Length": "9"}}"#,
    );
    let emulator = package.start();
    let response = get(&emulator, "/");
    assert_eq!(response.body, [0xff, 0, 0xfe]);
    assert_eq!(response.values("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(response.header("content-length"), Some("3"));
}

#[test]
fn no_body_is_sent_for_204_and_head() {
    let package = Package::replying(r#"{"statusCode": 204, "headers": {}, "body": "lost"}"#);
    let emulator = package.start();
    let response = get(&emulator, "/");
    assert_eq!((response.status(), response.text().as_str()), (204, ""));

    let package = Package::replying(r#"{"statusCode": 200, "body": "hello"}"#);
    let emulator = package.start();
    let response = send(&emulator, "HEAD /", &[], b"");
    assert_eq!((response.status(), response.text().as_str()), (200, ""));
    assert_eq!(response.header("content-length"), Some("5"));
}

#[test]
fn json_without_a_status_is_a_200_unchanged() {
    let check = |reply: &str| {
        let package = Package::replying(reply);
        let emulator = package.start();
        let response = get(&emulator, "/");
        assert_eq!((response.status(), response.text().as_str()), (200, reply));
        assert_eq!(response.header("content-type"), Some("application/json"));
    };
    check(r#"{"text":  "hello"}"#);
    check(r#""Hello, world!""#);
}

#[test]
fn invalid_reply_is_a_403_and_its_error_is_logged() {
    let check = |trigger: Trigger, reply: &str, error: &str, message: &str| {
        let package = Package::replying(reply);
        let emulator = Settings { trigger, ..package.settings() }.start("127.0.0.1:0").unwrap();
        let response = get(&emulator, "/");
        assert_eq!(response.status(), 403, "{reply}");
        assert_eq!(response.json()["errno"], 403);
        assert!(response.json()["error"].as_str().unwrap().contains(error), "{}", response.text());
        let logs = emulator.logs();
        assert!(logs.iter().any(|line| line.text.contains(message)), "{reply}: {logs:?}");
    };
    let format = "Invalid scf response format. please check your scf response format.";
    for trigger in [Trigger::FunctionUrl, Trigger::ApiGateway] {
        check(trigger, "plain text", "expected scf response valid JSON", "is not JSON");
        check(trigger, r#"{"statusCode": "200", "body": ""}"#, format, "`statusCode`");
        check(trigger, r#"{"statusCode": 101, "body": ""}"#, format, "`statusCode`");
        check(trigger, r#"{"statusCode": 600, "body": ""}"#, format, "`statusCode`");
        check(
            trigger,
            r#"{"statusCode": 200, "body": {"a": 1}}"#,
            format,
            "`body` is not a string",
        );
        check(
            trigger,
            r#"{"statusCode": 200, "isBase64Encoded": true, "body": "?"}"#,
            format,
            "base64",
        );
        check(
            trigger,
            r#"{"statusCode": 200, "isBase64Encoded": "yes"}"#,
            format,
            "`isBase64Encoded`",
        );
        check(trigger, r#"{"statusCode": 200, "headers": []}"#, format, "`headers`");
        check(
            trigger,
            r#"{"statusCode": 200, "headers": {"a b": "x"}}"#,
            format,
            "invalid header name",
        );
        check(
            trigger,
            r#"{"statusCode": 200, "headers": {"a": 1}}"#,
            format,
            "is not a string or an array",
        );
        check(trigger, r#"{"statusCode": 200, "headers": {"a": "x\ny"}}"#, format, "invalid value");
    }
    check(Trigger::ApiGateway, r#"{"body": ""}"#, format, "`statusCode`");
    check(Trigger::ApiGateway, r#""Hello""#, format, "not an object");
}

#[test]
fn without_integrated_response_the_reply_is_the_body() {
    let check = |reply: &str| {
        let package = Package::replying(reply);
        let settings = Settings { trigger: Trigger::ApiGatewayPassthrough, ..package.settings() };
        let response = get(&settings.start("127.0.0.1:0").unwrap(), "/");
        assert_eq!((response.status(), response.text().as_str()), (200, reply));
    };
    check("plain text");
    check(r#"{"statusCode": 500, "body": "x"}"#);
}

#[test]
fn function_url_sends_the_documented_event() {
    let package = echo();
    let emulator = package.start();
    let response = send(
        &emulator,
        "POST /a%20b?q=%E4%BD%A0+x&flag&t=1&t=2",
        &[
            "Host: localhost",
            "X-Two: a",
            "x-two: b",
            "Cookie: a=1",
            "cookie: b=2",
            "X-Scf-Remote-Addr: 1.2.3.4",
            "X-Scf-Secret-Id: x",
        ],
        "{\"a\": \"ä\"}".as_bytes(),
    );
    let expected = json!({
        "body": "{\"a\": \"ä\"}",
        "headers": {
            "connection": "close",
            "content-length": "11",
            "cookie": "a=1; b=2",
            "host": "localhost",
            "x-scf-remote-addr": "127.0.0.1",
            "x-two": "a, b",
        },
        "httpMethod": "POST",
        "path": "/a%20b",
        "queryString": {"q": "你 x", "flag": true, "t": ["1", "2"]},
    });
    assert_eq!(response.json(), expected);
}

#[test]
fn api_gateway_sends_the_documented_event() {
    let package = Package::bash(
        r#"ready; while next; do
  body=$(printf %s "$event" | base64 -w 0)
  reply "{\"statusCode\": 200, \"body\": \"$body\", \"isBase64Encoded\": true}"
done"#,
    );
    let settings = Settings { trigger: Trigger::ApiGateway, ..package.settings() };
    let emulator = settings.start("127.0.0.1:0").unwrap();
    let mut event =
        send(&emulator, "GET /release/ask?question=hi", &["Host: localhost"], b"").json();
    let id = event["requestContext"].as_object_mut().unwrap().remove("requestId").unwrap();
    assert_eq!(id.as_str().unwrap().len(), 36);
    let expected = json!({
        "requestContext": {
            "serviceId": "service-local", "path": "/ask", "httpMethod": "GET", "identity": {},
            "sourceIp": "127.0.0.1", "stage": "release",
        },
        "headers": {"connection": "close", "content-length": "0", "host": "localhost"},
        "body": "",
        "pathParameters": {},
        "queryStringParameters": {},
        "headerParameters": {},
        "stageVariables": {"stage": "release"},
        "path": "/ask",
        "queryString": {"question": "hi"},
        "httpMethod": "GET",
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);
}

#[test]
fn non_utf8_body_becomes_base64() {
    let package = echo();
    let event = send(&package.start(), "POST /", &[], &[0xff, 0, 0xfe]).json();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wD+"), &json!(true)));
}

#[test]
fn cross_site_pages_cannot_call_a_local_function() {
    let package = Package::replying(r#"{"statusCode": 200, "body": "secret"}"#);
    let emulator = package.start();
    let port = emulator.url().rsplit_once(':').unwrap().1.to_owned();
    let check_request = |line: &str, headers: &[&str], expected: u16| {
        let response = send(&emulator, line, headers, b"");
        assert_eq!(response.status(), expected, "{line} {headers:?}: {}", response.text());
    };
    let check = |headers: &[&str], expected: u16| check_request("GET /", headers, expected);
    check(&["Host: localhost"], 200);
    check(&["Host: LOCALHOST:9000"], 200);
    check(&["Host: app.localhost"], 200);
    check(&["Host: 127.8.9.1"], 200);
    check(&["Host: [::1]:9000"], 200);
    check(&["Host: evil.example"], 403);
    check(&["Host: 127.0.0.1.evil.example"], 403);
    check(&["Host: notlocalhost"], 403);
    check(&["Host: 192.168.1.1"], 403);
    let own = format!("Origin: http://127.0.0.1:{port}");
    check(&[&own], 200);
    check(&["Origin: https://evil.example"], 403);
    check(&["Origin: http://127.0.0.1:1"], 403);
    check(&["Origin: null"], 403);
    check(&["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"], 403);
    check(&["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"], 403);
    let navigation = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"];
    check(&navigation, 200);
    check_request("GET /?question=hi", &navigation, 403);
    check_request("POST /", &navigation, 403);
    check(&["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"], 200);
    check(&["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"], 200);
}

#[test]
fn hosts_and_origins_can_be_allowed() {
    let package = Package::replying(r#"{"statusCode": 200, "body": "hello"}"#);
    let allow = |origin: &str| Settings {
        hosts: vec!["my.example".to_owned()],
        origins: vec![origin.to_owned()],
        ..package.settings()
    };
    let emulator = allow("https://page.example").start("127.0.0.1:0").unwrap();
    let check = |headers: &[&str], expected: u16| {
        assert_eq!(send(&emulator, "GET /", headers, b"").status(), expected, "{headers:?}");
    };
    check(&["Host: my.example:9000", "Origin: https://page.example"], 200);
    check(&["Host: other.example"], 403);
    check(&["Origin: https://other.example"], 403);

    let emulator = allow("*").start("127.0.0.1:0").unwrap();
    let response = send(
        &emulator,
        "GET /",
        &["Origin: https://any.example", "Sec-Fetch-Site: cross-site"],
        b"",
    );
    assert_eq!(response.status(), 200);
}

#[test]
fn guard_is_off_if_not_on_loopback() {
    let package = Package::replying(r#"{"statusCode": 200, "body": "hello"}"#);
    let emulator = package.settings().start("0.0.0.0:0").unwrap();
    assert!(emulator.url().starts_with("http://127.0.0.1:"));
    let response =
        send(&emulator, "GET /", &["Host: my.example", "Origin: https://page.example"], b"");
    assert_eq!(response.status(), 200);
}

#[test]
fn client_that_leaves_has_a_line() {
    let package = Package::bash("ready; while next; do touch fetched; tail -f /dev/null; done");
    let emulator = package.start();
    let mut client = Wire::connect(address(&emulator));
    client.send("GET /slow?secret HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(poll(WAIT_LIMIT, || package.dir.join("fetched").exists()));
    client.close();
    let line = "GET /slow client left after";
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains(line)), "{}", logs(&emulator));
    assert!(!logs(&emulator).contains("secret"));
}

#[test]
fn requests_are_handled_one_at_a_time() {
    let package = Package::bash(
        r#"ready; while next; do
  [ -e "$USER_CODE_ROOT/busy" ] && overlap=true
  touch busy; rm busy
  reply "{\"overlap\": ${overlap:-false}}"
done"#,
    );
    let emulator = package.start();
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| get(&emulator, "/").json())).collect();
        for call in calls {
            assert_eq!(call.join().unwrap(), json!({"overlap": false}));
        }
    });
}

#[test]
fn failure_returns_the_platforms_error_json() {
    let package = Package::bash("ready; next; echo the last words; echo more >&2; exit 3");
    let emulator = package.start();
    let response = get(&emulator, "/");
    let body = response.json();
    assert_eq!(response.status(), 439);
    assert_eq!((&body["statusCode"], &body["errorCode"]), (&json!(439), &json!(-1)));
    assert!(
        body["errorMessage"].as_str().unwrap().starts_with("User process exit when running"),
        "{body}"
    );
    let lines: Vec<_> = body["stackTrace"].as_str().unwrap().lines().collect();
    assert!(lines.contains(&"the last words") && lines.contains(&"more"), "{body}");
    assert_eq!(body["requestId"].as_str().map(str::len), Some(36));
    assert!(body.as_object().unwrap().len() == 5 && body["stackTrace"] != Value::Null);
}

#[test]
fn api_gateway_returns_200_for_a_timeout() {
    let package = Package::bash("ready; tail -f /dev/null");
    let mut settings = Settings { trigger: Trigger::ApiGateway, ..package.settings() };
    settings.limits.time = std::time::Duration::from_millis(10);
    let response = get(&settings.start("127.0.0.1:0").unwrap(), "/");
    assert_eq!((response.status(), &response.json()["statusCode"]), (200, &json!(433)));
}

#[test]
fn event_over_6_mb_is_a_406() {
    let package = Package::replying(r#"{"statusCode": 200, "body": "small"}"#);
    let emulator = package.start();
    let response = send(&emulator, "POST /", &[], &vec![b'x'; 20 << 20]);
    assert_eq!((response.status(), &response.json()["statusCode"]), (406, &json!(406)));
    // The body alone fits, the event does not.
    let response = send(&emulator, "POST /", &[], &vec![b'"'; 4 << 20]);
    assert_eq!(response.status(), 406);
    assert_eq!(send(&emulator, "POST /", &[], &vec![b'x'; 5 << 20]).status(), 200);
}
