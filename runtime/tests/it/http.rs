//! Handlers of HTTP requests.

use anyhow::bail;
use scf_runtime::http::{
    self, IntoResponse, Json, Request, RequestExt, Response, StatusCode, envelope,
};
use scf_runtime::{Context, Failure};
use serde_json::{Value, json};

/// Returns the reply to an event.
fn reply<R: IntoResponse>(
    event: &str,
    handler: impl FnMut(Request<Vec<u8>>, &Context) -> R,
) -> Result<String, Failure> {
    let reply = http::handler(handler)(event.into(), &Context::for_test())?;
    Ok(String::from_utf8(reply).unwrap())
}

#[test]
fn requests_become_envelopes() {
    let mut handler = |request: Request<Vec<u8>>, _: &Context| {
        if request.uri().path() == "/broken" {
            bail!("broken");
        }
        Ok(Response::builder().status(201).header("x-a", "b").body(request.into_body())?)
    };
    let expected = r#"{"isBase64Encoded":false,"statusCode":201,"headers":{"x-a":"b"},"body":"x"}"#;
    assert_eq!(reply(r#"{"httpMethod": "PUT", "body": "x"}"#, &mut handler).unwrap(), expected);
    let error = reply(r#"{"httpMethod": "GET", "path": "/broken"}"#, handler).unwrap_err();
    assert_eq!(error.error_message, "broken");
}

#[test]
fn other_events_get_a_400() {
    for event in ["{}", "[]", "7", "{", "", "{\"Type\": \"Timer\"}", "\u{feff}{}"] {
        let reply = reply(event, |_, _| -> Response<Vec<u8>> { unreachable!() }).unwrap();
        let reply: Value = serde_json::from_str(&reply).unwrap();
        assert_eq!(reply["statusCode"], 400, "{event}");
        assert_ne!(reply["body"], "", "{event}");
    }
    let long = json!({"httpMethod": "GET", "path": "a".repeat(70_000)}).to_string();
    let reply = reply(&long, |_, _| -> Response<Vec<u8>> { unreachable!() }).unwrap();
    assert!(reply.contains(r#""statusCode":414"#), "{reply}");
}

#[track_caller]
fn check_response(response: impl IntoResponse, expected: (u16, Option<&str>, &str)) {
    let response = response.into_response().unwrap();
    let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap());
    let body = std::str::from_utf8(response.body()).unwrap();
    assert_eq!((response.status().as_u16(), content_type, body), expected);
}

#[test]
fn values_become_responses() {
    let text = Some("text/plain; charset=utf-8");
    check_response("a", (200, text, "a"));
    check_response("a".to_owned(), (200, text, "a"));
    check_response(b"a".to_vec(), (200, Some("application/octet-stream"), "a"));
    check_response((), (204, None, ""));
    check_response(StatusCode::NOT_FOUND, (404, None, ""));
    check_response((StatusCode::NOT_FOUND, "a"), (404, text, "a"));
    check_response(Json(json!({"a": 1})), (200, Some("application/json"), r#"{"a":1}"#));
    check_response(Response::new("a"), (200, None, "a"));
    check_response(Ok::<_, Failure>("a"), (200, text, "a"));
    let failure = Err::<(), _>("no").into_response().unwrap_err();
    assert_eq!(failure, Failure::new("&str", "no"));
    let invalid = Json(std::collections::HashMap::from([((1, 2), 3)])).into_response();
    assert_eq!(invalid.unwrap_err().error_type, "InvalidReply");
}

/// Returns what a handler reads of the request in an event.
fn read<T>(event: Value, read: impl Fn(&Request<Vec<u8>>) -> T) -> T {
    let mut found = None;
    let event = event.to_string();
    reply(&event, |request, _| {
        assert_eq!(request.raw_event(), event.as_bytes());
        found = Some(read(&request));
    })
    .unwrap();
    found.unwrap()
}

#[test]
fn source_address_has_no_port() {
    let header = |value| json!({"httpMethod": "GET", "headers": {"x-scf-remote-addr": value}});
    for (event, address) in [
        (header("203.0.113.7:51234"), Some("203.0.113.7")),
        (header("203.0.113.7"), Some("203.0.113.7")),
        (header("[2001:db8::1]:51234"), Some("2001:db8::1")),
        (header("2001:db8::1"), Some("2001:db8::1")),
        (header("unknown"), None),
        (json!({"httpMethod": "GET"}), None),
        (
            json!({
                "httpMethod": "GET",
                "requestContext": {"sourceIp": "203.0.113.8"},
                "headers": {"x-scf-remote-addr": "203.0.113.7"},
            }),
            Some("203.0.113.8"),
        ),
    ] {
        let expected = address.map(|address| address.parse().unwrap());
        assert_eq!(read(event.clone(), RequestExt::source_address), expected, "{event}");
    }
}

#[test]
fn gateway_members_are_read_from_the_event() {
    let event = json!({
        "httpMethod": "GET",
        "requestContext": {"stage": "release"},
        "pathParameters": {"name": "你好", "number": 7},
    });
    let (stage, name, number) = read(event, |request| {
        let parameter = |name| request.path_parameter(name);
        (request.stage(), parameter("name"), parameter("number"))
    });
    assert_eq!((stage.as_deref(), name.as_deref(), number), (Some("release"), Some("你好"), None));

    let bare = Request::new(());
    assert_eq!((bare.stage(), bare.path_parameter("name")), (None, None));
    assert!(bare.raw_event().is_empty());
}

#[test]
fn query_parameters_are_decoded() {
    let event = json!({
        "httpMethod": "GET",
        "queryString": {"a": ["100%25", "b"], "flag": true, "你 好": "C++", "plus": "a b"},
    });
    for (name, value) in [
        ("a", Some("100%25")),
        ("flag", Some("")),
        ("你 好", Some("C++")),
        ("plus", Some("a b")),
        ("b", None),
    ] {
        assert_eq!(read(event.clone(), |request| request.query(name)).as_deref(), value, "{name}");
    }
    let request = Request::get("/?a+b=c%20d+e&a").body(()).unwrap();
    assert_eq!(request.query("a b").as_deref(), Some("c d e"));
    assert_eq!(request.query("a").as_deref(), Some(""));
    assert_eq!(Request::new(()).query("a"), None);
}

#[test]
fn envelope_of_a_handler_equals_the_function() {
    let response = || Response::builder().header("x", "y").body(b"z".to_vec()).unwrap();
    let expected = String::from_utf8(envelope(response()).unwrap()).unwrap();
    assert_eq!(reply(r#"{"httpMethod": "GET"}"#, |_, _| response()).unwrap(), expected);
}
