//! Each event gets one reply or one error report.

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http::Response;
use scf_runtime::Context;
use testkit::runtime_api::{ERROR, NEXT, READY, RESPONSE};

use crate::support::{context, echo, event, event_with, ok, paths, run, run_on, start_api};

#[test]
fn ready_is_posted_first_with_a_body() {
    let calls = run([ok()], echo);
    assert_eq!(paths(&calls), [READY, NEXT]);
    assert_eq!(calls[0].text(), " ");
}

#[test]
fn events_get_one_response_each_on_one_connection() {
    let api = start_api([ok(), event("\"a\""), ok(), event("\"b\""), ok()]);
    let calls = run_on(&api, Duration::ZERO, 6, echo);
    assert_eq!(paths(&calls), [READY, NEXT, RESPONSE, NEXT, RESPONSE, NEXT]);
    assert_eq!(calls[2].text(), "\"a\"");
    assert_eq!(calls[4].text(), "\"b\"");
    assert_eq!(api.connections(), 1);
}

#[test]
fn event_and_reply_bytes_are_unchanged() {
    let bytes: Vec<u8> = (0..=255).cycle().take(7 * 1024 * 1024).collect();
    let calls = run([ok(), event(&bytes)], echo);
    assert!(calls[2].body == bytes);
    let calls = run([ok(), event("")], echo);
    assert_eq!(calls[2].text(), "");
}

#[test]
fn calls_have_no_unneeded_headers() {
    let calls = run([ok()], echo);
    let names = calls[1].headers().map(|(name, _)| name.to_lowercase());
    assert_eq!(names.collect::<Vec<_>>(), ["user-agent", "host"]);
    let agent = calls[1].header("user-agent").unwrap();
    assert!(agent.starts_with("scf-runtime/"), "{agent}");
}

/// Checks the context of an event with these headers.
#[track_caller]
fn check_context(headers: &[&str], check: fn(&Context)) {
    let (sender, contexts) = channel();
    let handler = move |event, context: &Context| {
        sender.send(context.clone())?;
        Ok(event)
    };
    run([ok(), event_with(headers, "{}")], handler);
    check(&contexts.recv().unwrap());
}

#[test]
fn context_headers_are_case_insensitive() {
    for headers in [
        ["request_id: 1-2", "memory_limit_in_mb: 128", "time_limit_in_ms: 3000"],
        ["Request_Id: 1-2", "MEMORY_LIMIT_IN_MB: 128", "Time_Limit_In_Ms: 3000"],
    ] {
        check_context(&headers, |context| {
            assert_eq!(context.request_id, "1-2");
            assert_eq!(context.memory_limit_mb, Some(128));
            assert_eq!(context.time_limit, Some(Duration::from_secs(3)));
            assert_eq!(context.deadline(), Some(context.received + Duration::from_secs(3)));
        });
    }
}

#[test]
fn context_headers_may_be_missing_or_invalid() {
    let invalid = ["request_id:", "memory_limit_in_mb: much", "time_limit_in_ms: -1"];
    for headers in [&[][..], &invalid] {
        check_context(headers, |context| {
            assert_eq!(context.request_id, "");
            assert_eq!(context.memory_limit_mb, None);
            assert_eq!(context.deadline(), None);
        });
    }
    check_context(&["time_limit_in_ms: 18446744073709551615"], |context| {
        assert!(context.time_limit.is_some());
    });
}

#[test]
fn only_the_first_event_is_cold() {
    let handler = |_, context: &Context| Ok(context.cold.to_string().into_bytes());
    let calls = run([ok(), event("1"), ok(), event("2")], handler);
    assert_eq!(calls[2].text(), "true");
    assert_eq!(calls[4].text(), "false");
}

/// Returns the report of a failed invocation, after checking that the loop went on.
#[track_caller]
fn report<H>(first_event: &str, mut handler: H) -> String
where
    H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>> + Send + 'static,
{
    let mut first = true;
    let handler = move |event, context: &Context| {
        if std::mem::take(&mut first) { handler(event, context) } else { Ok(event) }
    };
    let calls = run([ok(), event(first_event), ok(), event("\"on\"")], handler);
    assert_eq!(paths(&calls), [READY, NEXT, ERROR, NEXT, RESPONSE]);
    assert_eq!(calls[4].text(), "\"on\"");
    calls[2].text()
}

#[test]
fn handler_error_is_reported_with_its_causes() {
    let report = report("{}", |_, _| Err(anyhow!("no such file").context("read \"notes\"")));
    assert_eq!(report, r#"{"errorMessage":"read \"notes\": no such file"}"#);
}

#[test]
fn panic_is_reported_without_its_text() {
    let report = report("{}", |_, _| panic!("sk-secret"));
    assert_eq!(report, r#"{"errorMessage":"the handler panicked"}"#);
}

#[test]
fn invalid_event_is_reported() {
    let handler = scf_runtime::json(|number: u32, _: &Context| Ok(number));
    let report = report("\"one\"", handler);
    assert!(report.contains("invalid event: invalid type: string"), "{report}");
}

#[test]
fn unserializable_reply_is_reported() {
    let handler = scf_runtime::json(|_: (), _: &Context| Ok(HashMap::from([((1, 2), 3)])));
    let report = report("null", handler);
    assert!(report.contains("reply cannot be serialized: key must be a string"), "{report}");
}

#[test]
fn too_large_response_is_reported() {
    let handler =
        scf_runtime::http::handler(|_, _: &Context| Ok(Response::new(vec![b'a'; 7_000_000])));
    let report = report(r#"{"httpMethod": "GET"}"#, handler);
    assert!(report.contains("reply too large: 7000000 bytes"), "{report}");
}

#[test]
fn typed_events_and_replies_are_json() {
    let mut handler = scf_runtime::json(|names: Vec<String>, context: &Context| {
        let first = names.first().context("no names")?;
        Ok((first.clone(), context.cold))
    });
    assert_eq!(handler(b"[\"a\", \"b\"]".to_vec(), &context()).unwrap(), b"[\"a\",true]");
    assert_eq!(handler(b"[]".to_vec(), &context()).unwrap_err().to_string(), "no names");
}

#[test]
fn http_handler_takes_requests_and_returns_envelopes() {
    let mut handler = scf_runtime::http::handler(|request, _: &Context| {
        if request.uri().path() == "/broken" {
            bail!("broken");
        }
        Ok(Response::builder().status(201).header("x-a", "b").body(request.into_body())?)
    });
    let reply = handler(br#"{"httpMethod": "PUT", "body": "x"}"#.to_vec(), &context()).unwrap();
    let expected = r#"{"isBase64Encoded":false,"statusCode":201,"headers":{"x-a":"b"},"body":"x"}"#;
    assert_eq!(String::from_utf8(reply).unwrap(), expected);
    let error = handler(br#"{"httpMethod": "GET", "path": "/broken"}"#.to_vec(), &context());
    assert_eq!(error.unwrap_err().to_string(), "broken");
}

#[test]
fn other_events_get_a_400() {
    let mut handler =
        scf_runtime::http::handler(|_, _: &Context| -> anyhow::Result<Response<Vec<u8>>> {
            unreachable!()
        });
    for event in ["{}", "[]", "7", "{", "", "{\"Type\": \"Timer\"}", "\u{feff}{}"] {
        let reply = handler(event.as_bytes().to_vec(), &context()).unwrap();
        let reply: serde_json::Value = serde_json::from_slice(&reply).unwrap();
        assert_eq!(reply["statusCode"], 400, "{event}");
        assert_ne!(reply["body"], "", "{event}");
    }
}
