//! `ask check URL`: a deployed function, each step failing in turn.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Authority, Endpoint, Proxy, Request, Turn, Upstream, chat, http};

use crate::support::{Ask, KEY, Run, TOKEN, emulator, is_chinese};

/// The steps behind the settings, in their order.
const STEPS: [&str; 12] = [
    "address",
    "proxy",
    "name",
    "connect",
    "tls",
    "answer",
    "content_type",
    "preflight",
    "token",
    "stream",
    "limit",
    "version",
];

const OK: &str = "ok";
const BAD: &str = "failure";
const WARN: &str = "warning";
const SKIP: &str = "skipped";

/// The replies of a stand-in for a Web function with a token.
#[derive(Clone)]
struct Web {
    answer: Turn,
    preflight: Turn,
    without_token: Turn,
    health: Turn,
}

impl Web {
    fn new() -> Self {
        let preflight = [
            "access-control-allow-origin: *",
            "access-control-allow-methods: GET, HEAD, POST, OPTIONS",
            "access-control-allow-headers: authorization,content-type,x-ask-token",
        ];
        Self {
            answer: answer(&["1\n", "2\n", "3\n"]),
            preflight: http::response(204, &preflight, "").into(),
            without_token: error(401, "token").into(),
            health: http::json_response(200, &json!({"version": "9.8.7", "settings": "ok"})).into(),
        }
    }

    fn start(self) -> Upstream {
        Upstream::by_request(move |_, request| self.turn(request))
    }

    fn turn(&self, request: &Request) -> Turn {
        match request.line() {
            "POST /?format=sse HTTP/1.1" => self.answer.clone(),
            "OPTIONS / HTTP/1.1" => self.preflight.clone(),
            "GET / HTTP/1.1" => {
                assert_eq!(request.header("authorization"), None);
                self.without_token.clone()
            }
            "GET /healthz HTTP/1.1" => self.health.clone(),
            line => panic!("{line}"),
        }
    }
}

fn answer(pieces: &[&str]) -> Turn {
    let event = |text: &&str| http::chunk(&format!("id: 1\ndata: {}\n\n", json!({"text": text})));
    let pieces: String = pieces.iter().map(event).collect();
    Turn::from([chat::STREAM, &pieces, chat::END].concat())
}

fn error(status: u16, code: &str) -> Vec<u8> {
    let body = json!({"error": "No.", "message": "No.", "code": code}).to_string();
    http::response(status, &[&format!("x-error-code: {code}")], body)
}

fn check(url: &str) -> Ask {
    Ask::unset().set("ASK_TOKEN", TOKEN).args(&["check", "--json", url])
}

fn run(web: Web) -> Run {
    check(&web.start().url("/")).run()
}

/// Expects the states of the steps behind the settings, and a part of a message.
#[track_caller]
fn assert_steps(run: &Run, states: [&str; 12], part: &str) {
    run.assert_states(&STEPS, &states);
    let steps = run.steps();
    assert!(steps.iter().any(|step| step.2.contains(part)), "{part}: {steps:?}");
    let is_well = steps.iter().all(|step| [OK, SKIP].contains(&step.1.as_str()));
    assert_eq!((run.code, run.err.as_str()), (Some(if is_well { 0 } else { 1 }), ""), "{run:?}");
}

