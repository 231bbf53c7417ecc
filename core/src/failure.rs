//! Everything that can go wrong with a question: its status, its code and its sentence.

use std::time::Duration;

use http::StatusCode;

use crate::lang::{Lang, Sentence};
use crate::settings::Fault;

/// Why a question got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request holds no question.
    QuestionMissing,
    /// The body, or the event, cannot be read; why.
    BodyUnreadable(Sentence),
    /// `?format=` names none of ours.
    Format,
    /// The body is of a content type that holds no question.
    MediaType,
    /// The question is longer than `ASK_MAX_QUESTION` characters.
    QuestionTooLong {
        /// That many are allowed.
        max: usize,
    },
    /// The body of the request is larger than the platform carries.
    BodyTooLarge,
    /// Neither GET, HEAD, POST nor OPTIONS.
    Method,
    /// No token, or a wrong one.
    Token,
    /// A signed link that is wrong, expired or for another question.
    Link,
    /// A page of another origin.
    Origin,
    /// A local server, called by a name that is not its own.
    Host,
    /// Too many questions from one address.
    Rate {
        /// When to come back.
        after: Duration,
    },
    /// A setting cannot be used.
    Config(Fault),
    /// This process is out of file descriptors.
    Descriptors,
    /// The provider refused every key.
    UpstreamKey,
    /// The provider does not serve the region of this function.
    UpstreamRegion,
    /// The provider has none of the models.
    UpstreamModel {
        /// Those that were asked for.
        models: Vec<String>,
    },
    /// The provider limits the rate.
    UpstreamBusy {
        /// The provider's `Retry-After`.
        retry_after: Option<String>,
    },
    /// The provider's account has no credit left.
    UpstreamQuota,
    /// The provider refused the request.
    UpstreamRefused {
        /// The provider's status.
        status: StatusCode,
        /// The provider's own message, masked.
        message: String,
    },
    /// The provider failed, spoke no JSON, or broke off; how.
    UpstreamFailed(Sentence),
    /// No connection to the provider; why.
    UpstreamUnreachable(Sentence),
    /// The provider filtered the answer.
    AnswerFiltered,
    /// The provider answered, with nothing to show.
    AnswerEmpty {
        /// The limit on tokens was used up before the answer began.
        out_of_tokens: bool,
    },
    /// The answer is larger than the platform carries.
    AnswerTooLarge,
    /// Time ran out.
    Deadline,
}

