//! Checks the settings and the provider, as the function would use them.

use std::thread;
use std::time::{Duration, Instant};

use ask_core::completion::{
    AttemptError, CompletionInfo, Cooldowns, Message, Retry, budget, request,
};
use ask_core::lang::Localized;
use ask_core::settings::SettingError;
use ask_core::{Failure, Settings};
use ask_host::random;

use super::models::{Listing, list, state};
use super::network::Route;
use super::report::{Report, Status, Step, seconds};
use super::settings::{report_file, report_proxy, report_settings};
use crate::attempts::first_success;
use crate::terminal::error::sentence;
use crate::terminal::variables::{Variables, is_proxy};
use crate::upstream::{RequestError, UpstreamClient};

/// The question. Its answer takes few tokens.
const QUESTION: &str = "Reply with the word: ok";

/// The steps that need a connection.
const CONNECTED_STEPS: &[Step] = &[Step::Key, Step::Model, Step::Region, Step::Answer];

/// The first answer.
struct FirstAnswer {
    /// The model that was asked, by its name in `OPENAI_MODEL`.
    model: String,
    info: CompletionInfo,
    time: Duration,
}

/// Checks the provider.
pub(super) fn check(variables: &Variables, report: &mut Report<'_>) {
    let settings = variables.settings();
    report.set_target(settings.base_url.completions_uri().to_string());
    let client = UpstreamClient::new(&settings);
    report_settings(variables, &settings, |_| true, client.as_ref().err(), report);
    if variables.source("OPENAI_API_KEY").is_none() {
        let missing = SettingError::missing("OPENAI_API_KEY");
        report.add(Step::Settings, Status::Failure, variables.explain(&missing));
    }
    report_file(variables, report);
    let Ok(client) = client.as_ref() else { return skip_all(report) };
    if settings.errors.iter().any(|error| is_about_connections(error.variable)) {
        return skip_all(report);
    }
    report_proxy(variables, &settings, report);
    let explain = |failure: Failure| sentence(&failure);
    let route = Route::open(&settings.base_url, settings.proxy.as_ref(), explain, report);
    let route = match route {
        Ok(route) => route,
        Err(failed) => return report.skip(CONNECTED_STEPS, failed),
    };
    let deadline = || Instant::now() + budget(&settings, None);
    let first = list(client, &settings, settings.keys.first(), deadline());
    if let Err(failed) = route.report(first.as_ref().err(), report) {
        return report.skip(CONNECTED_STEPS, failed);
    }
    let others = settings.keys.iter().skip(1);
    let others = others.map(|key| list(client, &settings, Some(key), deadline()));
    let listings: Vec<_> = [first].into_iter().chain(others).map(flatten).collect();
    match settings.keys.is_empty() {
        true => report.skip(CONNECTED_STEPS, Step::Settings),
        false => report_provider(client, &settings, &listings, report),
    }
}

/// Reports key, model, region and answer. `listings` has the reply to `GET /models` for each key.
fn report_provider(
    client: &UpstreamClient,
    settings: &Settings,
    listings: &[Result<Listing, Failure>],
    report: &mut Report<'_>,
) {
    for (index, listing) in listings.iter().enumerate() {
        report_key(listing, (listings.len() > 1).then_some(index + 1), report);
    }
    let failures = || listings.iter().filter_map(|listing| listing.as_ref().err());
    let count = |failure: &Failure| failures().filter(|found| *found == failure).count();
    let answer = if count(&Failure::UpstreamRegion) > 0 {
        Err(Step::Region)
    } else if count(&Failure::UpstreamKey) == listings.len() {
        Err(Step::Key)
    } else if settings.error().is_some() {
        Err(Step::Settings)
    } else {
        Ok(first_answer(client, settings))
    };
    let is_refused_here = match &answer {
        Ok(answer) => answer.as_ref().err() == Some(&Failure::UpstreamRegion),
        Err(failed) => *failed == Step::Region,
    };
    let is_served = matches!(answer, Ok(Ok(_)))
        || listings.iter().any(|listing| matches!(listing, Ok(Listing::Models(_))));
    report_models(settings, listings, &answer, report);
    if is_refused_here {
        report.add(Step::Region, Status::Failure, sentence(&Failure::UpstreamRegion));
        return report.skip(&[Step::Answer], Step::Region);
    }
    match is_served {
        true => report.ok(Step::Region, "served", "可用"),
        false => report.skip(&[Step::Region], Step::Key),
    }
    match answer {
        Err(failed) => report.skip(&[Step::Answer], failed),
        Ok(Err(failure)) => report.add(Step::Answer, Status::Failure, sentence(&failure)),
        Ok(Ok(answer)) => answer.report(report),
    }
}

