//! The question of a request, or the response to a request without one.

use std::borrow::Cow;
use std::time::SystemTime;

use http::header::ACCEPT;
use http::{HeaderMap, Method, Request, Response};
use serde_json::Value;

use super::body::Body;
use super::question::Question;
use super::without_model::{Facts, respond};
use crate::accept::preferred;
use crate::access::{EXPOSED_HEADERS, check_origin, check_token, cors_headers};
use crate::completion::Message;
use crate::failure::Failure;
use crate::format::{ChatClient, Format};
use crate::json;
use crate::lang::{Lang, Localized};
use crate::query::Query;
use crate::response::Responder;
use crate::response::page::Page;
use crate::settings::Settings;

/// Lower bound for the characters that fit into a query of 64 KB.
const MIN_CHARS_OF_LONG_QUERY: usize = 16_000;

/// A question for the model.
#[derive(Clone, Debug)]
pub struct AskRequest {
    /// Builds the response.
    pub responder: Responder,
    /// The conversation. Its last message is the question.
    pub messages: Vec<Message>,
    /// The chosen model. It is asked alone.
    pub model: Option<String>,
}

/// The facts about a request that are not in it.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// The id of the request.
    pub request_id: &'a str,
    /// Set for a server on the user's own machine, which other pages must not drive.
    pub local: bool,
    /// The current time.
    pub now: SystemTime,
}

impl AskRequest {
    /// Parses a request to the question endpoint.
    ///
    /// # Errors
    /// The response to a request without a question, without permission, or for something else,
    /// such as the page.
    pub fn from_request<B: AsRef<[u8]>>(
        settings: &Settings,
        request: &Request<B>,
        context: RequestContext,
    ) -> Result<Self, Box<Response<Vec<u8>>>> {
        let headers = request.headers();
        let query = Query::parse(request.uri().query().unwrap_or_default().as_bytes());
        let body = Body::parse(headers, request.body().as_ref());
        let options = RequestOptions::new(query.as_ref().ok(), body.as_ref().ok());
        let responder = options.responder(settings, headers, context);
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let wants_page =
            reads && (options.is_html || !options.has_question && accepts_html(headers));
        let facts = Facts {
            page: wants_page.then(|| Page {
                title: settings.title.as_deref(),
                asks: options.has_question && may_ask(settings, headers, context.local),
            }),
            is_n8n_history: options.is_n8n_history,
        };
        if let Some(mut response) = respond(&responder, request, &facts) {
            if *request.method() == Method::HEAD {
                response.body_mut().clear();
            }
            return Err(Box::new(response));
        }
        let question = || {
            if let Some(error) = settings.error() {
                return Err(Failure::Config(error));
            }
            check_origin(settings, headers, context.local)?;
            let query = query?;
            check_token(settings, headers, request.uri().path(), &query, context.now)?;
            if options.format.is_none() && query.get("format").is_some() {
                return Err(Failure::UnknownFormat);
            }
            Question::find(&query, body.as_ref(), settings)
        };
        Self::new(responder, question())
    }

    /// Parses an event that is not an HTTP request: an object with a `question`.
    ///
    /// It comes from the platform's console or an SDK. The platform has checked the caller's
    /// permission, so no token is required.
    ///
    /// # Errors
    /// The response to an event without a question.
    pub fn from_event(
        settings: &Settings,
        event: &[u8],
        request_id: &str,
    ) -> Result<Self, Box<Response<Vec<u8>>>> {
        let cors = cors_headers(settings, &HeaderMap::new(), false, EXPOSED_HEADERS);
        let responder = Responder::new(Lang::default(), Format::default(), cors, request_id);
        let event: Option<serde_json::Map<String, Value>> = json::from_slice(event).ok();
        let event = event.filter(|event| event.get("question").is_some_and(Value::is_string));
        let question = match (event, settings.error()) {
            (None, _) => Err(Failure::BodyUnreadable(Localized::new(
                "the event is neither an HTTP request nor an object with a \"question\"",
                "事件既不是 HTTP 请求，也不是带有 \"question\" 的对象",
            ))),
            (Some(_), Some(error)) => Err(Failure::Config(error)),
            (Some(event), None) => Question::in_object(&event, None, settings),
        };
        Self::new(responder, question)
    }