impl Failure {
    /// The code in `X-Error-Code`, in JSON errors and in the log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::QuestionMissing => "question_missing",
            Self::BodyUnreadable(_) => "body_unreadable",
            Self::Format => "format",
            Self::MediaType => "media_type",
            Self::QuestionTooLong { .. } | Self::BodyTooLarge => "question_too_long",
            Self::Method => "method",
            Self::Token => "token",
            Self::Link => "link",
            Self::Origin => "origin",
            Self::Host => "host",
            Self::Rate { .. } => "rate",
            Self::Config(_) => "config",
            Self::Descriptors => "busy",
            Self::UpstreamKey => "upstream_key",
            Self::UpstreamRegion => "upstream_region",
            Self::UpstreamModel { .. } => "upstream_model",
            Self::UpstreamBusy { .. } => "upstream_busy",
            Self::UpstreamQuota => "upstream_quota",
            Self::UpstreamRefused { .. } => "upstream_refused",
            Self::UpstreamFailed(_) => "upstream_failed",
            Self::UpstreamUnreachable(_) => "upstream_unreachable",
            Self::AnswerFiltered => "answer_filtered",
            Self::AnswerEmpty { .. } => "answer_empty",
            Self::AnswerTooLarge => "answer_too_large",
            Self::Deadline => "deadline",
        }
    }

    /// The status of the reply.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::QuestionMissing | Self::BodyUnreadable(_) | Self::Format => {
                StatusCode::BAD_REQUEST
            }
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::QuestionTooLong { .. } | Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Token | Self::Link => StatusCode::UNAUTHORIZED,
            Self::Origin | Self::Host => StatusCode::FORBIDDEN,
            Self::Rate { .. } | Self::UpstreamBusy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Config(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Descriptors => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamKey
            | Self::UpstreamRegion
            | Self::UpstreamModel { .. }
            | Self::UpstreamQuota
            | Self::UpstreamRefused { .. }
            | Self::UpstreamFailed(_)
            | Self::UpstreamUnreachable(_)
            | Self::AnswerFiltered
            | Self::AnswerEmpty { .. }
            | Self::AnswerTooLarge => StatusCode::BAD_GATEWAY,
            Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// What `Retry-After` says, in seconds or as a date.
    pub fn retry_after(&self) -> Option<String> {
        match self {
            Self::Rate { after } => Some(after.as_secs().max(1).to_string()),
            Self::UpstreamBusy { retry_after } => retry_after.clone(),
            Self::Descriptors => Some("1".into()),
            _ => None,
        }
    }

    /// One sentence that says what is wrong and, where it is the owner's to mend, which setting to change.
    pub fn sentence(&self, lang: Lang) -> String {
        match lang {
            Lang::En => self.english(),
            Lang::Zh => self.chinese(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::QuestionMissing => "There is no question: ask with ?question=… in the address, or post a form, \
                JSON or text that holds one."
                .into(),
            Self::BodyUnreadable(why) => format!("The request cannot be read: {}.", why.en),
            Self::Format => "Unknown format: ?format= takes text, json, sse or ndjson.".into(),
            Self::MediaType => "A question comes as JSON, a form or plain text: set the Content-Type to \
                application/json, application/x-www-form-urlencoded or text/plain."
                .into(),
            Self::QuestionTooLong { max } => {
                format!("The question is longer than {max} characters (ASK_MAX_QUESTION).")
            }
            Self::BodyTooLarge => "The request is larger than 6 MB.".into(),
            Self::Method => "Only GET, HEAD, POST and OPTIONS are answered here.".into(),
            Self::Token => "The token is missing or wrong: send it as Authorization: Bearer, as X-Ask-Token or \
                as ?token=."
                .into(),
            Self::Link => {
                "This link is wrong, has expired, or is for another question: ask its owner for a new one.".into()
            }
            Self::Origin => "Pages of this origin may not ask here; its owner can add the origin to ASK_ORIGINS."
                .into(),
            Self::Host => {
                "This local server is called by a name that is not its own; add the name to ASK_HOSTS if it is \
                meant."
                    .into()
            }
            Self::Rate { after } => {
                format!("Too many questions from your address: ask again in {} s.", after.as_secs().max(1))
            }
            Self::Config(fault) => {
                format!("{} {}: change it in the environment variables.", fault.variable, fault.what.en)
            }
            Self::Descriptors => "This server is out of file descriptors: ask again in a moment.".into(),
            Self::UpstreamKey => "The provider refused the API key: check OPENAI_API_KEY, and that it belongs to \
                OPENAI_BASE_URL."
                .into(),
            Self::UpstreamRegion => "The provider does not serve the region this function runs in: deploy it to \
                one that it serves, such as Singapore, Tokyo, Silicon Valley or Frankfurt, or set OPENAI_BASE_URL \
                to another provider."
                .into(),
            Self::UpstreamModel { models } => format!(
                "The provider does not have the model {}: set OPENAI_MODEL to one that it has.",
                models.join(", ")
            ),
            Self::UpstreamBusy { retry_after: Some(after) } => {
                format!("The provider limits the rate of questions: ask again later (Retry-After: {after}).")
            }
            Self::UpstreamBusy { retry_after: None } => {
                "The provider limits the rate of questions: ask again in a moment.".into()
            }
            Self::UpstreamQuota => "The provider's account is out of credit or at its spending limit: top it up, \
                or add another key to OPENAI_API_KEY."
                .into(),
            Self::UpstreamRefused { status, message } => {
                format!("The provider refused the request ({}){}", status.as_u16(), refused_because(*status, message, Lang::En))
            }
            Self::UpstreamFailed(how) => format!("The provider failed: {}. Ask again in a moment.", how.en),
            Self::UpstreamUnreachable(why) => format!(
                "The provider cannot be reached: {}. Check OPENAI_BASE_URL, the proxy settings and the region.",
                why.en
            ),
            Self::AnswerFiltered => "The provider's content filter withheld the answer.".into(),
            Self::AnswerEmpty { out_of_tokens: false } => "The model answered with nothing to show.".into(),
            Self::AnswerEmpty { out_of_tokens: true } => "The model used up its token limit before the answer \
                began, by reasoning: raise the limit or lower reasoning_effort in ASK_EXTRA."
                .into(),
            Self::AnswerTooLarge => "The answer is larger than the 6 MB that the platform carries.".into(),
            Self::Deadline => "Time ran out before the answer was there: raise the function's time-out (and \
                ASK_TIMEOUT), or ask for a shorter answer."
                .into(),
        }
    }

    fn chinese(&self) -> String {
        match self {
            Self::QuestionMissing => {
                "没有问题：请在网址里用 ?question=… 提问，或以表单、JSON、纯文本 POST 过来。".into()
            }
            Self::BodyUnreadable(why) => format!("无法读取请求：{}。", why.zh),
            Self::Format => "格式未知：?format= 只能是 text、json、sse 或 ndjson。".into(),
            Self::MediaType => "问题应是 JSON、表单或纯文本：请把 Content-Type 设为 application/json、\
                application/x-www-form-urlencoded 或 text/plain。"
                .into(),
            Self::QuestionTooLong { max } => format!("问题超过 {max} 个字符（ASK_MAX_QUESTION）。"),
            Self::BodyTooLarge => "请求超过 6 MB。".into(),
            Self::Method => "这里只接受 GET、HEAD、POST 和 OPTIONS。".into(),
            Self::Token => {
                "缺少令牌或令牌不对：请放在 Authorization: Bearer、X-Ask-Token 或 ?token= 里。".into()
            }
            Self::Link => "这个链接不对、已过期，或是为另一个问题签发的：请向所有者要一个新的。".into(),
            Self::Origin => "这个来源的网页不能在此提问；所有者可以把它加入 ASK_ORIGINS。".into(),
            Self::Host => "访问本地服务时用的主机名不是它自己的；如确有此意，请把它加入 ASK_HOSTS。".into(),
            Self::Rate { after } => format!("你的地址提问过于频繁：请 {} 秒后再试。", after.as_secs().max(1)),
            Self::Config(fault) => {
                format!("{} {}：请修改环境变量。", fault.variable, fault.what.zh)
            }
            Self::Descriptors => "本服务的文件描述符已用完：请稍后再试。".into(),
            Self::UpstreamKey => {
                "模型服务商拒绝了 API 密钥：请检查 OPENAI_API_KEY，以及它是否属于 OPENAI_BASE_URL。".into()
            }
            Self::UpstreamRegion => {
                "模型服务商不支持本函数所在的地域：请部署到它支持的地域（如新加坡、东京、硅谷、\
                法兰克福），或把 OPENAI_BASE_URL 设为其他服务商。"
                    .into()
            }
            Self::UpstreamModel { models } => {
                format!("模型服务商没有模型 {}：请把 OPENAI_MODEL 设为它有的模型。", models.join("、"))
            }
            Self::UpstreamBusy { retry_after: Some(after) } => {
                format!("模型服务商限制了请求频率：请稍后再试（Retry-After: {after}）。")
            }
            Self::UpstreamBusy { retry_after: None } => "模型服务商限制了请求频率：请稍后再试。".into(),
            Self::UpstreamQuota => {
                "模型服务商的账户余额不足或已达消费上限：请充值，或在 OPENAI_API_KEY 里再加一个密钥。".into()
            }
            Self::UpstreamRefused { status, message } => {
                format!(
                    "模型服务商拒绝了请求（{}）{}",
                    status.as_u16(),
                    refused_because(*status, message, Lang::Zh)
                )
            }
            Self::UpstreamFailed(how) => format!("模型服务商出错：{}。请稍后再试。", how.zh),
            Self::UpstreamUnreachable(why) => {
                format!("无法连接模型服务商：{}。请检查 OPENAI_BASE_URL、代理设置和地域。", why.zh)
            }
            Self::AnswerFiltered => "模型服务商的内容过滤拦下了回答。".into(),
            Self::AnswerEmpty { out_of_tokens: false } => "模型的回答里没有可显示的内容。".into(),
            Self::AnswerEmpty { out_of_tokens: true } => "模型在推理中用完了 token 上限，还没开始回答：请在 \
                ASK_EXTRA 里提高上限或降低 reasoning_effort。"
                .into(),
            Self::AnswerTooLarge => "回答超过平台能传输的 6 MB。".into(),
            Self::Deadline => {
                "还没得到回答，时间已到：请调大函数的超时时间（以及 ASK_TIMEOUT），或让回答短一些。".into()
            }
        }
    }
}

/// The provider's own words, and the hint at `OPENAI_BASE_URL` where path or host is at fault.
fn refused_because(status: StatusCode, message: &str, lang: Lang) -> String {
    let address = status.is_redirection()
        || matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE
        );
    match (lang, message.is_empty(), address) {
        (Lang::En, true, true) => ": check the host and the path in OPENAI_BASE_URL.".into(),
        (Lang::En, true, false) => ".".into(),
        (Lang::En, false, true) => {
            format!(": check the host and the path in OPENAI_BASE_URL. It says: {message}")
        }
        (Lang::En, false, false) => format!(": {message}"),
        (Lang::Zh, true, true) => "：请检查 OPENAI_BASE_URL 的主机和路径。".into(),
        (Lang::Zh, true, false) => "。".into(),
        (Lang::Zh, false, true) => {
            format!("：请检查 OPENAI_BASE_URL 的主机和路径。对方说：{message}")
        }
        (Lang::Zh, false, false) => format!("：{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owners_failures_name_their_setting_in_both_languages() {
        let models = vec!["gpt-3.5-turbo".to_owned()];
        for (failure, variable) in [
            (Failure::QuestionTooLong { max: 8000 }, "ASK_MAX_QUESTION"),
            (Failure::Origin, "ASK_ORIGINS"),
            (Failure::Host, "ASK_HOSTS"),
            (Failure::Config(Fault::new("ASK_EXTRA", "is bad", "不对")), "ASK_EXTRA"),
            (Failure::UpstreamKey, "OPENAI_API_KEY"),
            (Failure::UpstreamModel { models }, "OPENAI_MODEL"),
            (
                Failure::UpstreamRefused { status: StatusCode::NOT_FOUND, message: String::new() },
                "OPENAI_BASE_URL",
            ),
            (
                Failure::UpstreamRefused { status: StatusCode::FOUND, message: "x".into() },
                "OPENAI_BASE_URL",
            ),
        ] {
            for lang in [Lang::En, Lang::Zh] {
                assert!(failure.sentence(lang).contains(variable), "{failure:?} {lang:?}");
            }
        }
    }
}
