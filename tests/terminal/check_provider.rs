//! `ask check`: the settings and the provider, each step failing in turn.

use std::io::Write;

use serde_json::{Value, json};
use testkit::{Authority, Endpoint, Proxy, Scratch, Turn, Upstream, chat, http};

use crate::support::{Ask, KEY, Run, is_chinese};

const PAST: &str = "2024-01-04";
const FUTURE: &str = "2999-12-31";

/// The steps behind the settings, in their order.
const STEPS: [&str; 8] = ["proxy", "name", "connect", "tls", "key", "model", "region", "answer"];

/// Returns a list of models with their ends.
fn list(models: &[(&str, Value)]) -> Vec<u8> {
    let model =
        |(id, end): &(&str, Value)| json!({"id": id, "object": "model", "shutdown_date": end});
    let models: Vec<_> = models.iter().map(model).collect();
    http::json_response(200, &json!({"object": "list", "data": models}))
}

/// A provider that has these replies to `GET /models` and to a question.
fn provider(models: impl Into<Turn>, answer: impl Into<Turn>) -> Upstream {
    let (models, answer) = (models.into(), answer.into());
    Upstream::by_request(move |_, request| match request.line() {
        "GET /v1/models HTTP/1.1" => models.clone(),
        "POST /v1/chat/completions HTTP/1.1" => answer.clone(),
        line => panic!("{line}"),
    })
}

fn known() -> Vec<u8> {
    list(&[("other", Value::Null), ("m", Value::Null)])
}

fn yes() -> Vec<u8> {
    chat::completion("ok")
}

fn check(provider: &Upstream) -> Ask {
    Ask::new(provider).set("OPENAI_MODEL", "m").args(&["check", "--json"])
}

/// Expects the states of the steps behind the settings, as `ok`, `warning`, `failure`, `skipped`,
/// and a part of the message of the one that is not `ok`.
#[track_caller]
fn assert_steps(run: &Run, states: [&str; 8], part: &str) {
    run.assert_states(&STEPS, &states);
    assert_part(run, part);
}

/// Expects a message with this part, and the exit status that the steps ask for.
#[track_caller]
fn assert_part(run: &Run, part: &str) {
    let steps = run.steps();
    assert!(steps.iter().any(|step| step.2.contains(part)), "{part}: {steps:?}");
    let is_well = steps.iter().all(|step| ["ok", "skipped"].contains(&step.1.as_str()));
    assert_eq!((run.code, run.err.as_str()), (Some(if is_well { 0 } else { 1 }), ""), "{run:?}");
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["ok"], is_well);
}

const OK: &str = "ok";
const BAD: &str = "failure";
const WARN: &str = "warning";
const SKIP: &str = "skipped";

#[test]
fn all_is_well_line_by_line() {
    let provider = provider(known(), yes());
    let file = Scratch::new("OPENAI_MODEL=m\n");
    let ask = || Ask::new(&provider).args(&["check", "--env-file", file.path()]);
    let run = ask().run();
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
    let address = provider.address();
    let lines: Vec<_> =
        run.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "ok settings OPENAI_API_KEY: environment".to_owned(),
        format!("ok settings OPENAI_MODEL: {}, line 1", file.path()),
        "ok proxy none".to_owned(),
        "ok name 127.0.0.1".to_owned(),
        "ok TLS not used (http://)".to_owned(),
        "ok key accepted (GET /models lists 2)".to_owned(),
        "ok model m".to_owned(),
        "ok region served".to_owned(),
    ] {
        assert!(lines.contains(&line), "{line}: {lines:?}");
    }
    let part = |start: &str| lines.iter().find(|line| line.starts_with(start)).unwrap();
    assert!(part("ok connect").contains(&address.to_string()));
    assert!(part("ok answer").ends_with("by canned-model, 3 + 5 tokens"), "{lines:?}");
    assert_eq!(lines.len(), 11, "{lines:?}");
    let keys: Vec<_> = provider
        .requests()
        .iter()
        .map(|request| request.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(keys, vec![format!("Bearer {KEY}"); 2]);

    let chinese = ask().set("LANG", "zh_CN.UTF-8").run();
    assert_eq!((chinese.code, chinese.out.lines().count()), (Some(0), 11), "{chinese:?}");
    assert!(chinese.out.lines().all(is_chinese), "{}", chinese.out);
}