    /// Returns the response to a request whose query is too long to be parsed.
    pub fn reject_long_query<B>(
        settings: &Settings,
        request: &Request<B>,
        context: RequestContext,
    ) -> Response<Vec<u8>> {
        let options = RequestOptions::new(None, None);
        let responder = options.responder(settings, request.headers(), context);
        let max = settings.max_question.min(MIN_CHARS_OF_LONG_QUERY);
        responder.failure(&Failure::QuestionTooLong { max })
    }

    /// Returns the responder of a request of which only the head is known.
    pub fn head_responder(
        settings: &Settings,
        headers: &HeaderMap,
        context: RequestContext,
    ) -> Responder {
        RequestOptions::new(None, None).responder(settings, headers, context)
    }

    /// Returns the question: the text of the last message.
    pub fn question(&self) -> Cow<'_, str> {
        self.messages.last().map(Message::text).unwrap_or_default()
    }

    fn new(
        responder: Responder,
        question: Result<Question, Failure>,
    ) -> Result<Self, Box<Response<Vec<u8>>>> {
        match question {
            Ok(Question { messages, model }) => Ok(Self { responder, messages, model }),
            Err(failure) => Err(Box::new(responder.failure(&failure))),
        }
    }
}

/// The options of a request, from its query and its body.
struct RequestOptions {
    format: Option<Format>,
    /// `?format=html`: the page, with the question of its address.
    is_html: bool,
    has_question: bool,
    client: ChatClient,
    is_n8n_history: bool,
}

impl RequestOptions {
    fn new(query: Option<&Query>, body: Option<&Body>) -> Self {
        let in_query = |name| query.and_then(|query| query.get(name));
        let action = in_query("action").or_else(|| body?.action());
        let client = match action {
            Some("sendMessage") => ChatClient::N8n,
            _ => match body {
                Some(Body::DeepChatForm(_)) => ChatClient::DeepChat,
                Some(body) if body.has_message_parts() => ChatClient::AiSdk,
                _ => ChatClient::Other,
            },
        };
        Self {
            format: in_query("format").and_then(Format::from_name),
            is_html: in_query("format") == Some("html"),
            has_question: query.and_then(Query::question).is_some(),
            client,
            is_n8n_history: action == Some("loadPreviousSession"),
        }
    }

    fn responder(
        &self,
        settings: &Settings,
        headers: &HeaderMap,
        context: RequestContext,
    ) -> Responder {
        let by_headers = || Format::from_headers(headers, self.client);
        let cors = cors_headers(settings, headers, context.local, EXPOSED_HEADERS);
        let lang = Lang::from_headers(headers);
        Responder::new(lang, self.format.unwrap_or_else(by_headers), cors, context.request_id)
    }
}

