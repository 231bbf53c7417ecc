//! The preflight of a page of another origin.

use ask_core::lang::Localized;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::fetch::{Reply, explain_request, fetch};
use super::report::{Report, Status, Step};
use crate::terminal::remote::Function;

/// The origin of the preflight, which no function has in its list.
const FOREIGN_ORIGIN: &str = "https://page.example";

/// The request headers that pages send.
const PAGE_HEADERS: &str = "authorization,content-type,x-ask-token";

/// Reports whether pages of other origins may ask. `answer` has the headers of an answer, to which
/// a gateway may have added its own.
pub(super) fn report_preflight(
    function: &Function,
    answer: Option<&HeaderMap>,
    report: &mut Report<'_>,
) {
    let headers = [
        (ORIGIN, FOREIGN_ORIGIN),
        (ACCESS_CONTROL_REQUEST_METHOD, "POST"),
        (ACCESS_CONTROL_REQUEST_HEADERS, PAGE_HEADERS),
    ];
    let reply = fetch(function, Method::OPTIONS, function.address.without_query(), &headers);
    let (status, message) = match reply {
        Err(error) => (Status::Failure, explain_request(error)),
        // A local server may refuse it as a whole.
        Ok(reply) if reply.status == StatusCode::FORBIDDEN && function.address.is_loopback() => {
            (Status::Ok, not_allowed())
        }
        Ok(reply) => preflight(&reply, answer),
    };
    report.add(Step::Preflight, status, message);
}

/// Returns what a browser would make of the reply to a preflight.
fn preflight(reply: &Reply, answer: Option<&HeaderMap>) -> (Status, Localized) {
    let count = |headers: &HeaderMap| headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().count();
    let is_doubled = count(&reply.headers) > 1 || answer.is_some_and(|answer| count(answer) > 1);
    let text = |name: HeaderName| {
        let value = reply.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_ascii_lowercase()
    };
    let allowed = text(ACCESS_CONTROL_ALLOW_HEADERS);
    // The star does not stand for Authorization.
    let allows = |name: &str| {
        allowed.split(',').any(|allowed| {
            allowed.trim() == name || allowed.trim() == "*" && name != "authorization"
        })
    };
    let status = reply.status.as_u16();
    if is_doubled {
        let en = "Access-Control-Allow-Origin comes twice, which browsers refuse: switch CORS off \
                  at the Function URL";
        let zh = "Access-Control-Allow-Origin 出现了两次，浏览器会拒绝：请在函数 URL 里关闭 CORS";
        (Status::Failure, Localized::new(en, zh))
    } else if !reply.status.is_success() {
        let en = format!("status {status}: pages of other origins cannot ask");
        (Status::Failure, Localized::new(en, format!("状态码 {status}：其他来源的网页无法提问")))
    } else if count(&reply.headers) == 0 && text(ACCESS_CONTROL_ALLOW_METHODS).is_empty() {
        let en = "no CORS headers: pages of other origins cannot ask";
        (Status::Warning, Localized::new(en, "没有 CORS 响应头：其他来源的网页无法提问"))
    } else if count(&reply.headers) == 0 {
        (Status::Ok, not_allowed())
    } else if let Some(missing) = PAGE_HEADERS.split(',').find(|name| !allows(name)) {
        let en =
            format!("pages may not send {missing}: a gateway answers in place of the function");
        let zh = format!("网页不能发送 {missing}：网关代替函数作了答复");
        (Status::Warning, Localized::new(en, zh))
    } else {
        let origin = text(ACCESS_CONTROL_ALLOW_ORIGIN);
        let en = format!("pages may ask (Access-Control-Allow-Origin: {origin})");
        let zh = format!("网页可以提问（Access-Control-Allow-Origin: {origin}）");
        (Status::Ok, Localized::new(en, zh))
    }
}

fn not_allowed() -> Localized {
    Localized::new(
        "pages of other origins may not ask, but for those in ASK_ORIGINS",
        "其他来源的网页不能提问，ASK_ORIGINS 中的除外",
    )
}
