//! What the proxy answers where the provider does not, in OpenAI's error shape.

use http::StatusCode;
use serde_json::json;

use super::path::Astray;
use crate::failure;
use crate::lang::Lang;

/// Why a request got no answer from the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// One that the question endpoint knows, too.
    Shared(failure::Failure),
    /// The path leads nowhere.
    Path(Astray),
    /// No key and no token.
    KeyMissing,
    /// A key that is none of the tokens, where callers' own keys are not let through.
    KeyRefused,
    /// The provider refused the server's own key, which was lent.
    LentKeyRefused,
    /// CONNECT, which is for proxies of another kind, or TRACE, whose answer repeats the request with the key in it.
    Method,
    /// The head of a request is none.
    Head,
    /// The head of a request is larger than 64 KB.
    HeadTooLarge,
    /// A body that is encoded otherwise than in chunks.
    TransferCoding,
    /// Connecting to the provider took too long.
    ConnectTimeout,
}

impl From<failure::Failure> for Failure {
    fn from(failure: failure::Failure) -> Self {
        Self::Shared(failure)
    }
}

impl From<Astray> for Failure {
    fn from(astray: Astray) -> Self {
        Self::Path(astray)
    }
}

impl Failure {
    /// The code in `X-Error-Code`, in the body and in the log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shared(failure) => failure.code(),
            Self::Path(Astray::Climbs) => "path",
            Self::Path(Astray::Unlisted) => "not_found",
            Self::KeyMissing | Self::KeyRefused => "token",
            Self::LentKeyRefused => "upstream_key",
            Self::Method => "method",
            Self::Head => "head_unreadable",
            Self::HeadTooLarge => "head_too_large",
            Self::TransferCoding => "body_unreadable",
            Self::ConnectTimeout => "deadline",
        }
    }

    /// The status of the reply.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Shared(failure) => failure.status(),
            Self::Path(Astray::Climbs) | Self::Head => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Path(Astray::Unlisted) => StatusCode::NOT_FOUND,
            Self::KeyMissing | Self::KeyRefused | Self::LentKeyRefused => StatusCode::UNAUTHORIZED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::ConnectTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// One sentence that says what is wrong and, where it is the owner's to mend, which setting to change.
    pub fn sentence(&self, lang: Lang) -> String {
        let (en, zh) = match self {
            Self::Shared(failure) => return failure.sentence(lang),
            Self::Path(Astray::Climbs) => (
                "The path holds a segment of dots, which is not forwarded.",
                "路径里有由点组成的段，不予转发。",
            ),
            Self::Path(Astray::Unlisted) => (
                "There is nothing at this path: the provider's API is below /v1/. The owner can list other paths in \
                 ASK_PATHS.",
                "此路径下没有内容：模型服务商的接口在 /v1/ 之下。所有者可以用 ASK_PATHS 放行其他路径。",
            ),
            Self::KeyMissing => (
                "You did not show an API key: send a token of this server, or a key of your own where it lets them \
                 through (ASK_OWN_KEYS), as Authorization: Bearer.",
                "没有提供 API 密钥：请在 Authorization: Bearer 里放本服务的令牌；若所有者允许（ASK_OWN_KEYS），也可以放你自己的密钥。",
            ),
            Self::KeyRefused => (
                "This API key is not a token of this server, and keys of callers are not let through (ASK_OWN_KEYS).",
                "这个 API 密钥不是本服务的令牌，而本服务不转发调用者自己的密钥（ASK_OWN_KEYS）。",
            ),
            Self::LentKeyRefused => (
                "The provider refused this server's API key: its owner has to check OPENAI_API_KEY.",
                "模型服务商拒绝了本服务的 API 密钥：请所有者检查 OPENAI_API_KEY。",
            ),
            Self::Method => ("CONNECT and TRACE are not forwarded.", "不转发 CONNECT 和 TRACE。"),
            Self::Head => ("This is no HTTP/1.1 request.", "这不是 HTTP/1.1 请求。"),
            Self::HeadTooLarge => (
                "The head of the request is larger than 64 KB, or has more than 100 lines.",
                "请求头超过 64 KB 或 100 行。",
            ),
            Self::TransferCoding => (
                "Only Transfer-Encoding: chunked is understood.",
                "Transfer-Encoding 只支持 chunked。",
            ),
            Self::ConnectTimeout => (
                "Connecting to the provider took longer than 10 s: check OPENAI_BASE_URL, the proxy settings and the \
                 region.",
                "连接模型服务商超过 10 秒：请检查 OPENAI_BASE_URL、代理设置和地域。",
            ),
        };
        match lang {
            Lang::En => en.into(),
            Lang::Zh => zh.into(),
        }
    }

    /// The body, in the shape that OpenAI's clients read.
    pub fn body(&self, lang: Lang) -> String {
        let kind =
            if self.status().is_server_error() { "server_error" } else { "invalid_request_error" };
        let error = json!({ "message": self.sentence(lang), "type": kind, "param": null, "code": self.code() });
        json!({ "error": error }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_body_has_openais_shape() {
        let body: Value = serde_json::from_str(&Failure::KeyMissing.body(Lang::En)).unwrap();
        let error = body["error"].as_object().unwrap();
        assert!(error["message"].as_str().unwrap().contains("API key"));
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"], Value::Null);
        assert_eq!(error["code"], "token");
        assert!(Failure::ConnectTimeout.body(Lang::Zh).contains("server_error"));
    }

    #[test]
    fn the_owners_failures_name_their_setting_in_both_languages() {
        for (failure, variable) in [
            (Failure::Path(Astray::Unlisted), "ASK_PATHS"),
            (Failure::KeyMissing, "ASK_OWN_KEYS"),
            (Failure::KeyRefused, "ASK_OWN_KEYS"),
            (Failure::LentKeyRefused, "OPENAI_API_KEY"),
            (Failure::ConnectTimeout, "OPENAI_BASE_URL"),
        ] {
            for lang in [Lang::En, Lang::Zh] {
                assert!(failure.sentence(lang).contains(variable), "{failure:?} {lang:?}");
            }
        }
    }
}
