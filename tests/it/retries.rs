//! What is asked again, with what, and what is remembered of it.

use std::time::{Duration, Instant};

use crate::support::{Act, Ask, Request, Server, answer, each, failing, json_reply, reply};

/// The key or the model of each request.
fn keys(provider: &Server) -> Vec<String> {
    let key = |request: &Request| request.header("authorization").unwrap().to_owned();
    provider.requests().iter().map(key).collect()
}

fn models(provider: &Server) -> Vec<String> {
    let model = |request: &Request| request.json()["model"].as_str().unwrap().to_owned();
    provider.requests().iter().map(model).collect()
}

#[test]
fn what_may_pass_is_asked_again_at_most_twice() {
    let busy = || reply(429, &["retry-after: 0"], "");
    let error = || json_reply(500, &serde_json::json!({"error": {"message": "oops"}}));
    let closed = || vec![Act::Close];
    let cut = || {
        vec![
            Act::Send(b"HTTP/1.1 500 x\r\ncontent-length: 99\r\n\r\n{\"error\":".to_vec()),
            Act::Close,
        ]
    };
    let rows = [
        (vec![error(), error(), answer("Yes.")], None, 3),
        (vec![error(), error(), error(), answer("Yes.")], Some("upstream_failed"), 3),
        (vec![cut(), cut(), answer("Yes.")], None, 3),
        (vec![closed(), reply(503, &[], ""), answer("Yes.")], None, 3),
        (vec![busy(), busy(), answer("Yes.")], None, 3),
        (vec![busy(), busy(), busy(), answer("Yes.")], Some("upstream_busy"), 3),
        (vec![reply(408, &[], ""), reply(502, &[], ""), answer("Yes.")], None, 3),
        (
            vec![reply(504, &[], ""), failing(400, "", "no"), answer("Yes.")],
            Some("upstream_refused"),
            2,
        ),
        (vec![reply(500, &[], ""), reply(401, &[], ""), answer("Yes.")], Some("upstream_key"), 2),
    ];
    let rows = rows.map(|(turns, code, requests)| (Server::new(turns), code, requests));
    each(&rows, |(provider, code, requests)| {
        let reply = Ask::of(provider).start().ask("hi");
        assert_eq!(reply.code(), *code);
        assert_eq!(provider.requests().len(), *requests);
        assert_eq!(reply.line()["attempts"], *requests);
        let bodies: Vec<_> = provider.requests().into_iter().map(|request| request.body).collect();
        assert!(bodies.iter().all(|body| *body == bodies[0]));
    });
}

#[test]
fn a_retry_after_is_obeyed_where_it_fits_and_nothing_is_asked_where_it_does_not() {
    let rows = [429, 503].map(|status| {
        let fits = Server::new([reply(status, &["retry-after: 1"], ""), answer("Yes.")]);
        let too_long = Server::new([reply(status, &["retry-after: 50"], ""), answer("Yes.")]);
        (fits, too_long)
    });
    each(&rows, |(fits, too_long)| {
        let began = Instant::now();
        Ask::of(fits).start().ask("hi").says("Yes.");
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
        let reply = Ask::of(too_long).limit(10.0).start().ask("hi");
        assert_ne!(reply.status, 200);
        assert_eq!((fits.requests().len(), too_long.requests().len()), (2, 1));
    });
}

#[test]
fn what_does_not_fit_into_the_time_is_not_waited_for() {
    let provider = Server::always(reply(500, &[], ""));
    let reply = Ask::of(&provider).set("ASK_TIMEOUT", "0.36").start().ask("hi");
    assert!(reply.status == 502 || reply.status == 504, "{}", reply.status);
    assert!(provider.requests().len() <= 1);
}

#[test]
fn the_next_key_is_asked_with_and_remembered() {
    for refused in [
        failing(401, "invalid_api_key", "no"),
        failing(429, "insufficient_quota", "no"),
        reply(402, &[], ""),
    ] {
        let provider =
            Server::by_request(move |_, request| match request.header("authorization") {
                Some("Bearer third-key") => answer("Yes."),
                _ => refused.clone(),
            });
        let ask =
            Ask::of(&provider).set("OPENAI_API_KEY", "first-key, second-key,third-key").start();
        let reply = ask.ask("hi");
        reply.says("Yes.");
        assert_eq!(reply.line()["attempts"], 3);
        ask.ask("hi").says("Yes.");
        let first_to_third =
            ["Bearer first-key", "Bearer second-key", "Bearer third-key", "Bearer third-key"];
        assert_eq!(keys(&provider), first_to_third);
    }
}

#[test]
fn every_key_is_tried_before_the_failure_is_told() {
    let provider = Server::always(failing(401, "invalid_api_key", "no"));
    let ask = Ask::of(&provider).set("OPENAI_API_KEY", "key-a,key-b").start();
    ask.ask("hi").fails(502, "upstream_key");
    assert_eq!(keys(&provider), ["Bearer key-a", "Bearer key-b"]);
}

#[test]
fn the_next_model_is_asked_and_remembered() {
    let provider = Server::by_request(|_, request| match request.json()["model"].as_str() {
        Some("third") => answer("Yes."),
        _ => failing(404, "model_not_found", "The model does not exist"),
    });
    let ask = Ask::of(&provider).set("OPENAI_MODEL", "first,second,third").start();
    ask.ask("hi").says("Yes.");
    ask.ask("hi").says("Yes.");
    assert_eq!(models(&provider), ["first", "second", "third", "third"]);
}

#[test]
fn all_models_are_named_where_the_provider_has_none() {
    let provider = Server::always(failing(404, "model_not_found", "The model does not exist"));
    let reply = Ask::of(&provider).set("OPENAI_MODEL", "first,second").start().ask("hi");
    reply.fails(502, "upstream_model");
    assert!(
        reply.body.contains("first, second") && reply.body.contains("OPENAI_MODEL"),
        "{}",
        reply.body
    );
    assert_eq!(models(&provider), ["first", "second"]);
}

#[test]
fn keys_and_models_are_tried_beside_the_retries() {
    let provider = Server::new([
        reply(500, &[], ""),
        failing(401, "invalid_api_key", "no"),
        reply(500, &[], ""),
        failing(404, "model_not_found", "no"),
        answer("Yes."),
    ]);
    let ask = Ask::of(&provider)
        .set("OPENAI_API_KEY", "key-a,key-b")
        .set("OPENAI_MODEL", "first,second")
        .start();
    ask.ask("hi").says("Yes.");
    assert_eq!(models(&provider), ["first", "first", "first", "first", "second"]);
    assert_eq!(keys(&provider)[1..3], ["Bearer key-a", "Bearer key-b"]);
}
