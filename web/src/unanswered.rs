//! Why the provider gave no reply, in the caller's words.

use ask_core::Failure;
use ask_core::lang::Sentence;
use ask_core::refusal::Refusal;
use ask_core::stream::broke_off;

use crate::connect::Unopened;

/// Why a request got no reply.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// No connection was opened.
    Unopened(Unopened),
    /// The connection broke before a byte of the reply came.
    Silent,
    /// The connection broke in the head of the reply.
    BrokeOff,
    /// The reply is not HTTP, or its head is too large; what hyper says of it.
    NotHttp(String),
    /// The caller's body broke off, or is not in chunks as it says.
    BadBody,
    /// The time for it was over.
    Late,
}

impl From<Unanswered> for Refusal {
    /// What a question's caller is told, and whether it is worth asking again.
    fn from(unanswered: Unanswered) -> Self {
        let said = |en: String, zh: String| Failure::UpstreamUnreachable(Sentence::new(en, zh));
        match unanswered {
            Unanswered::Unopened(Unopened::Name(host)) => Self::passing(said(
                format!("the name {host} cannot be resolved"),
                format!("无法解析域名 {host}"),
            )),
            Unanswered::Unopened(Unopened::Timeout) => Self::passing(said(
                "it does not take the connection".into(),
                "对方没有接受连接".into(),
            )),
            Unanswered::Unopened(Unopened::Descriptors) => Self::passing(Failure::Descriptors),
            Unanswered::Unopened(Unopened::Connection(why)) => {
                Self::passing(said(why.clone(), why))
            }
            Unanswered::Unopened(Unopened::Proxy(why)) => {
                said(format!("the proxy does not connect: {why}"), format!("代理没有接通：{why}"))
                    .into()
            }
            Unanswered::Unopened(Unopened::Tls(why)) => {
                said(format!("TLS: {why}"), format!("TLS 错误：{why}")).into()
            }
            Unanswered::Silent => Self::passing(Failure::UpstreamFailed(Sentence::new(
                "it closed the connection without an answer",
                "它没有回答就断开了连接",
            ))),
            // The model may have been at work already.
            Unanswered::BrokeOff => broke_off(),
            Unanswered::NotHttp(why) => Failure::UpstreamFailed(Sentence::new(
                format!("it does not speak HTTP: {why}"),
                format!("它说的不是 HTTP：{why}"),
            ))
            .into(),
            Unanswered::BadBody => Failure::BodyUnreadable(body_broke_off()).into(),
            Unanswered::Late => Failure::Deadline.into(),
        }
    }
}

/// What is said of the body of a request that does not come to its end.
pub(crate) fn body_broke_off() -> Sentence {
    Sentence::new("its body broke off", "请求体中途断开")
}