#[test]
fn json_has_the_same_steps() {
    let provider = provider(known(), yes());
    let run = check(&provider).run();
    assert_steps(&run, [OK; 8], "canned-model");
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["target"], provider.url("/v1/chat/completions"));
    assert_eq!(run.out.lines().count(), 1);
}

#[test]
fn missing_key_leaves_the_way_to_the_provider() {
    let provider = provider(http::response(401, &[], ""), yes());
    let ask = Ask::unset().set("OPENAI_BASE_URL", &provider.url("/v1"));
    let run = ask.args(&["check", "--json"]).run();
    let states = [OK, OK, OK, OK, SKIP, SKIP, SKIP, SKIP];
    assert_steps(&run, states, "OPENAI_API_KEY is not set: set it in the environment");
}

#[test]
fn invalid_setting_is_named_with_its_place() {
    let provider = provider(known(), yes());
    let file = Scratch::new("ASK_TIMEOUT=soon\nASK_TIMEOUTS=5\n");
    let run = check(&provider).args(&["--env-file", file.path()]).run();
    let states = [OK, OK, OK, OK, OK, OK, OK, SKIP];
    assert_steps(&run, states, &format!("change it in {}, line 1", file.path()));
    assert_part(&run, "ASK_TIMEOUTS");
    for (name, value) in [
        ("OPENAI_BASE_URL", "no URL"),
        ("HTTPS_PROXY", "ftp://proxy"),
        ("NO_PROXY", "10.0.0.0/99"),
        ("SSL_CERT_FILE", "/nowhere"),
    ] {
        let run = check(&provider).set(name, value).run();
        assert_steps(&run, [SKIP; 8], name);
    }
    assert_part(&check(&provider).set("PORT", "ninety").run(), "PORT");
}

#[test]
fn shared_file_is_a_warning() {
    let provider = provider(known(), yes());
    let file = Scratch::new(&format!("OPENAI_API_KEY={KEY}\n"));
    let run = check(&provider).args(&["--env-file", file.path()]).run();
    assert_steps(&run, [OK; 8], "chmod 600");
    assert_eq!(run.code, Some(1));
}

#[test]
fn name_or_connection_fails() {
    let unknown = Ask::unset().set("OPENAI_API_KEY", KEY);
    let unknown = unknown.set("OPENAI_BASE_URL", "https://provider.invalid/v1");
    let run = unknown.args(&["check", "--json"]).run();
    let states = [OK, BAD, SKIP, SKIP, SKIP, SKIP, SKIP, SKIP];
    assert_steps(&run, states, "the host name provider.invalid cannot be resolved");

    let endpoint = Endpoint::start_unique(|_| {});
    endpoint.refuse();
    let url = format!("https://{}/v1", endpoint.address());
    let closed = Ask::unset().set("OPENAI_API_KEY", KEY).set("OPENAI_BASE_URL", &url);
    let run = closed.args(&["check", "--json"]).run();
    let states = [OK, OK, BAD, SKIP, SKIP, SKIP, SKIP, SKIP];
    assert_steps(&run, states, "connection refused");
}

