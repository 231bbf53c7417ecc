//! Everything that can go wrong with a question: its code, its status and its message.

use std::time::Duration;

use http::StatusCode;

use crate::format::Format;
use crate::lang::{Lang, Localized};
use crate::query::NotUtf8;
use crate::settings::SettingError;

/// The reason why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request has no question.
    QuestionMissing,
    /// The body or the event is invalid.
    BodyUnreadable(Localized),
    /// `?format=` has an unknown value.
    UnknownFormat,
    /// The chosen model is not in `OPENAI_MODEL`.
    UnknownModel {
        /// The models that may be chosen.
        models: Vec<String>,
    },
    /// The body has a content type that holds no question.
    UnsupportedMediaType,
    /// The question is longer than `ASK_MAX_QUESTION`.
    QuestionTooLong {
        /// The limit, in characters.
        max: usize,
    },
    /// The request has too many pictures.
    TooManyPictures {
        /// The limit.
        max: usize,
    },
    /// The body of the request is larger than the platform carries.
    BodyTooLarge,
    /// The method is not GET, HEAD, POST or OPTIONS.
    MethodNotAllowed,
    /// The token is missing or wrong.
    Token,
    /// The signed link is wrong, expired, or for another question.
    Link,
    /// The origin is not in `ASK_ORIGINS`.
    Origin,
    /// The `Host` of a request to a local server is not one of its names.
    Host,
    /// The client's address has asked too often.
    Rate {
        /// Time until the next question is allowed.
        retry_after: Duration,
    },
    /// A setting is invalid or missing.
    Config(SettingError),
    /// The process is out of file descriptors.
    OutOfDescriptors,
    /// The upstream refused every key.
    UpstreamKey,
    /// The upstream does not serve the region of this function.
    UpstreamRegion,
    /// The upstream has none of the models.
    UpstreamModel {
        /// The models in `OPENAI_MODEL`.
        models: Vec<String>,
    },
    /// The upstream limits the rate.
    UpstreamBusy {
        /// The upstream's `Retry-After`.
        retry_after: Option<String>,
    },
    /// The upstream account has no credit left.
    UpstreamQuota,
    /// The upstream refused the request.
    UpstreamRefused {
        /// The upstream's status.
        status: StatusCode,
        /// The upstream's own message, redacted, or empty.
        message: Localized,
    },
    /// The upstream failed, sent an invalid reply, or closed the connection.
    UpstreamFailed(Localized),
    /// The model only answers in streams.
    UpstreamStreamsOnly {
        /// The upstream's own message, redacted.
        message: String,
    },
    /// The upstream sent a web page.
    UpstreamWebPage,
    /// The upstream cannot be reached.
    UpstreamUnreachable(Localized),
    /// The upstream filtered the answer.
    AnswerFiltered,
    /// The upstream answered without any text.
    AnswerEmpty {
        /// The token limit was reached before the answer began.
        out_of_tokens: bool,
    },
    /// The answer is larger than the platform carries.
    AnswerTooLarge,
    /// The deadline has passed.
    Deadline,
}

impl From<NotUtf8> for Failure {
    fn from(NotUtf8: NotUtf8) -> Self {
        Self::BodyUnreadable(Localized::new("it is not UTF-8", "不是 UTF-8 文本"))
    }
}

