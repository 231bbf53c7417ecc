//! Asks a deployed function, and shows the answer as it comes.

use std::time::Instant;

use ask_core::access::signed_link::encode_question;
use ask_core::completion::{AttemptError, Content, End, ImageUrl, Message, Role};
use ask_core::lang::Lang;
use ask_core::settings::{Secret, SettingError};
use ask_core::{Failure, Settings};
use http::header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use serde_json::json;

use super::address::Address;
use super::error::Error;
use super::finish::check_finish_reason;
use super::output::Output;
use super::pictures::with_pictures;
use super::provider::TIME_LIMIT;
use super::reply::{ReplyDecoder, ReplyError};
use super::variables::{Variables, is_proxy};
use crate::upstream::{BodyError, READ_BUFFER, UpstreamClient};

/// The settings that a request to a function uses, beside proxies.
const SETTINGS: &[&str] = &["ASK_TOKEN", "ASK_PUBLIC_TOKEN", "ASK_TIMEOUT", "SSL_CERT_FILE"];

/// Maximum size of the body of a request, in bytes. The platform carries no more.
const MAX_BODY: usize = 6 << 20;

/// A question to a function.
pub(super) struct Question<'a> {
    /// The question, unless the address has one.
    pub(super) text: Option<&'a str>,
    pub(super) pictures: &'a [ImageUrl],
    pub(super) system: Option<&'a str>,
    pub(super) model: Option<&'a str>,
}

/// A deployed function.
pub(super) struct Function {
    pub(super) address: Address,
    pub(super) settings: Settings,
    pub(super) client: UpstreamClient,
    /// The token that questions are sent with.
    pub(super) token: Option<Secret>,
    lang: Lang,
}

impl Function {
    /// Prepares the requests to a function. Sends nothing.
    ///
    /// A link brings its own permission, so it is sent without a token, unless an option gave one.
    ///
    /// # Errors
    /// If a setting that it uses is invalid.
    pub(super) fn new(
        address: Address,
        variables: &Variables,
        is_token_given: bool,
        lang: Lang,
    ) -> Result<Self, Error> {
        let settings = variables.settings_at(address.origin());
        let explain = |error: &SettingError| Error::Failed(variables.explain(error));
        if let Some(error) = settings.errors.iter().find(|error| uses(error.variable)) {
            return Err(explain(error));
        }
        let client = UpstreamClient::new(&settings).map_err(|error| explain(&error))?;
        let is_permitted = address.has("sig") || address.has("token");
        let mut tokens = settings.tokens.iter().chain(&settings.public_tokens);
        let token = tokens.next().filter(|_| is_token_given || !is_permitted).cloned();
        Ok(Self { address, settings, client, token, lang })
    }

    /// Asks a question. Calls `show` with each piece of the answer as it arrives.
    ///
    /// Returns the headers of the reply and a finish reason other than `stop`.
    ///
    /// # Errors
    /// If there is no answer, or not all of it, or if `show` fails.
    pub(super) fn ask<E: From<ReplyError>>(
        &self,
        question: &Question<'_>,
        deadline: Instant,
        mut show: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(HeaderMap, Option<String>), E> {
        let request = || self.question_request(question);
        let failed = |failure: Failure| ReplyError::from(failure);
        let mut response = self
            .client
            .send(request, deadline)
            .map_err(|error| failed(AttemptError::from(error).failure))?;
        let mut decoder = ReplyDecoder::new(&response.head, self.settings.redactor());
        let mut bytes = [0; READ_BUFFER];
        let end = loop {
            if decoder.is_done() {
                break End::Eof;
            }
            match response.read(&mut bytes) {
                Ok(0) => break End::Eof,
                Ok(read) => {
                    for piece in decoder.decode(&bytes[..read]) {
                        show(&piece)?;
                    }
                }
                Err(BodyError::Truncated) => break End::Truncated,
                Err(BodyError::Timeout) => return Err(failed(Failure::Deadline).into()),
            }
        };
        let reason = decoder.finish(end)?;
        Ok((response.head.headers, reason))
    }

    /// Returns the request of a question. It asks for events, whatever the address says.
    fn question_request(&self, question: &Question<'_>) -> Result<Request<Vec<u8>>, Failure> {
        let model = question.model.map(encode_question);
        let mut members = vec![("format", "sse")];
        // Beside `messages` in a body, a model that is not in the list would be ignored.
        members.extend(model.as_deref().map(|model| ("model", model)));
        let uri = self.address.with(&members);
        let Some(text) = question.text else { return self.request(Method::GET, uri, true) };
        let system = question.system.map(|system| Message {
            role: Role::System,
            content: Content::Text(system.to_owned()),
        });
        let body = if system.is_none() && question.pictures.is_empty() {
            json!({"question": text})
        } else {
            let message = with_pictures(Message::user(text), question.pictures);
            json!({"messages": system.into_iter().chain([message]).collect::<Vec<_>>()})
        };
        let mut request = self.request(Method::POST, uri, true)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        *request.body_mut() = body.to_string().into_bytes();
        match request.body().len() > MAX_BODY {
            true => Err(Failure::BodyTooLarge),
            false => Ok(request),
        }
    }

    /// Returns a request without a body.
    ///
    /// # Errors
    /// [`Failure::Token`] if the token does not fit into a header.
    pub(super) fn request(
        &self,
        method: Method,
        uri: Uri,
        with_token: bool,
    ) -> Result<Request<Vec<u8>>, Failure> {
        let mut request = Request::new(Vec::new());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        let language = match self.lang {
            Lang::En => "en",
            Lang::Zh => "zh",
        };
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(language));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let agent = concat!("scf-ask/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        if let Some(token) = self.token.as_ref().filter(|_| with_token) {
            let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
            // Unreachable: a token of the settings is visible ASCII.
            let bearer = bearer.map_err(|_| Failure::Token)?;
            headers.insert(AUTHORIZATION, bearer);
        }
        Ok(request)
    }
}

/// Returns whether a request to a function uses a setting.
pub(super) fn uses(variable: &str) -> bool {
    is_proxy(variable) || SETTINGS.contains(&variable)
}

/// Asks a function and writes the answer.
///
/// # Errors
/// If there is no answer, or not all of it. What has arrived is written before.
pub(super) fn ask(
    function: &Function,
    question: &Question<'_>,
    output: &mut Output,
) -> Result<(), Error> {
    let deadline = Instant::now() + function.settings.timeout.unwrap_or(TIME_LIMIT);
    let (_, reason) = function.ask(question, deadline, |piece| output.write(piece))?;
    check_finish_reason(reason.as_deref())
}
