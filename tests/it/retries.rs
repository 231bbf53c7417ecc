//! Retries: what is tried again, with which key and model, and what is remembered.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use testkit::{Request, Turn, Upstream, chat, each, http};

use crate::support::App;

/// The `Authorization` of each request.
fn keys(upstream: &Upstream) -> Vec<String> {
    let key = |request: &Request| request.header("authorization").unwrap().to_owned();
    upstream.requests().iter().map(key).collect()
}

fn models(upstream: &Upstream) -> Vec<String> {
    let model = |request: &Request| request.json()["model"].as_str().unwrap().to_owned();
    upstream.requests().iter().map(model).collect()
}

#[test]
fn transient_errors_are_retried_twice() {
    let yes = || Turn::from(chat::completion("Yes."));
    let status = |status| Turn::from(http::response(status, &[], ""));
    let busy = || Turn::from(http::response(429, &["retry-after: 0"], ""));
    let error = || Turn::from(chat::error(500, "", "oops"));
    let cut = || Turn::from("HTTP/1.1 500 x\r\ncontent-length: 99\r\n\r\n{\"error\":").close();
    let refused = || Turn::from(chat::error(400, "", "no"));
    let rows = [
        (vec![error(), error(), yes()], None, 3),
        (vec![error(), error(), error(), yes()], Some("upstream_failed"), 3),
        (vec![cut(), cut(), yes()], None, 3),
        (vec![Turn::closing(), status(503), yes()], None, 3),
        (vec![busy(), busy(), yes()], None, 3),
        (vec![busy(), busy(), busy(), yes()], Some("upstream_busy"), 3),
        (vec![status(408), status(502), yes()], None, 3),
        (vec![status(504), refused(), yes()], Some("upstream_refused"), 2),
        (vec![status(500), status(401), yes()], Some("upstream_key"), 2),
    ];
    let rows = rows.map(|(turns, code, requests)| (Upstream::new(turns), code, requests));
    each(&rows, |(upstream, code, requests)| {
        let reply = App::new(upstream).start().ask("hi");
        assert_eq!(reply.header("x-error-code"), *code);
        assert_eq!(upstream.requests().len(), *requests);
        assert_eq!(reply.log_line()["attempts"], *requests);
        let bodies: Vec<_> = upstream.requests().into_iter().map(|request| request.body).collect();
        assert!(bodies.iter().all(|body| *body == bodies[0]));
    });
}

#[test]
fn retry_after_is_obeyed_only_within_the_time_limit() {
    let rows = [429, 503].map(|status| {
        let [fits, too_long] = ["retry-after: 1", "retry-after: 50"].map(|retry_after| {
            let busy = http::response(status, &[retry_after], "");
            Upstream::new([busy, chat::completion("Yes.")])
        });
        (fits, too_long)
    });
    each(&rows, |(fits, too_long)| {
        let began = Instant::now();
        App::new(fits).start().ask("hi").assert_answer("Yes.");
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
        let reply = App::new(too_long).limit(10.0).start().ask("hi");
        assert_ne!(reply.status(), 200);
        assert_eq!((fits.requests().len(), too_long.requests().len()), (2, 1));
    });
}

#[test]
fn retries_end_with_the_time_limit() {
    let upstream = Upstream::always(http::response(500, &[], ""));
    let reply = App::new(&upstream).set("ASK_TIMEOUT", "0.36").start().ask("hi");
    assert!(matches!(reply.status(), 502 | 504), "{}", reply.head);
    assert!(upstream.requests().len() <= 1);
}

