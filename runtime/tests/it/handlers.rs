//! Each event gets one reply or one error report.

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::anyhow;
use scf_runtime::{Context, Failure, MAX_REPLY};
use testkit::runtime_api::{ERROR, NEXT, READY, RESPONSE};

use crate::support::{echo, event, event_with, ok, paths, run, run_on, start_api};

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
    let bytes: Vec<u8> = (0..=255).cycle().take(MAX_REPLY).collect();
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
        Ok::<_, Failure>(event)
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
    let handler = |_, context: &Context| echo(context.cold.to_string().into_bytes(), context);
    let calls = run([ok(), event("1"), ok(), event("2")], handler);
    assert_eq!(calls[2].text(), "true");
    assert_eq!(calls[4].text(), "false");
}

/// Returns the report of a failed invocation, after checking that the loop went on.
#[track_caller]
fn report<E, H>(first_event: &str, mut handler: H) -> String
where
    E: Into<Failure>,
    H: FnMut(Vec<u8>, &Context) -> Result<Vec<u8>, E> + Send + 'static,
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

#[derive(Debug, thiserror::Error)]
#[error("read notes")]
struct ReadNotes(#[source] std::fmt::Error);

#[test]
fn any_error_is_reported_with_its_type() {
    #[track_caller]
    fn check<E: Into<Failure> + Send + 'static>(error: E, expected: (&str, &str)) {
        let mut error = Some(error);
        let report = report("{}", move |event, _| error.take().map_or(Ok(event), Err));
        let (kind, message) = expected;
        assert_eq!(report, format!(r#"{{"errorType":"{kind}","errorMessage":"{message}"}}"#));
    }
    check(ReadNotes(std::fmt::Error), ("it::handlers::ReadNotes", "read notes"));
    check(
        anyhow!("no such file").context("read notes"),
        ("anyhow::Error", "read notes: no such file"),
    );
    check("no notes", ("&str", "no notes"));
    check("no notes".to_owned(), ("alloc::string::String", "no notes"));
    check(Failure::new("NoNotes", "no \u{22}notes\u{22}"), ("NoNotes", r#"no \"notes\""#));
    check(
        Failure::with_causes(&ReadNotes(std::fmt::Error)),
        ("it::handlers::ReadNotes", "read notes: an error occurred when formatting an argument"),
    );
}

#[test]
fn boxed_errors_convert() {
    let boxed: Box<dyn std::error::Error + Send + Sync> = "no notes".into();
    assert_eq!(Failure::from(boxed).error_message, "no notes");
}

#[test]
fn panic_is_reported_without_its_text() {
    let report = report("{}", |_, _| -> Result<_, Failure> { panic!("sk-secret") });
    assert_eq!(report, r#"{"errorType":"Panic","errorMessage":"the handler panicked"}"#);
}

#[test]
fn invalid_event_is_reported() {
    let handler = scf_runtime::json(|number: u32, _: &Context| Ok::<_, Failure>(number));
    let report = report("\"one\"", handler);
    let start =
        r#"{"errorType":"InvalidEvent","errorMessage":"invalid event: invalid type: string"#;
    assert!(report.starts_with(start), "{report}");
}

#[test]
fn unserializable_reply_is_reported() {
    let handler = |_: (), _: &Context| Ok::<_, Failure>(HashMap::from([((1, 2), 3)]));
    let report = report("null", scf_runtime::json(handler));
    let expected = r#"{"errorType":"InvalidReply","errorMessage":"reply cannot be serialized: key must be a string"}"#;
    assert_eq!(report, expected);
}

#[test]
fn too_large_reply_is_reported_and_not_posted() {
    let expected = concat!(
        r#"{"errorType":"ReplyTooLarge","#,
        r#""errorMessage":"reply too large: 6291457 bytes (maximum 6291456)"}"#
    );
    assert_eq!(report("1", |_, context| echo(vec![b'1'; MAX_REPLY + 1], context)), expected);
    let mut handler = scf_runtime::http::handler(|_, _: &Context| "a".repeat(MAX_REPLY + 1));
    let event = r#"{"httpMethod": "GET"}"#;
    assert_eq!(report(event, move |event, context| handler(event, context)), expected);
}

#[test]
fn typed_events_and_replies_are_json() {
    let mut handler = scf_runtime::json(|names: Vec<String>, context: &Context| {
        let first = names.first().ok_or("no names")?;
        Ok::<_, Failure>((first.clone(), context.cold))
    });
    let mut handler = |event: &str| handler(event.into(), &Context::for_test());
    assert_eq!(handler(r#"["a", "b"]"#).unwrap(), br#"["a",true]"#);
    assert_eq!(handler("[]").unwrap_err().error_message, "no names");
}

#[test]
fn test_context_can_be_changed() {
    let mut context = Context::for_test();
    assert!(context.remaining().unwrap() <= Duration::from_secs(3));
    assert!(context.remaining().unwrap() > Duration::from_secs(1));
    context.time_limit = Some(Duration::ZERO);
    assert_eq!(context.remaining(), Some(Duration::ZERO));
    context.time_limit = None;
    assert_eq!(context.remaining(), None);
}