#[test]
fn tls_fails() {
    let root = Authority::new();
    let trusted = root.file();
    let by_tls = |config| Upstream::with_tls([known(), yes()], config);
    let states = [OK, OK, OK, BAD, SKIP, SKIP, SKIP, SKIP];
    let untrusted = by_tls(root.server("127.0.0.1"));
    assert_steps(&check(&untrusted).run(), states, "TLS: invalid peer certificate: UnknownIssuer");
    let with_root =
        |upstream: &Upstream| check(upstream).set("SSL_CERT_FILE", trusted.path()).run();
    assert_steps(&with_root(&by_tls(root.server("127.0.0.1"))), [OK; 8], "is trusted");
    assert_steps(&with_root(&by_tls(root.expired_server("127.0.0.1"))), states, "xpired");
    assert_steps(&with_root(&by_tls(root.server("other.example"))), states, "not valid for");
    let plain = Endpoint::start(|mut stream| drop(stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n")));
    let ask = Ask::unset().set("OPENAI_API_KEY", KEY);
    let ask = ask.set("OPENAI_BASE_URL", &format!("https://{}/v1", plain.address()));
    assert_steps(&ask.args(&["check", "--json"]).run(), states, "does not speak TLS");
}

#[test]
fn egress_proxy_is_named_without_its_password() {
    let provider = provider(known(), yes());
    let login = "Basic bWU6UHo4Rm41SGs=";
    let proxy = Proxy::http(provider.address(), Some(login));
    let address = proxy.address();
    let password = "Pz8Fn5Hk";
    let by = |password: &str| {
        let url = format!("http://me:{password}@{address}");
        let ask = Ask::unset().set("OPENAI_API_KEY", KEY).set("OPENAI_MODEL", "m");
        let ask = ask.set("OPENAI_BASE_URL", "http://provider.invalid/v1").set("HTTP_PROXY", &url);
        ask.args(&["check", "--json"]).run()
    };
    let run = by(password);
    assert_steps(&run, [OK; 8], &format!("http://{address} (HTTP_PROXY)"));
    testkit::assert_no_fragment(&run.out, &[password]);
    assert_part(&run, "the proxy resolves provider.invalid");
    let refused = by("Xw2Vb7Qj");
    let states = [OK, OK, BAD, SKIP, SKIP, SKIP, SKIP, SKIP];
    assert_steps(&refused, states, "opened no tunnel");
    testkit::assert_no_fragment(&refused.out, &["Xw2Vb7Qj"]);

    let exempt =
        check(&provider).set("ALL_PROXY", "http://127.0.0.1:1").set("NO_PROXY", "127.0.0.0/8");
    assert_steps(&exempt.run(), [OK; 8], "NO_PROXY exempts 127.0.0.1");
    let closed = check(&provider).set("ALL_PROXY", "http://127.0.0.1:1").run();
    assert_steps(&closed, states, "connect to the proxy 127.0.0.1:1: connection refused");
    let socks = Proxy::socks(provider.address(), None);
    let by_socks = check(&provider).set("ALL_PROXY", &format!("socks5h://{}", socks.address()));
    assert_steps(&by_socks.run(), [OK; 8], "socks5h://");
}

#[test]
fn key_is_refused() {
    let refusal = || chat::error(401, "invalid_api_key", &format!("bad key {KEY}"));
    let states = [OK, OK, OK, OK, BAD, SKIP, SKIP, SKIP];
    assert_steps(&check(&provider(refusal(), refusal())).run(), states, "refused the API key");
    // A list that anyone may read tells nothing of the key.
    let states = [OK, OK, OK, OK, OK, OK, OK, BAD];
    assert_steps(&check(&provider(known(), refusal())).run(), states, "refused the API key");
    let broken = check(&provider(Turn::closing(), Turn::closing())).run();
    let states = [OK, OK, OK, OK, WARN, SKIP, SKIP, BAD];
    assert_steps(&broken, states, "closed the connection without a response");
}

#[test]
fn each_key_is_checked() {
    let provider = Upstream::by_request(|_, request| {
        match (request.header("authorization").unwrap(), request.line().starts_with("GET")) {
            ("Bearer first", _) => chat::error(401, "invalid_api_key", "no").into(),
            (_, true) => known().into(),
            (_, false) => yes().into(),
        }
    });
    let run = check(&provider).set("OPENAI_API_KEY", "first,second").run();
    let steps = run.steps();
    let keys: Vec<_> = steps.iter().filter(|step| step.0 == "key").collect();
    assert_eq!([&*keys[0].1, &*keys[1].1], [BAD, OK], "{steps:?}");
    assert!(keys[0].2.starts_with("key 1: ") && keys[1].2.starts_with("key 2: "), "{steps:?}");
    assert_part(&run, "by canned-model");
}

#[test]
fn model_is_missing_or_ends() {
    let states = |model, answer| [OK, OK, OK, OK, OK, model, OK, answer];
    let gone = || chat::error(404, "model_not_found", "no such model");
    let without = || list(&[("a", Value::Null), ("b", Value::Null)]);
    let run = check(&provider(without(), gone())).run();
    assert_steps(&run, states(BAD, BAD), "set OPENAI_MODEL to one of its 2 models, such as a, b");
    let run = check(&provider(without(), yes())).run();
    assert_steps(&run, states(OK, OK), "m is not in the provider's list, and answers");
    for (end, status, part) in [
        (json!(FUTURE), OK, "until 2999-12-31"),
        (json!(PAST), WARN, "was shut down on 2024-01-04"),
        (Value::Null, OK, "m"),
    ] {
        let run = check(&provider(list(&[("m", end)]), yes())).run();
        assert_steps(&run, states(status, OK), part);
    }
    let day = time::Duration::days(30);
    let soon = (time::OffsetDateTime::now_utc() + day).date().to_string();
    let run = check(&provider(list(&[("m", json!(soon))]), yes())).run();
    assert_steps(&run, states(WARN, OK), &format!("m shuts down on {soon}"));
}

#[test]
fn next_model_of_the_list_answers() {
    let provider = Upstream::by_request(|_, request| match request.line().starts_with("GET") {
        true => list(&[("m", Value::Null)]).into(),
        false if request.json()["model"] == "m" => yes().into(),
        false => chat::error(404, "model_not_found", "no such model").into(),
    });
    let run = check(&provider).args(&["-m", "old,m"]).run();
    let steps = run.steps();
    let models: Vec<_> = steps.iter().filter(|step| step.0 == "model").collect();
    assert_eq!([&*models[0].1, &*models[1].1], [WARN, OK], "{steps:?}");
    assert_part(&run, "old is not in the provider's list");
    assert_part(&run, "OPENAI_MODEL: --model");
}

#[test]
fn provider_without_a_list_is_checked_by_its_answer() {
    for reply in [http::response(404, &[], ""), http::response(200, &[], "<html>")] {
        let run = check(&provider(reply.clone(), yes())).run();
        assert_steps(&run, [OK, OK, OK, OK, SKIP, OK, OK, OK], "has no list of models");
        let gone = chat::error(404, "model_not_found", "no such model");
        let run = check(&provider(reply, gone)).run();
        assert_steps(&run, [OK, OK, OK, OK, SKIP, BAD, SKIP, BAD], "does not have the model m");
    }
}

#[test]
fn region_is_refused() {
    let refusal = || chat::error(403, "unsupported_country_region_territory", "not here");
    let run = check(&provider(refusal(), refusal())).run();
    assert_steps(
        &run,
        [OK, OK, OK, OK, SKIP, SKIP, BAD, SKIP],
        "does not serve the region of this machine",
    );
    let run = check(&provider(known(), refusal())).run();
    assert_steps(
        &run,
        [OK, OK, OK, OK, OK, OK, BAD, SKIP],
        "does not serve the region of this machine",
    );
}

#[test]
fn answer_fails_or_is_cut() {
    let states = |answer| [OK, OK, OK, OK, OK, OK, OK, answer];
    let quota = chat::error(429, "insufficient_quota", "no credit");
    assert_steps(&check(&provider(known(), quota)).run(), states(BAD), "out of credit");
    let message = json!({"role": "assistant", "content": "o"});
    let cut = chat::choice(json!({"index": 0, "message": message, "finish_reason": "length"}));
    assert_steps(&check(&provider(known(), cut)).run(), states(WARN), "ended early (length)");
    let slow = check(&provider(known(), Turn::silent())).set("ASK_TIMEOUT", "0.5").run();
    assert_steps(&slow, states(BAD), "The time limit passed");
}