/// Returns `ok` for all steps but those given.
fn ok_but(others: &[(&str, &'static str)]) -> [&'static str; 12] {
    STEPS.map(|step| others.iter().find(|other| other.0 == step).map_or(OK, |other| other.1))
}

/// Returns the states if the way to the function fails at this step.
fn unreachable(failed: &str) -> [&'static str; 12] {
    let at = STEPS.iter().position(|step| *step == failed).unwrap();
    std::array::from_fn(|step| match step.cmp(&at) {
        std::cmp::Ordering::Less => OK,
        std::cmp::Ordering::Equal => BAD,
        std::cmp::Ordering::Greater => SKIP,
    })
}

#[test]
fn all_is_well_line_by_line() {
    let web = Web::new().start();
    let url = web.url("/");
    let ask = || Ask::unset().args(&["check", "--token", TOKEN, &url]);
    let run = ask().run();
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
    for part in ["ASK_TOKEN: --token", "asked for", "3 pieces", "ask-web 9.8.7", &url] {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    assert_eq!(run.out.lines().count(), 13, "{}", run.out);
    let chinese = ask().set("LANG", "zh_CN.UTF-8").run();
    assert_eq!((chinese.code, chinese.out.lines().count()), (Some(0), 13), "{chinese:?}");
    assert!(chinese.out.lines().all(is_chinese), "{}", chinese.out);
    let asked: Vec<_> =
        web.requests().into_iter().filter(|request| request.line().starts_with("POST")).collect();
    assert_eq!(asked[0].header("authorization"), Some(&*format!("Bearer {TOKEN}")));
}

#[test]
fn way_to_the_function_fails() {
    let run = check("https://fn.invalid/").run();
    assert_steps(&run, unreachable("name"), "fn.invalid cannot be resolved");
    let endpoint = Endpoint::start_unique(|_| {});
    endpoint.refuse();
    let run = check(&format!("http://{}/", endpoint.address())).run();
    assert_steps(&run, unreachable("connect"), "The address cannot be reached");
    let untrusted = Upstream::with_tls([""], Authority::new().server("127.0.0.1"));
    let run = check(&untrusted.url("/")).run();
    assert_steps(&run, unreachable("tls"), "UnknownIssuer");
    let run = check("https://fn.invalid/").set("HTTPS_PROXY", "ftp://p").run();
    assert_steps(&run, STEPS.map(|step| if step == "address" { OK } else { SKIP }), "HTTPS_PROXY");
}

#[test]
fn unencrypted_address_is_a_warning() {
    let web = Web::new().start();
    let proxy = Proxy::http(web.address(), None);
    let by = format!("http://{}", proxy.address());
    let run = check("http://fn.example/").set("HTTP_PROXY", &by).run();
    assert_steps(&run, ok_but(&[("address", WARN)]), "unencrypted: use https://");
}

#[test]
fn answer_fails() {
    let failed = [("answer", BAD), ("content_type", SKIP), ("stream", SKIP), ("limit", SKIP)];
    let fails = |answer: Turn| run(Web { answer, ..Web::new() });
    assert_steps(&fails(error(502, "upstream_key").into()), ok_but(&failed), "No. (X-Error-Code");
    let [answer, content_type, stream, _] = failed;
    let late = ok_but(&[answer, content_type, stream, ("limit", BAD)]);
    assert_steps(&fails(error(504, "deadline").into()), late, "raise the function's timeout");
    let start = format!("{}{}", chat::STREAM, http::chunk("data: {\"text\":\"1\"}\n\n"));
    assert_steps(&fails(Turn::from(start).close()), ok_but(&failed), "broke off");
    assert_steps(&fails(http::response(200, &[], "<html>").into()), ok_but(&failed), "web page");
}

#[test]
fn answer_ends_early_or_has_another_type() {
    let events = "data: {\"text\":\"1\"}\n\ndata: {\"text\":\"\",\"finish_reason\":\"length\"}\n\n\
                  data: [DONE]\n\n";
    let json = "content-type: application/json";
    let whole = run(Web { answer: http::response(200, &[json], events).into(), ..Web::new() });
    let states = ok_but(&[("answer", WARN), ("content_type", WARN)]);
    assert_steps(&whole, states, "ended early (length)");
    assert!(whole.out.contains("ASK_RESPONSE=passthrough"), "{}", whole.out);
}

#[test]
fn preflight_shows_who_may_ask() {
    let methods = "access-control-allow-methods: POST";
    let all = "access-control-allow-headers: Authorization, *";
    let any = "access-control-allow-origin: *";
    for (headers, status, state, part) in [
        (&[any, any, methods, all][..], 204, BAD, "switch CORS off"),
        (&[any, methods, all], 405, BAD, "status 405"),
        (&[methods, all], 204, OK, "ASK_ORIGINS"),
        (&[], 204, WARN, "no CORS headers"),
        (&[any, methods, "access-control-allow-headers: *"], 204, WARN, "authorization"),
        (&[any, methods, all], 200, OK, "pages may ask"),
    ] {
        let preflight = http::response(status, headers, "").into();
        let run = run(Web { preflight, ..Web::new() });
        assert_steps(&run, ok_but(&[("preflight", state)]), part);
    }
}

#[test]
fn open_function_is_reported() {
    let open = Web { without_token: error(400, "question_missing").into(), ..Web::new() };
    assert_steps(&run(open.clone()), ok_but(&[]), "open, on this machine");
    let web = open.start();
    let proxy = Proxy::http(web.address(), None);
    let by = format!("http://{}", proxy.address());
    let run = check("http://fn.example/").set("HTTP_PROXY", &by).run();
    assert_steps(&run, ok_but(&[("address", WARN), ("token", WARN)]), "set ASK_PUBLIC_TOKEN");
}

#[test]
fn unclear_token_is_reported() {
    let other = Web { without_token: http::response(403, &[], "").into(), ..Web::new() };
    assert_steps(&run(other), ok_but(&[("token", WARN)]), "status 403");
    let config = Web { without_token: error(500, "config").into(), ..Web::new() };
    assert_steps(&run(config), ok_but(&[("token", SKIP)]), "not tried");
}

#[test]
fn pieces_that_are_held_back_are_reported() {
    let web = Web::new();
    let slow = Upstream::by_request(move |_, request| {
        if request.line().starts_with("POST") {
            // The time in which a model writes the answer that a gateway then sends at once.
            thread::sleep(Duration::from_millis(600));
        }
        web.turn(request)
    });
    let run = check(&slow.url("/")).run();
    assert_steps(&run, ok_but(&[("stream", WARN)]), "held back: all 3 pieces");
    let single = self::run(Web { answer: answer(&["1"]), ..Web::new() });
    assert_steps(&single, ok_but(&[]), "in one piece");
}

#[test]
fn web_function_has_a_version() {
    let health = |health: Vec<u8>| run(Web { health: health.into(), ..Web::new() });
    let broken = json!({"version": "9.8.7", "settings": "ASK_TIMEOUT is wrong"});
    let run = health(http::json_response(200, &broken));
    assert_steps(&run, ok_but(&[("version", BAD)]), "ask-web 9.8.7: ASK_TIMEOUT is wrong");
    let run = health(http::response(404, &[], ""));
    assert_steps(&run, ok_but(&[("version", SKIP)]), "status 404");
}

#[test]
fn deployed_event_function_is_well() {
    let upstream = Upstream::always(chat::completion("1"));
    let emulator = emulator(&[
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", &upstream.url("/v1")),
        ("ASK_TOKEN", TOKEN),
    ]);
    let run = check(&emulator.url()).run();
    assert_steps(&run, ok_but(&[]), "an event function does not stream");
    // One question was enough.
    assert_eq!(upstream.requests().len(), 1);
    let wrong = Ask::unset().args(&["check", "--json", "--token", "wrong"]);
    let run = wrong.args(&[&emulator.url()]).run();
    let failed = [("answer", BAD), ("content_type", SKIP), ("stream", SKIP), ("limit", SKIP)];
    assert_steps(&run, ok_but(&failed), "X-Error-Code: token");
}

#[test]
fn link_is_checked_with_its_own_question() {
    let web = Web::new();
    let function = Upstream::by_request(move |_, request| {
        if request.target().contains("sig=") { web.answer.clone() } else { web.turn(request) }
    });
    let link = function.url("/?question=hi&exp=1&sig=Gk5Rw9Tz");
    let run = check(&link).run();
    assert_steps(&run, ok_but(&[]), "signed link");
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["target"], function.url("/"));
    testkit::assert_no_fragment(&run.out, &["Gk5Rw9Tz"]);
    let asked = function.requests();
    assert!(asked.iter().any(|it| it.target() == "/?question=hi&exp=1&sig=Gk5Rw9Tz&format=sse"));
}
