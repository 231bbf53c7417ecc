//! The provider's list of models.

use std::time::{Duration, Instant, SystemTime};

use ask_core::completion::{End, request};
use ask_core::lang::Localized;
use ask_core::settings::{Redactor, Secret};
use ask_core::{Failure, Settings};
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use serde_json::Value;
use time::OffsetDateTime;

use super::fetch::read_body;
use super::report::Status;
use crate::upstream::{RequestError, UpstreamClient};

/// Maximum size of the list, in bytes.
const MAX_LIST: usize = 8 << 20;

/// The time before a model's end in which the report warns.
const NOTICE: Duration = Duration::from_secs(90 * 86_400);

/// Maximum number of models that are named.
const MAX_NAMED: usize = 5;

/// The reply to `GET /models`.
pub(super) enum Listing {
    Models(Vec<Model>),
    /// The provider has no list.
    None(StatusCode),
}

/// A model in the list.
pub(super) struct Model {
    id: String,
    /// `shutdown_date` in OpenAI's list, such as `2026-10-23`.
    /// <https://developers.openai.com/api/reference/resources/models/methods/list>
    shutdown_date: Option<String>,
}

/// Asks for the list. Returns the error of the connection, or what the provider said.
pub(super) fn list(
    client: &UpstreamClient,
    settings: &Settings,
    key: Option<&Secret>,
    deadline: Instant,
) -> Result<Result<Listing, Failure>, RequestError> {
    let request = || list_request(settings, key);
    let mut response = client.send(request, deadline)?;
    let body = read_body(&mut response, MAX_LIST);
    let status = response.head.status;
    let has_no_list = matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    );
    if status.is_success() {
        let models = parse(&body, &settings.redactor());
        return Ok(Ok(models.map_or(Listing::None(status), Listing::Models)));
    }
    let mut decoder = client.decoder(&response.head);
    let decoded = decoder.decode(&body).and_then(|()| decoder.finish(End::Eof));
    Ok(match decoded {
        Err(error) if !has_no_list => Err(error.failure),
        _ => Ok(Listing::None(status)),
    })
}

/// Returns the request, with the headers of a question.
fn list_request(settings: &Settings, key: Option<&Secret>) -> Result<Request<Vec<u8>>, Failure> {
    let mut request = request(settings, key, "", &[], false)?;
    request.body_mut().clear();
    request.headers_mut().remove(CONTENT_TYPE);
    *request.method_mut() = Method::GET;
    let completions = settings.base_url.completions_uri().to_string();
    let base = completions.trim_end_matches("/chat/completions");
    // Cannot fail: the URL of the completions with another end.
    *request.uri_mut() = format!("{base}/models").parse().unwrap_or_default();
    Ok(request)
}

/// Returns the models, or `None` if the reply is not a list of models.
fn parse(body: &[u8], redactor: &Redactor) -> Option<Vec<Model>> {
    let list: Value = serde_json::from_slice(body).ok()?;
    let models = list.as_array().or_else(|| list["data"].as_array())?;
    let name = |value: &Value| Some(redactor.name(value.as_str()?).into_owned());
    let model = |model: &Value| {
        Some(Model { id: name(&model["id"])?, shutdown_date: name(&model["shutdown_date"]) })
    };
    Some(models.iter().filter_map(model).collect())
}

/// Returns the state of a model. `answered` is set if it answered a question.
pub(super) fn state(name: &str, models: &[Model], answered: bool) -> (Status, Localized) {
    let Some(model) = models.iter().find(|model| model.id == name) else {
        return missing(name, models, answered);
    };
    let date = |time: SystemTime| OffsetDateTime::from(time).date().to_string();
    let now = SystemTime::now();
    // Dates in this form sort as texts.
    match &model.shutdown_date {
        None => (Status::Ok, Localized::new(name.to_owned(), name.to_owned())),
        Some(end) if *end > date(now + NOTICE) => (
            Status::Ok,
            Localized::new(
                format!("{name}, until {end} (shutdown_date)"),
                format!("{name}，{end} 停用（shutdown_date）"),
            ),
        ),
        Some(end) if *end > date(now) => (
            Status::Warning,
            Localized::new(
                format!(
                    "{name} shuts down on {end} (shutdown_date): set OPENAI_MODEL to another one"
                ),
                format!("{name} 将在 {end} 停用（shutdown_date），请把 OPENAI_MODEL 设为其他模型"),
            ),
        ),
        Some(end) => (
            if answered { Status::Warning } else { Status::Failure },
            Localized::new(
                format!(
                    "{name} was shut down on {end} (shutdown_date): set OPENAI_MODEL to another one"
                ),
                format!("{name} 已于 {end} 停用（shutdown_date），请把 OPENAI_MODEL 设为其他模型"),
            ),
        ),
    }
}

fn missing(name: &str, models: &[Model], answered: bool) -> (Status, Localized) {
    if answered {
        return (
            Status::Ok,
            Localized::new(
                format!("{name} is not in the provider's list, and answers"),
                format!("{name} 不在模型服务商的列表里，但能回答"),
            ),
        );
    }
    let named: Vec<_> = models.iter().take(MAX_NAMED).map(|model| model.id.as_str()).collect();
    let (named, count) = (named.join(", "), models.len());
    (
        Status::Failure,
        Localized::new(
            format!(
                "{name} is not in the provider's list: set OPENAI_MODEL to one of its {count} \
                 models, such as {named}"
            ),
            format!(
                "{name} 不在模型服务商的列表里，请把 OPENAI_MODEL 设为它的 {count} 个模型之一，\
                 例如 {named}"
            ),
        ),
    )
}