/// Returns whether a page may ask the question of its address without a click. Otherwise any other
/// site could spend the visitor's token by a link.
fn may_ask(settings: &Settings, headers: &HeaderMap, local: bool) -> bool {
    let is_cross_site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    !is_cross_site && check_origin(settings, headers, local).is_ok()
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

    use http::StatusCode;

    use super::*;
    use crate::response::{METHODS, X_ERROR_CODE};

    const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

    fn settings(vars: &[(&str, &str)]) -> Settings {
        Settings::from_pairs(&[vars, &[("OPENAI_API_KEY", "sk-test")]].concat())
    }

    fn send_to(
        settings: &Settings,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<AskRequest, Box<Response<Vec<u8>>>> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let context =
            RequestContext { request_id: "id", local: false, now: SystemTime::UNIX_EPOCH };
        AskRequest::from_request(
            settings,
            &request.body(body.as_bytes().to_vec()).unwrap(),
            context,
        )
    }

    #[track_caller]
    fn response_to(
        settings: &Settings,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Vec<u8>> {
        match send_to(settings, method, uri, headers, body) {
            Err(response) => *response,
            Ok(ask) => panic!("{method} {uri}: {ask:?}"),
        }
    }

    /// Checks the response to a request that never reaches the model.
    #[track_caller]
    fn check(
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
        status: u16,
        content: &str,
    ) {
        // None of these needs the token.
        let response =
            response_to(&settings(&[("ASK_TOKEN", "owner")]), method, uri, headers, body);
        assert_eq!(response.status(), status, "{method} {uri}");
        assert!(!response.headers().contains_key(X_ERROR_CODE) || status == 405, "{method} {uri}");
        let body = String::from_utf8(response.into_body()).unwrap();
        assert!(
            if content.is_empty() { body.is_empty() } else { body.contains(content) },
            "{method} {uri}: {body}"
        );
    }

    #[test]
    fn requests_without_a_question_never_reach_the_model() {
        let question = "/?question=hi";
        check("OPTIONS", question, &[], "", 204, "");
        check("HEAD", question, &[], "", 200, "");
        check("PUT", question, &[], "", 405, "GET");
        check("DELETE", "/", &[], "", 405, "GET");
        check("GET", "/favicon.ico", &[], "", 404, "");
        check("GET", "/robots.txt?question=hi", &[], "", 200, "Disallow: /");
        check("GET", "/widget.js", &[], "", 200, "shadow");
        check("GET", "/stage/widget.js", &[], "", 200, "shadow");
        check("GET", "/chat.js", &[], "", 200, "dialog");
        check("GET", question, &[("sec-purpose", "prefetch;prerender")], "", 503, "Prefetch");
        check("GET", question, &[("purpose", "prefetch")], "", 503, "Prefetch");
        check(
            "GET",
            question,
            &[("user-agent", "Slackbot-LinkExpanding 1.0")],
            "",
            403,
            "previews",
        );
        check("GET", question, &[("x-moz", "prefetch")], "", 503, "Prefetch");
        for agent in [
            "WhatsApp/2.23",
            "Viber/20.9.0.8 CFNetwork/1410.0.3 Darwin/22.6.0",
            "http.rb/5.1.1 (Mastodon/4.2.0; +https://mastodon.example/) Bot",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
            "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
        ] {
            check("GET", question, &[("user-agent", agent)], "", 403, "previews");
        }
        check("GET", "/", &[HTML], "", 200, "<!doctype html>");
        check("GET", "/?question=+", &[HTML], "", 200, "<!doctype html>");
        check("HEAD", "/", &[HTML], "", 200, "");
        check("GET", "/?action=loadPreviousSession", &[], "", 200, "{\"data\":[]}");
        let json = ("content-type", "application/json");
        check("POST", "/", &[json], "{\"action\":\"loadPreviousSession\"}", 200, "{\"data\":[]}");
        check("GET", question, &[("last-event-id", "3")], "", 204, "");
    }

    #[test]
    fn preflight_and_method_failure_list_the_methods() {
        let response =
            response_to(&settings(&[]), "OPTIONS", "/", &[("origin", "https://page.example")], "");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.headers()[ACCESS_CONTROL_MAX_AGE], "86400");
        assert_eq!(response_to(&settings(&[]), "PATCH", "/", &[], "").headers()[ALLOW], METHODS);
    }

    #[test]
    fn page_policy_allows_only_its_own_script() {
        let response = response_to(&settings(&[]), "GET", "/", &[HTML], "");
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'sha256-"),
            "{policy}"
        );
    }

    #[test]
    fn browsers_inside_apps_may_ask() {
        for app in [
            "MicroMessenger/8.0.44",
            "wxwork/4.1.10 MicroMessenger/7.0.1",
            "DingTalk/7.0.40",
            "Lark/7.5.8",
            "Teams/24152.412",
            "WhatsApp/2.24.1",
            "Viber/22.1",
        ] {
            let agent = format!("Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) {app}");
            let headers = [HTML, ("user-agent", agent.as_str())];
            let settings = settings(&[]);
            assert!(send_to(&settings, "GET", "/?question=hi", &headers, "").is_ok(), "{app}");
        }
    }

    #[test]
    fn openai_client_is_referred_to_the_web_function() {
        for (method, path) in [("POST", "/v1/chat/completions"), ("GET", "/release/v1/models")] {
            let response = response_to(&settings(&[]), method, path, &[], "");
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            assert_eq!(response.headers()[X_ERROR_CODE], "not_found");
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            let message = body["error"]["message"].as_str().unwrap();
            assert!(message.contains("Web function"), "{message}");
        }
    }

    #[test]
    fn page_asks_the_question_of_its_address_for_its_visitor_only() {
        let vars = [("ASK_TITLE", "A \"B\" <c>"), ("ASK_TOKEN", "owner")];
        let settings = settings(&vars);
        let page = |uri: &str, headers: &[(&str, &str)]| {
            let response = response_to(&settings, "GET", uri, headers, "");
            assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8", "{uri}");
            String::from_utf8(response.into_body()).unwrap()
        };
        let asks = |uri, headers: &[(&str, &str)]| page(uri, headers).contains(" data-asks");
        let question = "/?format=html&question=hi";
        assert!(asks(question, &[]));
        assert!(asks(question, &[("sec-fetch-site", "none")]));
        assert!(asks(question, &[("sec-fetch-site", "same-origin"), HTML]));
        assert!(!asks(question, &[("sec-fetch-site", "cross-site")]));
        let navigation = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert!(!asks(question, &navigation));
        assert!(!asks("/?format=html", &[]));
        assert!(!asks("/", &[HTML]));
        let page = page("/", &[HTML]);
        assert!(page.contains("<title>A &quot;B&quot; &lt;c></title>"), "{page}");
        check("HEAD", question, &[], "", 200, "");
        check("GET", question, &[("sec-purpose", "prefetch")], "", 503, "Prefetch");
        check("GET", question, &[("user-agent", "Slackbot")], "", 403, "previews");
    }

    #[track_caller]
    fn fails(vars: &[(&str, &str)], uri: &str, headers: &[(&str, &str)], code: &str) {
        let response = response_to(&settings(vars), "GET", uri, headers, "");
        assert_eq!(response.headers()[X_ERROR_CODE], code, "{uri}");
    }

    #[test]
    fn rejected_requests_have_a_code() {
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
    fn format_and_language_follow_the_request() {
        let asks = |uri: &str, headers: &[(&str, &str)], body: &str| match send_to(
            &settings(&[]),
            if body.is_empty() { "GET" } else { "POST" },
            uri,
            headers,
            body,
        ) {
            Ok(ask) => (ask.responder.format, ask.responder.lang),
            Err(response) => panic!("{uri}: {response:?}"),
        };
        let json = ("content-type", "application/json");
        assert_eq!(
            asks("/?q=hi&format=sse", &[("accept", "application/json")], ""),
            (Format::Sse, Lang::En)
        );
        assert_eq!(
            asks("/?q=hi&format=", &[HTML, ("accept-language", "zh-CN")], ""),
            (Format::Text, Lang::Zh)
        );
        let n8n = r#"{"action":"sendMessage","chatInput":"hi"}"#;
        assert_eq!(asks("/", &[json, ("accept", "text/plain")], n8n).0, Format::Ndjson);
        assert_eq!(asks("/", &[json], n8n).0, Format::Json);
        let ai_sdk = r#"{"messages":[{"role":"user","parts":[{"type":"text","text":"hi"}]}]}"#;
        assert_eq!(asks("/", &[json, ("accept", "*/*")], ai_sdk).0, Format::Text);
        assert_eq!(asks("/?format=json", &[json], ai_sdk).0, Format::Json);
        assert_eq!(
            asks("/?action=sendMessage&question=hi", &[("accept", "text/plain")], "").0,
            Format::Ndjson
        );
    }

    #[test]
    fn plain_event_needs_a_question_and_no_token() {
        let settings = settings(&[("ASK_TOKEN", "owner")]);
        let event = br#"{"question":" hi "}"#;
        let ask = AskRequest::from_event(&settings, event, "id").unwrap();
        assert_eq!(ask.messages, [Message::user("hi")]);
        assert_eq!(ask.question(), "hi");
        for event in
            ["", "{", "[]", "{}", "7", r#"{"Type":"Timer","Message":""}"#, r#"{"question":7}"#]
        {
            let response = AskRequest::from_event(&settings, event.as_bytes(), "id").unwrap_err();
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{event}");
            assert_eq!(response.headers()[X_ERROR_CODE], "body_unreadable", "{event}");
        }
    }
}
