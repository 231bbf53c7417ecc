//! From a request to the question in it, or to the reply that needs no model.

use std::time::SystemTime;

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use crate::failure::Failure;
use crate::lang::{Lang, Sentence, preferred};
use crate::query::Query;
use crate::question::{self, Body, Message};
use crate::reply::{Caller, METHODS};
use crate::settings::Settings;
use crate::shape::Shape;
use crate::{access, page};

/// A question that may be asked, and how its answer is shown.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How the caller is replied to.
    pub caller: Caller,
    /// The conversation; its last message is the question.
    pub messages: Vec<Message>,
}

/// What a request comes to.
#[derive(Debug)]
pub enum Received {
    /// A question for the model.
    Question(Asked),
    /// A reply that needs no model.
    Reply(Response<Vec<u8>>),
}

/// Link previews fetch what somebody wrote in a chat; a question in there was asked by nobody.
const PREVIEW_AGENTS: [&str; 7] = [
    "slackbot",
    "twitterbot",
    "facebookexternalhit",
    "telegrambot",
    "whatsapp",
    "discordbot",
    "linkedinbot",
];

/// A query of 64 KB has room for so many characters of any kind.
const SURELY_IN_A_QUERY: usize = 16_000;

/// Where and when a request came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The id of the request.
    pub request_id: &'a str,
    /// By a server on the user's own machine, which other pages must not drive.
    pub local: bool,
    /// When.
    pub time: SystemTime,
}

/// Takes a request to the question endpoint: the question, or the reply where it has none, may not ask it, or asks for
/// something else.
pub fn receive<B: AsRef<[u8]>>(
    settings: &Settings,
    request: &Request<B>,
    arrival: Arrival,
) -> Received {
    let headers = request.headers();
    let query = Query::parse(request.uri().query().unwrap_or_default().as_bytes());
    let body = Body::read(headers, request.body().as_ref());
    let asks = Asks::of(query.as_ref().ok(), body.as_ref().ok());
    let caller = asks.caller(settings, headers, arrival);
    let head = *request.method() == Method::HEAD;
    if let Some(mut reply) = without_model(&caller, request, &asks) {
        if head {
            reply.body_mut().clear();
        }
        return Received::Reply(reply);
    }
    let messages = || {
        if let Some(fault) = settings.fault() {
            return Err(Failure::Config(fault));
        }
        access::origin(settings, headers, arrival.local)?;
        let query = query?;
        access::token(settings, headers, request.uri().path(), &query, arrival.time)?;
        if asks.shape.is_none() && query.get("format").is_some() {
            return Err(Failure::Format);
        }
        question::find(&query, body.as_ref(), settings)
    };
    match messages() {
        Ok(messages) => Received::Question(Asked { caller, messages }),
        Err(failure) => Received::Reply(caller.failure(&failure)),
    }
}

/// Refuses a request whose query is too long to be looked at. It may have held anything, but a question is what is asked
/// here.
pub fn receive_too_long<B>(
    settings: &Settings,
    request: &Request<B>,
    arrival: Arrival,
) -> Response<Vec<u8>> {
    let caller = Asks::of(None, None).caller(settings, request.headers(), arrival);
    caller.failure(&Failure::QuestionTooLong { max: settings.max_question.min(SURELY_IN_A_QUERY) })
}

/// Takes an event that is no request, from the platform's console or an SDK, which has checked the caller: an object
/// with a `question`.
pub fn receive_event(settings: &Settings, event: &[u8], request_id: &str) -> Received {
    let caller = Caller {
        lang: Lang::default(),
        shape: Shape::default(),
        cors: access::question_cors(settings, &HeaderMap::new(), false),
        request_id: request_id.to_owned(),
    };
    let event: Option<serde_json::Value> = serde_json::from_slice(event).ok();
    let question = event.as_ref().and_then(|event| event.get("question")?.as_str());
    let messages = match (question, settings.fault()) {
        (None, _) => Err(no_request()),
        (Some(_), Some(fault)) => Err(Failure::Config(fault)),
        (Some(question), None) => question::alone(question, settings),
    };
    match messages {
        Ok(messages) => Received::Question(Asked { caller, messages }),
        Err(failure) => Received::Reply(caller.failure(&failure)),
    }
}

