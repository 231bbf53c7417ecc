//! One event, one answer, whatever the handler does.

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http::Response;
use scf_runtime::Context;

use crate::support::{
    ERROR, NEXT, READY, RESPONSE, Turn, answer, context, echo, event, lines, ok, run,
};

#[test]
fn ready_comes_first_and_has_a_body() {
    let calls = run(vec![ok(), ok()], echo);
    assert_eq!(lines(&calls), [READY, NEXT]);
    assert_eq!(calls[0].text(), " ");
}

#[test]
fn each_event_gets_one_response_and_all_share_a_connection() {
    let calls = run(vec![ok(), event("\"a\""), ok(), event("\"b\""), ok(), event("\"c\"")], echo);
    assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, NEXT, RESPONSE, NEXT]);
    assert_eq!((calls[2].text(), calls[4].text()), ("\"a\"", "\"b\""));
    assert!(calls.iter().all(|call| call.connection == 0), "{calls:?}");
}

#[test]
fn bytes_arrive_as_they_are() {
    let bytes: Vec<u8> = (0..=255).cycle().take(7 * 1024 * 1024).collect();
    let calls = run(vec![ok(), event(&bytes), ok()], echo);
    assert!(calls[2].body == bytes);
    let calls = run(vec![ok(), event(""), ok()], echo);
    assert_eq!(calls[2].text(), "");
}

#[test]
fn calls_carry_no_more_than_they_need() {
    let calls = run(vec![ok(), ok()], echo);
    let names = calls[1].head.lines().skip(1).filter_map(|line| line.split_once(':'));
    assert_eq!(names.map(|(name, _)| name).collect::<Vec<_>>(), ["user-agent", "host"]);
    assert!(calls[1].head.contains("user-agent: scf-runtime/"), "{}", calls[1].head);
}

/// What a handler sees when `next` carries these headers.
#[track_caller]
fn check_context(headers: &str, check: fn(&Context)) {
    let (seen, contexts) = channel();
    let handler = move |event, context: &Context| {
        seen.send(context.clone())?;
        Ok(event)
    };
    run(vec![ok(), Turn::Answer(answer("200 OK", headers, "{}")), ok()], handler);
    check(&contexts.recv().unwrap());
}

#[test]
fn context_is_read_from_headers_in_any_case() {
    for headers in [
        "request_id: 1-2\r\nmemory_limit_in_mb: 128\r\ntime_limit_in_ms: 3000\r\n",
        "Request_Id: 1-2\r\nMEMORY_LIMIT_IN_MB: 128\r\nTime_Limit_In_Ms: 3000\r\n",
    ] {
        check_context(headers, |context| {
            assert_eq!(context.request_id, "1-2");
            assert_eq!(context.memory_limit_mb, Some(128));
            assert_eq!(context.time_limit, Some(Duration::from_secs(3)));
            assert_eq!(context.deadline(), Some(context.received + Duration::from_secs(3)));
        });
    }
}

#[test]
fn headers_may_be_missing_or_senseless() {
    for headers in ["", "request_id:\r\nmemory_limit_in_mb: much\r\ntime_limit_in_ms: -1\r\n"] {
        check_context(headers, |context| {
            assert_eq!(context.request_id, "");
            assert_eq!(context.memory_limit_mb, None);
            assert_eq!(context.deadline(), None);
        });
    }
    check_context("time_limit_in_ms: 18446744073709551615\r\n", |context| {
        assert!(context.time_limit.is_some());
    });
}

#[test]
fn only_the_first_event_is_cold() {
    let handler = |_, context: &Context| Ok(context.cold.to_string().into_bytes());
    let calls = run(vec![ok(), event("1"), ok(), event("2"), ok()], handler);
    assert_eq!((calls[2].text(), calls[4].text()), ("true", "false"));
}

/// The report of a failed invocation, after which the loop must have gone on.
#[track_caller]
fn report<H>(sent: &str, mut handler: H) -> String
where
    H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>> + Send + 'static,
{
    let mut first = true;
    let handler = move |event, context: &Context| {
        if std::mem::take(&mut first) { handler(event, context) } else { Ok(event) }
    };
    let calls = run(vec![ok(), event(sent), ok(), event("\"on\""), ok()], handler);
    assert_eq!(lines(&calls), [READY, NEXT, ERROR, NEXT, RESPONSE]);
    assert_eq!(calls[4].text(), "\"on\"");
    calls[2].text().to_owned()
}

#[test]
fn a_handler_error_is_reported_with_its_causes() {
    let report = report("{}", |_, _| Err(anyhow!("no such file").context("read \"notes\"")));
    assert_eq!(report, r#"{"errorMessage":"read \"notes\": no such file"}"#);
}

#[test]
fn a_panic_is_reported_and_its_text_goes_to_nobody() {
    let report = report("{}", |_, _| panic!("sk-secret"));
    assert_eq!(report, r#"{"errorMessage":"the handler panicked"}"#);
}

#[test]
fn an_event_that_does_not_decode_is_reported() {
    let handler = scf_runtime::json(|number: u32, _: &Context| Ok(number));
    let report = report("\"one\"", handler);
    assert!(report.contains("read the event: invalid type: string"), "{report}");
}

#[test]
fn an_answer_that_cannot_be_written_is_reported() {
    let handler = scf_runtime::json(|_: (), _: &Context| Ok(HashMap::from([((1, 2), 3)])));
    let report = report("null", handler);
    assert!(report.contains("write the answer: key must be a string"), "{report}");
}

#[test]
fn a_response_that_is_too_large_is_reported() {
    let handler =
        scf_runtime::http::handler(|_, _: &Context| Ok(Response::new(vec![b'a'; 7_000_000])));
    let report = report(r#"{"httpMethod": "GET"}"#, handler);
    assert!(report.contains("write the reply: a reply of 7000000 bytes"), "{report}");
}

#[test]
fn typed_events_and_answers_travel_as_json() {
    let mut handler = scf_runtime::json(|names: Vec<String>, context: &Context| {
        let first = names.first().context("nobody")?;
        Ok((first.clone(), context.cold))
    });
    assert_eq!(handler(b"[\"a\", \"b\"]".to_vec(), &context()).unwrap(), b"[\"a\",true]");
    assert_eq!(handler(b"[]".to_vec(), &context()).unwrap_err().to_string(), "nobody");
}

#[test]
fn http_events_become_requests_and_responses_become_envelopes() {
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
fn what_is_no_http_event_gets_a_400() {
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