impl Failure {
    /// Returns the code in `X-Error-Code`, JSON errors and the log.
    pub fn code(&self) -> &'static str {
        self.code_and_status().0
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.code_and_status().1
    }

    fn code_and_status(&self) -> (&'static str, StatusCode) {
        match self {
            Self::QuestionMissing => ("question_missing", StatusCode::BAD_REQUEST),
            Self::BodyUnreadable(_) => ("body_unreadable", StatusCode::BAD_REQUEST),
            Self::UnknownFormat => ("format", StatusCode::BAD_REQUEST),
            Self::UnknownModel { .. } => ("model", StatusCode::BAD_REQUEST),
            Self::UnsupportedMediaType => ("media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::QuestionTooLong { .. } | Self::TooManyPictures { .. } | Self::BodyTooLarge => {
                ("question_too_long", StatusCode::PAYLOAD_TOO_LARGE)
            }
            Self::MethodNotAllowed => ("method", StatusCode::METHOD_NOT_ALLOWED),
            Self::Token => ("token", StatusCode::UNAUTHORIZED),
            Self::Link => ("link", StatusCode::UNAUTHORIZED),
            Self::Origin => ("origin", StatusCode::FORBIDDEN),
            Self::Host => ("host", StatusCode::FORBIDDEN),
            Self::Rate { .. } => ("rate", StatusCode::TOO_MANY_REQUESTS),
            Self::Config(_) => ("config", StatusCode::INTERNAL_SERVER_ERROR),
            Self::OutOfDescriptors => ("busy", StatusCode::SERVICE_UNAVAILABLE),
            Self::UpstreamKey => ("upstream_key", StatusCode::BAD_GATEWAY),
            Self::UpstreamRegion => ("upstream_region", StatusCode::BAD_GATEWAY),
            Self::UpstreamModel { .. } => ("upstream_model", StatusCode::BAD_GATEWAY),
            Self::UpstreamBusy { .. } => ("upstream_busy", StatusCode::TOO_MANY_REQUESTS),
            Self::UpstreamQuota => ("upstream_quota", StatusCode::BAD_GATEWAY),
            Self::UpstreamRefused { .. } | Self::UpstreamStreamsOnly { .. } => {
                ("upstream_refused", StatusCode::BAD_GATEWAY)
            }
            Self::UpstreamFailed(_) | Self::UpstreamWebPage => {
                ("upstream_failed", StatusCode::BAD_GATEWAY)
            }
            Self::UpstreamUnreachable(_) => ("upstream_unreachable", StatusCode::BAD_GATEWAY),
            Self::AnswerFiltered => ("answer_filtered", StatusCode::BAD_GATEWAY),
            Self::AnswerEmpty { .. } => ("answer_empty", StatusCode::BAD_GATEWAY),
            Self::AnswerTooLarge => ("answer_too_large", StatusCode::BAD_GATEWAY),
            Self::Deadline => ("deadline", StatusCode::GATEWAY_TIMEOUT),
        }
    }

    /// Returns the value of `Retry-After`: seconds, or a date.
    pub fn retry_after(&self) -> Option<String> {
        match self {
            Self::Rate { retry_after } => Some(whole_seconds(*retry_after).to_string()),
            Self::UpstreamBusy { retry_after } => retry_after.clone(),
            Self::OutOfDescriptors => Some("1".into()),
            _ => None,
        }
    }

    /// Returns one sentence: the problem and, if the owner can solve it, the setting to change.
    pub fn message(&self, lang: Lang) -> String {
        self.localized().into_string(lang)
    }

    fn localized(&self) -> Localized {
        match self {
            Self::QuestionMissing => Localized::new(
                "The question is missing: add ?question=… to the URL, or POST a form, JSON or text.",
                "没有问题：请在网址里加上 ?question=…，或 POST 表单、JSON 或纯文本。",
            ),
            Self::BodyUnreadable(reason) => Localized::new(
                format!("The request cannot be read: {}.", reason.en),
                format!("无法读取请求：{}。", reason.zh),
            ),
            Self::UnknownFormat => {
                let [names @ .., last] = Format::ALL.map(Format::name);
                Localized::new(
                    format!("The format is unknown: use ?format={} or {last}.", names.join(", ")),
                    format!("未知的格式：?format= 只能是 {} 或 {last}。", names.join("、")),
                )
            }
            Self::UnknownModel { models } => Localized::new(
                format!(
                    "The model cannot be chosen: use {}, or add it to OPENAI_MODEL.",
                    models.join(" or ")
                ),
                format!(
                    "不能选择这个模型：请用 {}，或把它加入 OPENAI_MODEL。",
                    models.join(" 或 ")
                ),
            ),
            Self::UnsupportedMediaType => Localized::new(
                "The content type is unsupported: set Content-Type to application/json, \
                 application/x-www-form-urlencoded or text/plain.",
                "不支持这种内容类型：请把 Content-Type 设为 application/json、\
                 application/x-www-form-urlencoded 或 text/plain。",
            ),
            Self::QuestionTooLong { max } => Localized::new(
                format!("The question is longer than {max} characters (ASK_MAX_QUESTION)."),
                format!("问题超过 {max} 个字符（ASK_MAX_QUESTION）。"),
            ),
            Self::TooManyPictures { max } => Localized::new(
                format!("The request has more than {max} pictures."),
                format!("请求中的图片超过 {max} 张。"),
            ),
            Self::BodyTooLarge => {
                Localized::new("The request is larger than 6 MB.", "请求超过 6 MB。")
            }
            Self::MethodNotAllowed => Localized::new(
                "The method is not allowed: use GET, HEAD, POST or OPTIONS.",
                "不允许这种方法：请用 GET、HEAD、POST 或 OPTIONS。",
            ),
            Self::Token => Localized::new(
                "The token is missing or wrong: send it as Authorization: Bearer, X-Ask-Token or \
                 ?token=.",
                "缺少访问令牌或令牌不正确：请放在 Authorization: Bearer、X-Ask-Token 或 ?token= 里。",
            ),
            Self::Link => Localized::new(
                "The link is invalid, has expired, or is for another question: ask its owner for \
                 a new one.",
                "链接无效、已过期，或是为另一个问题签发的：请向所有者要一个新链接。",
            ),
            Self::Origin => Localized::new(
                "Pages of this origin are not allowed to ask: the owner can add the origin to \
                 ASK_ORIGINS.",
                "不允许这个来源的网页提问：所有者可以把它加入 ASK_ORIGINS。",
            ),
            Self::Host => Localized::new(
                "The Host header is not a name of this local server: add the name to ASK_HOSTS if \
                 this is intended.",
                "Host 请求头不是这个本地服务的主机名：如确有此意，请把它加入 ASK_HOSTS。",
            ),
            Self::Rate { retry_after } => {
                let seconds = whole_seconds(*retry_after);
                Localized::new(
                    format!("Too many questions from your address: ask again in {seconds} s."),
                    format!("你的地址提问过于频繁：请 {seconds} 秒后再试。"),
                )
            }
            Self::Config(error) => error.message(),
            Self::OutOfDescriptors => Localized::new(
                "This server is out of file descriptors: ask again in a moment.",
                "本服务的文件描述符已用完：请稍后再试。",
            ),
            Self::UpstreamKey => Localized::new(
                "The provider refused the API key: check OPENAI_API_KEY, and that it belongs to \
                 OPENAI_BASE_URL.",
                "模型服务商拒绝了 API 密钥：请检查 OPENAI_API_KEY，以及它是否属于 OPENAI_BASE_URL。",
            ),
            Self::UpstreamRegion => Localized::new(
                "The provider does not serve the region of this function: deploy it to Singapore, \
                 Tokyo, Silicon Valley or Frankfurt, or set OPENAI_BASE_URL to another provider.",
                "模型服务商不支持本函数所在的地域：请部署到新加坡、东京、硅谷或法兰克福，\
                 或把 OPENAI_BASE_URL 设为其他服务商。",
            ),
            Self::UpstreamModel { models } => Localized::new(
                format!(
                    "The provider does not have the model {}: set OPENAI_MODEL to one that it has.",
                    models.join(", ")
                ),
                format!(
                    "模型服务商没有模型 {}：请把 OPENAI_MODEL 设为它有的模型。",
                    models.join("、")
                ),
            ),
            Self::UpstreamBusy { retry_after: Some(after) } => Localized::new(
                format!("The provider limits the rate: ask again later (Retry-After: {after})."),
                format!("模型服务商限制了请求频率：请稍后再试（Retry-After: {after}）。"),
            ),
            Self::UpstreamBusy { retry_after: None } => Localized::new(
                "The provider limits the rate: ask again in a moment.",
                "模型服务商限制了请求频率：请稍后再试。",
            ),
            Self::UpstreamQuota => Localized::new(
                "The provider's account is out of credit or at its spending limit: top it up, or \
                 add another key to OPENAI_API_KEY.",
                "模型服务商的账户余额不足或已达消费上限：请充值，或在 OPENAI_API_KEY 里再加一个密钥。",
            ),
            Self::UpstreamRefused { status, message } => {
                let (status, hint) = (status.as_u16(), refused_hint(*status, message));
                Localized::new(
                    format!("The provider refused the request ({status}){}", hint.en),
                    format!("模型服务商拒绝了请求（{status}）{}", hint.zh),
                )
            }
            Self::UpstreamFailed(reason) => Localized::new(
                format!("The provider failed: {}. Ask again in a moment.", reason.en),
                format!("模型服务商出错：{}。请稍后再试。", reason.zh),
            ),
            Self::UpstreamStreamsOnly { message } => Localized::new(
                format!(
                    "The model only answers in streams: set ASK_PARTIAL=1. Its message: {message}"
                ),
                format!("这个模型只支持流式输出：请设置 ASK_PARTIAL=1。对方的消息：{message}"),
            ),
            Self::UpstreamWebPage => Localized::new(
                "The provider's reply is a web page: check the path of OPENAI_BASE_URL.",
                "模型服务商返回的是一个网页：请检查 OPENAI_BASE_URL 的路径。",
            ),
            Self::UpstreamUnreachable(reason) => Localized::new(
                format!(
                    "The provider cannot be reached: {}. Check OPENAI_BASE_URL, the proxy \
                     settings and the region.",
                    reason.en
                ),
                format!(
                    "无法连接模型服务商：{}。请检查 OPENAI_BASE_URL、代理设置和地域。",
                    reason.zh
                ),
            ),
            Self::AnswerFiltered => Localized::new(
                "The provider's content filter withheld the answer.",
                "模型服务商的内容过滤拦下了回答。",
            ),
            Self::AnswerEmpty { out_of_tokens: false } => {
                Localized::new("The answer of the model has no text.", "模型的回答里没有文字。")
            }
            Self::AnswerEmpty { out_of_tokens: true } => Localized::new(
                "The model reached its token limit while reasoning, before the answer began: \
                 raise the limit or lower reasoning_effort in ASK_EXTRA.",
                "模型在推理中用完了 token 上限，还没开始回答：请在 ASK_EXTRA 里提高上限或降低 \
                 reasoning_effort。",
            ),
            Self::AnswerTooLarge => Localized::new(
                "The answer is larger than the 6 MB that the platform carries: ask for a shorter \
                 one.",
                "回答超过平台能传输的 6 MB：请要求更短的回答。",
            ),
            Self::Deadline => Localized::new(
                "The time limit passed before the answer was complete: raise the function's \
                 timeout (and ASK_TIMEOUT), or ask for a shorter answer.",
                "在时限内没有得到完整的回答：请调大函数的超时时间（以及 ASK_TIMEOUT），或要求更短的回答。",
            ),
        }
    }
}