fn no_request() -> Failure {
    Failure::BodyUnreadable(Sentence::new(
        "the event is neither an HTTP request nor an object with a \"question\"",
        "事件既不是 HTTP 请求，也不是带有 \"question\" 的对象",
    ))
}

/// What a request asks for beside the answer.
struct Asks {
    shape: Option<Shape>,
    question_in_query: bool,
    n8n_message: bool,
    n8n_history: bool,
}

impl Asks {
    fn of(query: Option<&Query>, body: Option<&Body>) -> Self {
        let in_query = |name| query.and_then(|query| query.get(name));
        let action = in_query("action").or_else(|| body?.action());
        Self {
            shape: in_query("format").and_then(Shape::of_format),
            question_in_query: query.and_then(question::in_query).is_some(),
            n8n_message: action == Some("sendMessage"),
            n8n_history: action == Some("loadPreviousSession"),
        }
    }

    /// How who asks for this is replied to.
    fn caller(&self, settings: &Settings, headers: &HeaderMap, arrival: Arrival) -> Caller {
        Caller {
            lang: Lang::of(headers),
            shape: self.shape.unwrap_or_else(|| Shape::of_headers(headers, self.n8n_message)),
            cors: access::question_cors(settings, headers, arrival.local),
            request_id: arrival.request_id.to_owned(),
        }
    }
}

/// The replies that need no model, and no token either.
fn without_model<B>(
    caller: &Caller,
    request: &Request<B>,
    asks: &Asks,
) -> Option<Response<Vec<u8>>> {
    let headers = request.headers();
    let reads = match *request.method() {
        Method::OPTIONS => {
            let mut reply = caller.empty(StatusCode::NO_CONTENT);
            reply.headers_mut().extend(access::preflight(headers, METHODS));
            return Some(reply);
        }
        Method::GET | Method::HEAD => true,
        Method::POST => false,
        _ => return Some(caller.failure(&Failure::Method)),
    };
    if let Some(reply) = file(caller, request.uri().path()) {
        return Some(reply);
    }
    if is_prefetch(headers) {
        return Some(said(
            caller,
            StatusCode::SERVICE_UNAVAILABLE,
            "Not answered ahead of time.",
            "不预先回答。",
        ));
    }
    if is_preview(headers) {
        return Some(said(
            caller,
            StatusCode::FORBIDDEN,
            "Not answered for link previews.",
            "不为链接预览回答。",
        ));
    }
    if asks.n8n_history {
        return Some(caller.reply(StatusCode::OK, Shape::Json.content_type(), "{\"data\":[]}"));
    }
    // A browser's EventSource asks again when a stream has ended; 204 tells it to stop.
    if headers.contains_key("last-event-id") {
        return Some(caller.empty(StatusCode::NO_CONTENT));
    }
    if reads && !asks.question_in_query && accepts_html(headers) {
        return Some(page::ask(caller));
    }
    (*request.method() == Method::HEAD)
        .then(|| caller.reply(StatusCode::OK, caller.shape.content_type(), ""))
}

/// The files that browsers and robots look for. The last segment counts, since a gateway may put its own before it.
fn file(caller: &Caller, path: &str) -> Option<Response<Vec<u8>>> {
    match path.rsplit('/').next().unwrap_or_default() {
        "widget.js" => Some(page::widget(caller)),
        "robots.txt" => Some(caller.reply(
            StatusCode::OK,
            Shape::Text.content_type(),
            "User-agent: *\nDisallow: /\n",
        )),
        "favicon.ico" => Some(caller.empty(StatusCode::NOT_FOUND)),
        icon if icon.starts_with("apple-touch-icon") => Some(caller.empty(StatusCode::NOT_FOUND)),
        _ => None,
    }
}