fn report_key(listing: &Result<Listing, Failure>, number: Option<usize>, report: &mut Report<'_>) {
    let (status, message) = match listing {
        Ok(Listing::Models(models)) => {
            let count = models.len();
            let en = format!("accepted (GET /models lists {count})");
            (Status::Ok, Localized::new(en, format!("有效（GET /models：{count} 个模型）")))
        }
        Ok(Listing::None(status)) => {
            let status = status.as_u16();
            let en = format!("unknown: the provider has no list of models (status {status})");
            let zh = format!("无法单独检查：模型服务商没有模型列表（状态码 {status}）");
            (Status::Skipped, Localized::new(en, zh))
        }
        Err(Failure::UpstreamRegion) => return report.skip(&[Step::Key], Step::Region),
        Err(failure @ (Failure::UpstreamKey | Failure::UpstreamQuota)) => {
            (Status::Failure, sentence(failure))
        }
        Err(failure) => {
            let message = sentence(failure);
            let en = format!("GET /models: {}", message.en);
            (Status::Warning, Localized::new(en, format!("GET /models：{}", message.zh)))
        }
    };
    let message = match number {
        None => message,
        Some(number) => Localized::new(
            format!("key {number}: {}", message.en),
            format!("第 {number} 个密钥：{}", message.zh),
        ),
    };
    report.add(Step::Key, status, message);
}

fn report_models(
    settings: &Settings,
    listings: &[Result<Listing, Failure>],
    answer: &Result<Result<FirstAnswer, Failure>, Step>,
    report: &mut Report<'_>,
) {
    let models = listings.iter().find_map(|listing| match listing {
        Ok(Listing::Models(models)) => Some(models),
        _ => None,
    });
    let answered_by = answer.as_ref().ok().and_then(|answer| Some(&answer.as_ref().ok()?.model));
    for name in &settings.models {
        let answered = answered_by == Some(name);
        let (status, message) = match models {
            Some(models) => state(name, models, answered),
            None if answered => {
                (Status::Ok, Localized::new(format!("{name} answers"), format!("{name} 能回答")))
            }
            None => match answer {
                Ok(Err(failure @ Failure::UpstreamModel { .. })) => {
                    (Status::Failure, sentence(failure))
                }
                Err(failed) => {
                    report.skip(&[Step::Model], *failed);
                    continue;
                }
                _ => (
                    Status::Skipped,
                    Localized::new(
                        format!("{name}: unknown without a list"),
                        format!("{name}：没有列表，无法检查"),
                    ),
                ),
            },
        };
        // Another model of the list answers in its place.
        let is_replaced = status == Status::Failure && answered_by.is_some();
        report.add(Step::Model, if is_replaced { Status::Warning } else { status }, message);
    }
}

/// Asks the question as the event function does, with its keys, models and retries.
fn first_answer(client: &UpstreamClient, settings: &Settings) -> Result<FirstAnswer, Failure> {
    let start = Instant::now();
    let deadline = start + budget(settings, None);
    let messages = [Message::user(QUESTION)];
    let mut cooldowns = Cooldowns::default();
    let mut retry = Retry::new(settings, None, &cooldowns, start, random());
    let attempt = |retry: &Retry| {
        let request = || request(settings, retry.key(), retry.model(), &messages, settings.partial);
        client.complete(request, settings.partial, deadline)
    };
    let answer = first_success(&mut retry, &mut cooldowns, deadline, thread::sleep, attempt)?;
    Ok(FirstAnswer { model: retry.model().to_owned(), info: answer.info, time: start.elapsed() })
}

impl FirstAnswer {
    fn report(&self, report: &mut Report<'_>) {
        let time = seconds(self.time);
        let model = self.info.model.as_deref().unwrap_or(&self.model);
        let count = |name: &str| self.info.usage.as_ref().and_then(|usage| usage[name].as_u64());
        let tokens = match (count("prompt_tokens"), count("completion_tokens")) {
            (Some(asked), Some(answered)) => Localized::new(
                format!("{asked} + {answered} tokens"),
                format!("{asked} + {answered} 个 token"),
            ),
            _ => Localized::new("token count unknown", "token 数未知"),
        };
        let (en, zh) = (
            format!("after {time}, by {model}, {}", tokens.en),
            format!("用时 {time}，模型 {model}，{}", tokens.zh),
        );
        match self.info.unusual_finish_reason() {
            None => report.ok(Step::Answer, en, zh),
            Some(reason) => {
                let en = format!("{en}; it ended early ({reason}): check ASK_EXTRA");
                let zh = format!("{zh}；提前结束（{reason}），请检查 ASK_EXTRA");
                report.add(Step::Answer, Status::Warning, Localized::new(en, zh));
            }
        }
    }
}

/// Returns what the provider said, or the failure of the request.
fn flatten(listing: Result<Result<Listing, Failure>, RequestError>) -> Result<Listing, Failure> {
    listing.unwrap_or_else(|error| Err(AttemptError::from(error).failure))
}

fn skip_all(report: &mut Report<'_>) {
    report.skip(&[Step::Proxy, Step::Name, Step::Connect, Step::Tls], Step::Settings);
    report.skip(CONNECTED_STEPS, Step::Settings);
}

/// Returns whether no connection can be tried without this variable.
fn is_about_connections(variable: &str) -> bool {
    is_proxy(variable) || ["OPENAI_BASE_URL", "SSL_CERT_FILE"].contains(&variable)
}
