//! Checks a deployed function, from outside.

use std::time::{Duration, Instant};

use ask_core::Failure;
use ask_core::lang::{Lang, Localized};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::fetch::{Reply, explain_request, fetch};
use super::network::Route;
use super::preflight::report_preflight;
use super::report::{Report, Status, Step, seconds};
use super::settings::{report_file, report_proxy, report_settings};
use crate::terminal::address::Address;
use crate::terminal::provider::TIME_LIMIT;
use crate::terminal::remote::{self, Function, Question};
use crate::terminal::reply::ReplyError;
use crate::terminal::variables::Variables;
use crate::upstream::{RequestError, UpstreamClient};

/// The question. Its answer has enough pieces to tell a stream from a reply that is held back.
const QUESTION: &str = "Count from 1 to 30, one number per line, and write nothing else.";

/// A wait for the first piece after which a burst of all pieces was held back.
const SHORT_WAIT: Duration = Duration::from_millis(500);

/// The steps that need a connection.
const CONNECTED_STEPS: &[Step] = &[
    Step::Answer,
    Step::ContentType,
    Step::Preflight,
    Step::Token,
    Step::Stream,
    Step::Limit,
    Step::Version,
];

/// The answer to [`QUESTION`], or to the question of a link.
struct Answer {
    headers: HeaderMap,
    finish_reason: Option<String>,
    /// The times at which the pieces arrived, since the request.
    pieces: Vec<Duration>,
    time: Duration,
}

/// Checks a function.
pub(super) fn check(
    address: Address,
    variables: &Variables,
    is_token_given: bool,
    model: Option<&str>,
    lang: Lang,
    report: &mut Report<'_>,
) {
    // The query may hold a token.
    report.set_target(address.without_query().to_string());
    let settings = variables.settings_at(address.origin());
    let client = UpstreamClient::new(&settings);
    report_settings(variables, &settings, remote::uses, client.err().as_ref(), report);
    report_file(variables, report);
    report_address(&address, report);
    let Ok(function) = Function::new(address, variables, is_token_given, lang) else {
        let steps = [Step::Proxy, Step::Name, Step::Connect, Step::Tls];
        report.skip(&steps, Step::Settings);
        return report.skip(CONNECTED_STEPS, Step::Settings);
    };
    report_proxy(variables, &function.settings, report);
    let explain = |failure: Failure| ReplyError::from(failure).message;
    let proxy = function.settings.proxy.as_ref();
    let route = match Route::open(&function.address.base, proxy, explain, report) {
        Ok(route) => route,
        Err(failed) => return report.skip(CONNECTED_STEPS, failed),
    };
    // Without a question, no model is asked.
    let without_token = fetch(&function, Method::GET, function.address.without_query(), &[]);
    if let Err(failed) = route.report(without_token.as_ref().err(), report) {
        return report.skip(CONNECTED_STEPS, failed);
    }
    let answer = ask(&function, model);
    report_answer(&answer, report);
    report_preflight(&function, answer.as_ref().ok().map(|answer| &answer.headers), report);
    report_token(&function.address, without_token, report);
    let health = fetch(&function, Method::GET, function.address.health(), &[]);
    let version = health.as_ref().ok().and_then(version);
    report_stream(&answer, version.is_some(), report);
    report_limit(&answer, report);
    report_version(health, version, report);
}

fn report_address(address: &Address, report: &mut Report<'_>) {
    let url = address.without_query().to_string();
    if !address.base.https && !address.is_loopback() {
        let en = format!("{url} carries questions and tokens unencrypted: use https://");
        let zh = format!("{url} 以明文传输问题和令牌，请改用 https://");
        return report.add(Step::Address, Status::Warning, Localized::new(en, zh));
    }
    match address.has("sig") {
        true => report.ok(Step::Address, format!("{url}, signed link"), format!("{url}，签名链接")),
        false => report.ok(Step::Address, url.clone(), url),
    }
}

fn ask(function: &Function, model: Option<&str>) -> Result<Answer, ReplyError> {
    let is_in_link = function.address.question().is_some();
    let text = (!is_in_link).then_some(QUESTION);
    let question = Question { text, pictures: &[], system: None, model };
    let start = Instant::now();
    let deadline = start + function.settings.timeout.unwrap_or(TIME_LIMIT);
    let mut pieces = Vec::new();
    let show = |_: &str| {
        pieces.push(start.elapsed());
        Ok::<_, ReplyError>(())
    };
    let (headers, finish_reason) = function.ask(&question, deadline, show)?;
    Ok(Answer { headers, finish_reason, pieces, time: start.elapsed() })
}

/// Reports the answer and its content type.
fn report_answer(answer: &Result<Answer, ReplyError>, report: &mut Report<'_>) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            report.add(Step::Answer, Status::Failure, error.message.clone());
            return report.skip(&[Step::ContentType], Step::Answer);
        }
    };
    let (time, model) = (seconds(answer.time), answer.headers.get("x-model"));
    let model = model.and_then(|model| model.to_str().ok()).unwrap_or("?");
    let (en, zh) = (format!("after {time}, by {model}"), format!("用时 {time}，模型 {model}"));
    match &answer.finish_reason {
        None => report.ok(Step::Answer, en, zh),
        Some(reason) => {
            let en = format!("{en}; it ended early ({reason})");
            let zh = format!("{zh}；提前结束（{reason}）");
            report.add(Step::Answer, Status::Warning, Localized::new(en, zh));
        }
    }
    let content_type = answer.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    match content_type.starts_with("text/event-stream") {
        true => report.ok(Step::ContentType, content_type, content_type),
        false => {
            let message = Localized::new(
                format!(
                    "\"{content_type}\" in place of text/event-stream: a gateway changes it, or \
                     ASK_RESPONSE=passthrough is set"
                ),
                format!(
                    "是 \"{content_type}\" 而不是 text/event-stream：网关改动了它，或者设置了 \
                     ASK_RESPONSE=passthrough"
                ),
            );
            report.add(Step::ContentType, Status::Warning, message);
        }
    }
}