fn said(caller: &Caller, status: StatusCode, en: &str, zh: &str) -> Response<Vec<u8>> {
    let sentence = Sentence::new(en, zh);
    caller.reply(status, Shape::Text.content_type(), sentence.to(caller.lang))
}

/// Browsers fetch ahead what the user may open next.
fn is_prefetch(headers: &HeaderMap) -> bool {
    let names = ["sec-purpose", "purpose"];
    names.iter().filter_map(|name| headers.get(*name)?.to_str().ok()).any(|purpose| {
        let purpose = purpose.to_ascii_lowercase();
        purpose.contains("prefetch") || purpose.contains("prerender")
    })
}

fn is_preview(headers: &HeaderMap) -> bool {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    PREVIEW_AGENTS.iter().any(|preview| agent.contains(preview))
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let html = |range: &str| range.eq_ignore_ascii_case("text/html").then_some(());
    preferred(headers, ACCEPT, html).is_some()
}

#[cfg(test)]
mod tests {
    use http::header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ALLOW, CONTENT_SECURITY_POLICY,
        CONTENT_TYPE,
    };

    use super::*;
    use crate::reply::X_ERROR_CODE;

    const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

    fn settings(vars: &[(&str, &str)]) -> Settings {
        let vars = [vars, &[("OPENAI_API_KEY", "sk-test")]].concat();
        Settings::read(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into())
        })
    }

    fn send_to(
        settings: &Settings,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Received {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let arrival = Arrival { request_id: "id", local: false, time: SystemTime::UNIX_EPOCH };
        receive(settings, &request.body(body.as_bytes().to_vec()).unwrap(), arrival)
    }

    #[track_caller]
    fn reply_to(
        settings: &Settings,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Vec<u8>> {
        match send_to(settings, method, uri, headers, body) {
            Received::Reply(reply) => reply,
            Received::Question(asked) => panic!("{method} {uri} asks {asked:?}"),
        }
    }

    /// The reply comes without the model.
    #[track_caller]
    fn check(
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
        status: u16,
        content: &str,
    ) {
        // Without a token, although one is set: none of these needs it.
        let reply = reply_to(&settings(&[("ASK_TOKEN", "owner")]), method, uri, headers, body);
        assert_eq!(reply.status(), status, "{method} {uri}");
        assert!(!reply.headers().contains_key(X_ERROR_CODE) || status == 405, "{method} {uri}");
        let body = String::from_utf8(reply.into_body()).unwrap();
        assert!(
            if content.is_empty() { body.is_empty() } else { body.contains(content) },
            "{method} {uri}: {body}"
        );
    }

    #[test]
    fn some_requests_never_reach_the_model() {
        let question = "/?question=hi";
        check("OPTIONS", question, &[], "", 204, "");
        check("HEAD", question, &[], "", 200, "");
        check("PUT", question, &[], "", 405, "GET");
        check("DELETE", "/", &[], "", 405, "GET");
        check("GET", "/favicon.ico", &[], "", 404, "");
        check("GET", "/robots.txt?question=hi", &[], "", 200, "Disallow: /");
        check("GET", "/widget.js", &[], "", 200, "shadow");
        check("GET", "/stage/widget.js", &[], "", 200, "shadow");
        check("GET", question, &[("sec-purpose", "prefetch;prerender")], "", 503, "ahead");
        check("GET", question, &[("purpose", "prefetch")], "", 503, "ahead");
        check("GET", question, &[("user-agent", "Slackbot-LinkExpanding 1.0")], "", 403, "preview");
        check("GET", question, &[("user-agent", "WhatsApp/2.23")], "", 403, "preview");
        check("GET", "/", &[HTML], "", 200, "<!doctype html>");
        check("GET", "/?question=+", &[HTML], "", 200, "<!doctype html>");
        check("HEAD", "/", &[HTML], "", 200, "");
        check("GET", "/?action=loadPreviousSession", &[], "", 200, "{\"data\":[]}");
        let json = ("content-type", "application/json");
        check("POST", "/", &[json], "{\"action\":\"loadPreviousSession\"}", 200, "{\"data\":[]}");
        check("GET", question, &[("last-event-id", "3")], "", 204, "");
    }

    #[test]
    fn a_preflight_names_what_is_allowed_and_a_wrong_method_does_too() {
        let reply =
            reply_to(&settings(&[]), "OPTIONS", "/", &[("origin", "https://page.example")], "");
        assert_eq!(reply.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(reply.headers()[ACCESS_CONTROL_MAX_AGE], "86400");
        assert_eq!(reply_to(&settings(&[]), "PATCH", "/", &[], "").headers()[ALLOW], METHODS);
    }

    #[test]
    fn the_page_runs_nothing_but_its_own_script() {
        let reply = reply_to(&settings(&[]), "GET", "/", &[HTML], "");
        assert_eq!(reply.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = reply.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'sha256-"),
            "{policy}"
        );
    }

    #[track_caller]
    fn fails(vars: &[(&str, &str)], uri: &str, headers: &[(&str, &str)], code: &str) {
        let reply = reply_to(&settings(vars), "GET", uri, headers, "");
        assert_eq!(reply.headers()[X_ERROR_CODE], code, "{uri}");
    }

    #[test]
    fn what_may_not_be_asked_says_why() {
        fails(&[], "/", &[], "question_missing");
        fails(&[], "/?question=hi&format=xml", &[], "format");
        fails(&[], "/?question=%ff", &[], "body_unreadable");
        fails(&[("ASK_TOKEN", "owner")], "/?question=hi", &[], "token");
        fails(&[("ASK_TOKEN", "owner")], "/?question=hi&token=other", &[], "token");
        fails(
            &[("ASK_ORIGINS", "https://a.example")],
            "/?question=hi",
            &[("origin", "https://b.example")],
            "origin",
        );
        fails(&[("ASK_EXTRA", "7")], "/?question=hi", &[], "config");
        fails(&[("OPENAI_API_KEY", "")], "/?question=hi", &[], "config");
        fails(&[("ASK_MAX_QUESTION", "1")], "/?question=hi", &[], "question_too_long");
    }

    #[test]
    fn the_caller_gets_the_shape_and_the_language_it_asks_for() {
        let asked = |uri: &str, headers: &[(&str, &str)], body: &str| match send_to(
            &settings(&[]),
            if body.is_empty() { "GET" } else { "POST" },
            uri,
            headers,
            body,
        ) {
            Received::Question(asked) => (asked.caller.shape, asked.caller.lang),
            Received::Reply(reply) => panic!("{uri}: {reply:?}"),
        };
        let json = ("content-type", "application/json");
        assert_eq!(
            asked("/?q=hi&format=sse", &[("accept", "application/json")], ""),
            (Shape::Sse, Lang::En)
        );
        assert_eq!(
            asked("/?q=hi&format=", &[HTML, ("accept-language", "zh-CN")], ""),
            (Shape::Text, Lang::Zh)
        );
        let n8n = r#"{"action":"sendMessage","chatInput":"hi"}"#;
        assert_eq!(asked("/", &[json, ("accept", "text/plain")], n8n).0, Shape::Ndjson);
        assert_eq!(asked("/", &[json], n8n).0, Shape::Json);
        assert_eq!(
            asked("/?action=sendMessage&question=hi", &[("accept", "text/plain")], "").0,
            Shape::Ndjson
        );
    }

    #[test]
    fn an_event_that_is_no_request_needs_a_question_and_no_token() {
        let settings = settings(&[("ASK_TOKEN", "owner")]);
        let Received::Question(asked) = receive_event(&settings, br#"{"question":" hi "}"#, "id")
        else {
            panic!("not asked")
        };
        assert_eq!(asked.messages, [Message::user("hi")]);
        for event in
            ["", "{", "[]", "{}", "7", r#"{"Type":"Timer","Message":""}"#, r#"{"question":7}"#]
        {
            let Received::Reply(reply) = receive_event(&settings, event.as_bytes(), "id") else {
                panic!("{event}")
            };
            assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{event}");
            assert_eq!(reply.headers()[X_ERROR_CODE], "body_unreadable", "{event}");
        }
    }
}
