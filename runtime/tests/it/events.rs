//! Parsing of the events of all triggers.

use std::fs;

use http::{HeaderMap, Request};
use scf_runtime::http::Event;

#[track_caller]
fn request(event: impl AsRef<[u8]>) -> Request<Vec<u8>> {
    match Event::read(event.as_ref().to_vec()) {
        Event::Http(request) => request,
        other => panic!("not an HTTP request: {other:?}"),
    }
}

fn file(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../examples/events/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Decodes the query as a web framework would.
fn decoded(request: &Request<Vec<u8>>) -> Vec<(String, String)> {
    form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

#[track_caller]
fn check_line(event: impl AsRef<[u8]>, line: &str) {
    let request = request(event);
    assert_eq!(format!("{} {}", request.method(), request.uri()), line);
}

#[test]
fn events_of_each_trigger_become_requests() {
    let post = request(file("function-url-post.json"));
    assert_eq!((post.method().as_str(), post.uri().path()), ("POST", "/"));
    assert_eq!(post.uri().query(), Some("flag&format=json&tag=a&tag=b"));
    assert_eq!(post.headers()["content-type"], "application/json");
    assert_eq!(post.headers()["x-scf-remote-addr"], "203.0.113.7:51234");
    assert_eq!(post.body(), br#"{"messages":[{"role":"user","text":"What is 100% of C++?"}]}"#);

    let get = request(file("function-url-get.json"));
    assert_eq!(decoded(&get), [("question".to_owned(), "你好，我是帅哥".to_owned())]);
    assert!(get.body().is_empty());

    let gateway = request(file("api-gateway.json"));
    assert_eq!(gateway.uri().path(), "/chatgpt");
    assert_eq!(decoded(&gateway), [("question".to_owned(), "用一句话介绍 Rust".to_owned())]);

    check_line(file("cloudbase-http.json"), "GET /ask?question=hello%20from%20CloudBase");
}

#[test]
fn other_json_is_returned_unchanged() {
    let plain =
        [&b"null"[..], b"7", b" [\"GET\"] ", b"\"GET\"", b"{}", br#"{"body": "", "path": "/"}"#];
    let plain = plain.map(<[u8]>::to_vec).into_iter();
    for event in plain.chain([file("timer.json"), file("direct-invoke.json")]) {
        match Event::read(event.clone()) {
            Event::Other(bytes) => assert_eq!(bytes, event),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn unreadable_events_have_an_error_message() {
    for (event, message) in [
        (&b""[..], "empty"),
        (b" \n", "empty"),
        (b"{", "EOF while parsing"),
        (b"{} {}", "trailing characters"),
        (b"{\"body\": \"\xff\"}", "invalid utf-8"),
        (b"hello", "expected value"),
        (br#"{"httpMethod": "GET /"}"#, "httpMethod"),
        (br#"{"httpMethod": "GET", "queryString": {"a": "\ud800"}}"#, "query"),
        (br#"{"httpMethod": "GET", "body": "\ud800"}"#, "body"),
        (
            br#"{"httpMethod": "GET", "body": "a*b=", "isBase64Encoded": true}"#,
            "body: invalid base64",
        ),
    ] {
        match Event::read(event.to_vec()) {
            Event::Unreadable { error, .. } => assert!(error.contains(message), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn truncated_event_is_unreadable() {
    for name in ["function-url-post.json", "api-gateway.json", "timer.json"] {
        let event = file(name);
        let whole = event.trim_ascii_end().len();
        for length in 0..whole {
            assert!(
                matches!(Event::read(event[..length].to_vec()), Event::Unreadable { .. }),
                "{length} of {name}"
            );
        }
    }
}

#[test]
fn deep_nesting_is_accepted() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert!(matches!(Event::read(deep.clone().into()), Event::Other(_)));
    check_line(
        format!(r#"{{"requestContext": {deep}, "headers": {{"a": {deep}}}, "body": ""}}"#),
        "GET /",
    );
    let query = format!(r#"{{"queryString": {{"a": {deep}}}}}"#);
    assert!(matches!(Event::read(query.into()), Event::TooLong(_)));
}

#[test]
fn every_member_may_be_missing_or_null() {
    for event in [
        r#"{"httpMethod": null}"#,
        r#"{"queryString": null}"#,
        r#"{"queryStringParameters": {}}"#,
        r#"{"body": null, "headers": null}"#,
        r#"{"httpMethod": "", "path": "", "queryString": {}, "headers": {}, "body": "",
            "requestContext": 7}"#,
        r#"{"httpMethod": null, "path": null, "queryString": null, "queryStringParameters": null,
            "headers": null, "body": null, "isBase64Encoded": null, "requestContext": null}"#,
    ] {
        check_line(event, "GET /");
        let request = request(event);
        assert!(request.headers().is_empty() && request.body().is_empty(), "{event}");
    }
}

#[test]
fn method_is_unchanged() {
    check_line(r#"{"httpMethod": "DELETE", "path": "/a"}"#, "DELETE /a");
    check_line(r#"{"httpMethod": "PURGE"}"#, "PURGE /");
}

#[test]
fn query_values_survive_one_decoding() {
    for value in [
        "100%25", "C++", "a&b=c", " ", "你好", "😀", "%", "a?b#c", "\"<'>\\", "é\n\0", "~-._*", "+",
    ] {
        let event = serde_json::json!({ "queryString": { "q": value, value: "v" } });
        let mut pairs = decoded(&request(event.to_string()));
        pairs.sort_by_key(|(name, _)| name != "q");
        assert_eq!(pairs[0], ("q".to_owned(), value.to_owned()));
        assert_eq!(pairs[1], (value.to_owned(), "v".to_owned()));
    }
}

#[test]
fn query_values_may_have_any_type() {
    check_line(r#"{"queryString": {"a": ["1", 2, true, null]}}"#, "GET /?a=1&a=2&a&a");
    check_line(r#"{"queryString": {"a": true, "b": null, "c": false}}"#, "GET /?a&b&c=false");
    check_line(
        r#"{"queryString": {"a": 12345678901234567890123, "b": 1.50}}"#,
        "GET /?a=12345678901234567890123&b=1.50",
    );
    check_line(
        r#"{"queryString": {"a": [], "b": "", "c": {"d": 1}}}"#,
        "GET /?b=&c=%7B%22d%22%3A%201%7D",
    );
}

#[test]
fn first_nonempty_query_member_wins() {
    let check = |first, second, line| {
        check_line(
            format!(r#"{{"queryString": {first}, "queryStringParameters": {second}}}"#),
            line,
        )
    };
    check(r#"{"a": "1"}"#, r#"{"b": "2"}"#, "GET /?a=1");
    check("{}", r#"{"b": "2"}"#, "GET /?b=2");
    check("null", r#"{"b": "2"}"#, "GET /?b=2");
    check(r#""""#, r#"{"b": "2"}"#, "GET /?b=2");
    check(r#"{"a": []}"#, r#"{"b": "2"}"#, "GET /?b=2");
}

#[test]
fn query_string_stays_encoded() {
    check_line(r#"{"queryString": "a=100%25&b=C%2B%2B+d"}"#, "GET /?a=100%25&b=C%2B%2B+d");
    check_line(r#"{"queryString": "a=你 #"}"#, "GET /?a=%E4%BD%A0%20%23");
}

#[test]
fn long_query_fits_up_to_64_kb() {
    let question = "问".repeat(8001) + "?&";
    let event = serde_json::json!({ "queryString": { "question": question } });
    assert_eq!(decoded(&request(event.to_string())), [("question".to_owned(), question)]);

    let event =
        serde_json::json!({ "httpMethod": "POST", "queryString": { "a": "?".repeat(65_535) } });
    match Event::read(event.to_string().into()) {
        Event::TooLong(rest) => {
            assert_eq!((rest.method().as_str(), rest.uri().path()), ("POST", "/"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_may_arrive_decoded_or_encoded() {
    for (path, expected) in [
        ("/a/b", "/a/b"),
        ("a", "/a"),
        ("//a", "//a"),
        ("*", "/*"),
        ("/%E4%BD%A0%2Fa", "/%E4%BD%A0%2Fa"),
        ("/你 好", "/%E4%BD%A0%20%E5%A5%BD"),
        ("/100%", "/100%"),
        ("/a?b#c", "/a%3Fb%23c"),
        ("/v1:x@y;z,(a)!$&'+=~", "/v1:x@y;z,(a)!$&'+=~"),
        ("http://host/a", "/http://host/a"),
        ("/\"<>^`{|}\\[]\u{7f}\n", "/%22%3C%3E%5E%60%7B%7C%7D%5C%5B%5D%7F%0A"),
    ] {
        let event = serde_json::json!({ "path": path, "queryString": { "q": "1" } });
        check_line(event.to_string(), &format!("GET {expected}?q=1"));
    }
}

#[test]
fn header_names_are_case_insensitive() {
    let event = r#"{"httpMethod": "GET", "headers": {
        "Content-Type": "a", "X-List": ["b", "c"], "x-list": "d",
        "X-Number": 7, "X-Text": "é", "x-empty": ""}}"#;
    let headers = request(event).headers().clone();
    let all = |headers: &HeaderMap, name: &str| -> Vec<Vec<u8>> {
        headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
    };
    assert_eq!(all(&headers, "content-type"), [b"a"]);
    assert_eq!(all(&headers, "x-list"), [b"b", b"c", b"d"]);
    assert_eq!(all(&headers, "x-number"), [b"7"]);
    assert_eq!(all(&headers, "x-text"), ["é".as_bytes()]);
    assert_eq!(all(&headers, "x-empty"), [b""]);
}

#[test]
fn invalid_headers_are_skipped() {
    for headers in [
        r#"{"a b": "1", "": "2", "x": "a\r\nb", "y": null, "你": "3", "z": ["\u0000"], "w": "\ud800",
            "ok": "4"}"#,
        r#"{"ok": "4", "no": true}"#,
    ] {
        let request = request(format!(r#"{{"httpMethod": "GET", "headers": {headers}}}"#));
        assert_eq!(request.headers().len(), 1, "{:?}", request.headers());
        assert_eq!(request.headers()["ok"], "4");
    }
    for headers in ["7", "\"a: b\"", "[]"] {
        let request = request(format!(r#"{{"httpMethod": "GET", "headers": {headers}}}"#));
        assert!(request.headers().is_empty());
    }
}

#[test]
fn bodies_are_decoded() {
    for (members, body) in [
        (r#""body": "a\"\n\u4f60""#, "a\"\n你"),
        (r#""body": "YQ=="  , "isBase64Encoded": true"#, "a"),
        (r#""body": "YQ", "isBase64Encoded": true"#, "a"),
        (r#""isBase64Encoded": true, "body": "5L2g""#, "你"),
        (r#""body": "5L2g", "isBase64Encoded": false"#, "5L2g"),
        (r#""body": null, "isBase64Encoded": true"#, ""),
        (r#""body": {"question":  "a"}"#, r#"{"question":  "a"}"#),
        (r#""body": [1]"#, "[1]"),
    ] {
        let request = request(format!(r#"{{"httpMethod": "POST", {members}}}"#));
        assert_eq!(str::from_utf8(request.body()).unwrap(), body, "{members}");
    }
    let bytes = request(r#"{"httpMethod": "POST", "body": "/wD+AQ==", "isBase64Encoded": true}"#);
    assert_eq!(bytes.body(), b"\xff\x00\xfe\x01");
}