/// Reports by a request without a token whether the function asks for one.
fn report_token(address: &Address, reply: Result<Reply, RequestError>, report: &mut Report<'_>) {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return report.add(Step::Token, Status::Failure, explain_request(error)),
    };
    match reply.code() {
        "token" | "link" => report.ok(Step::Token, "asked for", "需要令牌"),
        "question_missing" if address.is_loopback() => {
            report.ok(Step::Token, "open, on this machine", "开放，仅限本机");
        }
        "question_missing" => {
            let message = Localized::new(
                "open: strangers can ask at your cost; set ASK_PUBLIC_TOKEN",
                "开放：陌生人可以用你的额度提问，请设置 ASK_PUBLIC_TOKEN",
            );
            report.add(Step::Token, Status::Warning, message);
        }
        "" => {
            let status = reply.status.as_u16();
            let message = Localized::new(
                format!("unknown: the reply (status {status}) is not the function's"),
                format!("无法判断：返回的不是函数的回复（状态码 {status}）"),
            );
            report.add(Step::Token, Status::Warning, message);
        }
        _ => report.skip(&[Step::Token], Step::Answer),
    }
}

fn report_stream(answer: &Result<Answer, ReplyError>, is_web: bool, report: &mut Report<'_>) {
    let Ok(Answer { pieces, .. }) = answer else {
        return report.skip(&[Step::Stream], Step::Answer);
    };
    let (count, first) = (pieces.len(), pieces.first().copied().unwrap_or_default());
    let wait = seconds(first);
    if count == 1 {
        return match is_web {
            false => report.ok(
                Step::Stream,
                format!("whole, after {wait}: an event function does not stream"),
                format!("一次返回，用时 {wait}：事件函数不支持流式"),
            ),
            true => report.ok(
                Step::Stream,
                format!("in one piece, after {wait}: the model sent no more"),
                format!("一次返回，用时 {wait}：模型没有分段"),
            ),
        };
    }
    let spread = pieces.last().copied().unwrap_or_default() - first;
    let gaps = pieces.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = seconds(gaps.max().unwrap_or_default());
    if first > SHORT_WAIT && spread * 10 < first {
        let message = Localized::new(
            format!(
                "held back: all {count} pieces came together after {wait}; a gateway or a proxy \
                 on the way buffers them"
            ),
            format!("被缓冲：{count} 段在 {wait} 后一起到达，途中有网关或代理在缓冲"),
        );
        return report.add(Step::Stream, Status::Warning, message);
    }
    report.ok(
        Step::Stream,
        format!("{count} pieces, the first after {wait}, the longest gap {longest}"),
        format!("{count} 段，首段用时 {wait}，最长间隔 {longest}"),
    );
}

fn report_limit(answer: &Result<Answer, ReplyError>, report: &mut Report<'_>) {
    match answer {
        Ok(answer) => {
            let time = seconds(answer.time);
            report.ok(
                Step::Limit,
                format!("not reached in {time}; only the console shows it"),
                format!("{time} 内没有达到；具体数值只能在控制台查看"),
            );
        }
        Err(error) if error.code.as_deref() == Some("deadline") => {
            let message = Localized::new(
                "passed: raise the function's timeout, and ASK_TIMEOUT if it is set",
                "已超时：请调大函数的执行超时时间，如设置了 ASK_TIMEOUT 也一并调大",
            );
            report.add(Step::Limit, Status::Failure, message);
        }
        Err(_) => report.skip(&[Step::Limit], Step::Answer),
    }
}

/// Returns the version and the state of the settings, which the Web function tells.
fn version(reply: &Reply) -> Option<(String, String)> {
    let health: Value = serde_json::from_slice(&reply.body).ok()?;
    let text = |name: &str| health[name].as_str().map(str::to_owned);
    reply.status.is_success().then_some((text("version")?, text("settings")?))
}

fn report_version(
    reply: Result<Reply, RequestError>,
    version: Option<(String, String)>,
    report: &mut Report<'_>,
) {
    match (version, reply) {
        (Some((version, settings)), _) if settings == "ok" => {
            let message = format!("ask-web {version}");
            report.ok(Step::Version, message.clone(), message);
        }
        (Some((version, settings)), _) => {
            let message = format!("ask-web {version}: {settings}");
            report.add(Step::Version, Status::Failure, Localized::new(message.clone(), message));
        }
        (None, Ok(reply)) if !reply.code().is_empty() => {
            report.ok(Step::Version, "unknown: an event function", "未知：事件函数不提供版本")
        }
        (None, Ok(reply)) => {
            let status = reply.status.as_u16();
            let message = Localized::new(
                format!("unknown: /healthz replied with status {status}"),
                format!("未知：/healthz 返回了状态码 {status}"),
            );
            report.add(Step::Version, Status::Skipped, message);
        }
        (None, Err(error)) => report.add(Step::Version, Status::Failure, explain_request(error)),
    }
}