#[test]
fn next_key_is_used_and_remembered() {
    for refused in [
        chat::error(401, "invalid_api_key", "no"),
        chat::error(429, "insufficient_quota", "no"),
        http::response(402, &[], ""),
    ] {
        let upstream =
            Upstream::by_request(move |_, request| match request.header("authorization") {
                Some("Bearer third-key") => chat::completion("Yes.").into(),
                _ => refused.clone().into(),
            });
        let app =
            App::new(&upstream).set("OPENAI_API_KEY", "first-key, second-key,third-key").start();
        let questions = 9;
        for _ in 0..questions {
            app.ask("hi").assert_answer("Yes.");
        }
        let count = |key: &str| keys(&upstream).iter().filter(|asked| *asked == key).count();
        assert_eq!(count("Bearer third-key"), questions);
        assert!(count("Bearer first-key") <= 1 && count("Bearer second-key") <= 1);
    }
}

#[test]
fn questions_are_spread_over_the_keys() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream).set("OPENAI_API_KEY", "key-a,key-b").start();
    // All with one key has the chance of 2 in 2^64.
    for _ in 0..64 {
        app.ask("hi").assert_answer("Yes.");
    }
    let keys: BTreeSet<_> = keys(&upstream).into_iter().collect();
    assert_eq!(keys.len(), 2);
}

#[test]
fn limited_key_gives_way_to_the_next_at_once() {
    let upstream = Upstream::by_request(|_, request| match request.header("authorization") {
        Some("Bearer key-b") => chat::completion("Yes.").into(),
        _ => http::response(429, &["retry-after: 50"], "").into(),
    });
    let app = App::new(&upstream).set("OPENAI_API_KEY", "key-a,key-b").start();
    let start = Instant::now();
    for _ in 0..64 {
        app.ask("hi").assert_answer("Yes.");
    }
    assert!(start.elapsed() < Duration::from_secs(50));
    let limited = keys(&upstream).iter().filter(|key| *key == "Bearer key-a").count();
    assert_eq!(limited, 1);
}

#[test]
fn every_key_is_tried_before_the_error() {
    let upstream = Upstream::always(chat::error(401, "invalid_api_key", "no"));
    let app = App::new(&upstream).set("OPENAI_API_KEY", "key-a,key-b").start();
    app.ask("hi").assert_error(502, "upstream_key");
    let mut keys = keys(&upstream);
    keys.sort();
    assert_eq!(keys, ["Bearer key-a", "Bearer key-b"]);
}

#[test]
fn next_model_is_used_and_remembered() {
    let upstream = Upstream::by_request(|_, request| match request.json()["model"].as_str() {
        Some("third") => chat::completion("Yes.").into(),
        _ => chat::error(404, "model_not_found", "The model does not exist").into(),
    });
    let app = App::new(&upstream).set("OPENAI_MODEL", "first,second,third").start();
    app.ask("hi").assert_answer("Yes.");
    app.ask("hi").assert_answer("Yes.");
    assert_eq!(models(&upstream), ["first", "second", "third", "third"]);
}

#[test]
fn all_models_are_named_if_none_is_found() {
    let upstream =
        Upstream::always(chat::error(404, "model_not_found", "The model does not exist"));
    let reply = App::new(&upstream).set("OPENAI_MODEL", "first,second").start().ask("hi");
    reply.assert_error(502, "upstream_model");
    for name in ["first", "second", "OPENAI_MODEL"] {
        assert!(reply.text().contains(name), "{}", reply.text());
    }
    assert_eq!(models(&upstream), ["first", "second"]);
}

#[test]
fn keys_and_models_do_not_count_as_retries() {
    let upstream = Upstream::new([
        http::response(500, &[], ""),
        chat::error(401, "invalid_api_key", "no"),
        http::response(500, &[], ""),
        chat::error(404, "model_not_found", "no"),
        chat::completion("Yes."),
    ]);
    let app = App::new(&upstream)
        .set("OPENAI_API_KEY", "key-a,key-b")
        .set("OPENAI_MODEL", "first,second")
        .start();
    app.ask("hi").assert_answer("Yes.");
    assert_eq!(models(&upstream), ["first", "first", "first", "first", "second"]);
    let keys = keys(&upstream);
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
}