/// Returns the seconds of a wait, at least one.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().max(1)
}

/// Returns the end of the sentence about a refused request: the upstream's message, and a hint at
/// `OPENAI_BASE_URL` if host or path may be wrong.
fn refused_hint(status: StatusCode, message: &Localized) -> Localized {
    let may_be_wrong_url = status.is_redirection()
        || matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE
        );
    match (message.en.is_empty(), may_be_wrong_url) {
        (true, true) => Localized::new(
            ": check the host and the path in OPENAI_BASE_URL.",
            "：请检查 OPENAI_BASE_URL 的主机和路径。",
        ),
        (true, false) => Localized::new(".", "。"),
        (false, true) => Localized::new(
            format!(
                ": check the host and the path in OPENAI_BASE_URL. Its message: {}",
                message.en
            ),
            format!("：请检查 OPENAI_BASE_URL 的主机和路径。对方的消息：{}", message.zh),
        ),
        (false, false) => Localized::new(format!(": {}", message.en), format!("：{}", message.zh)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_setting_in_both_languages() {
        let models = vec!["gpt-3.5-turbo".to_owned()];
        let invalid = SettingError::invalid("ASK_EXTRA", Localized::new("is invalid", "无效"));
        for (failure, variable) in [
            (Failure::QuestionTooLong { max: 8000 }, "ASK_MAX_QUESTION"),
            (Failure::Origin, "ASK_ORIGINS"),
            (Failure::Host, "ASK_HOSTS"),
            (Failure::Config(invalid), "ASK_EXTRA"),
            (Failure::Config(SettingError::missing("OPENAI_API_KEY")), "OPENAI_API_KEY"),
            (Failure::UpstreamKey, "OPENAI_API_KEY"),
            (Failure::UpstreamStreamsOnly { message: "x".into() }, "ASK_PARTIAL"),
            (Failure::UpstreamWebPage, "OPENAI_BASE_URL"),
            (Failure::UpstreamModel { models }, "OPENAI_MODEL"),
            (
                Failure::UpstreamRefused {
                    status: StatusCode::NOT_FOUND,
                    message: Localized::new("", ""),
                },
                "OPENAI_BASE_URL",
            ),
            (
                Failure::UpstreamRefused {
                    status: StatusCode::FOUND,
                    message: Localized::new("x", "x"),
                },
                "OPENAI_BASE_URL",
            ),
        ] {
            for lang in [Lang::En, Lang::Zh] {
                assert!(failure.message(lang).contains(variable), "{failure:?} {lang:?}");
            }
        }
    }

    #[test]
    fn unknown_format_lists_every_format() {
        for format in Format::ALL {
            for lang in [Lang::En, Lang::Zh] {
                assert!(Failure::UnknownFormat.message(lang).contains(format.name()), "{format:?}");
            }
        }
    }
}
