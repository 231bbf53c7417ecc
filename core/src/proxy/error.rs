//! Failures of the proxy itself, in OpenAI's error shape.

use http::StatusCode;
use serde_json::json;

use super::path::PathError;
use crate::failure::Failure;
use crate::lang::{Lang, Localized};

/// The reason why a request has no upstream response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// A failure that the question endpoint has too.
    Common(Failure),
    /// The path is not forwarded.
    Path(PathError),
    /// The request has no key and no token.
    KeyMissing,
    /// The key is not a token, and clients' own keys are not allowed.
    KeyRefused,
    /// The upstream refused the server's key.
    ServerKeyRefused,
    /// CONNECT, which is for forward proxies, or TRACE, whose response repeats the key.
    MethodNotAllowed,
    /// The body has a transfer coding other than chunked.
    TransferCoding,
    /// Connecting to the upstream timed out.
    ConnectTimeout,
}

impl From<Failure> for ProxyError {
    fn from(failure: Failure) -> Self {
        Self::Common(failure)
    }
}

impl From<PathError> for ProxyError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

impl ProxyError {
    /// Returns the code in `X-Error-Code`, the body and the log.
    pub fn code(&self) -> &'static str {
        self.code_and_status().0
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.code_and_status().1
    }

    fn code_and_status(&self) -> (&'static str, StatusCode) {
        match self {
            Self::Common(failure) => (failure.code(), failure.status()),
            Self::Path(PathError::DotSegment) => ("path", StatusCode::BAD_REQUEST),
            Self::Path(PathError::NotAllowed) => ("not_found", StatusCode::NOT_FOUND),
            Self::KeyMissing | Self::KeyRefused => ("token", StatusCode::UNAUTHORIZED),
            Self::ServerKeyRefused => ("upstream_key", StatusCode::UNAUTHORIZED),
            Self::MethodNotAllowed => ("method", StatusCode::METHOD_NOT_ALLOWED),
            Self::TransferCoding => ("body_unreadable", StatusCode::NOT_IMPLEMENTED),
            Self::ConnectTimeout => ("deadline", StatusCode::GATEWAY_TIMEOUT),
        }
    }

    /// Returns one sentence: the problem and, if the owner can solve it, the setting to change.
    pub fn message(&self, lang: Lang) -> String {
        let message = match self {
            Self::Common(failure) => return failure.message(lang),
            Self::Path(PathError::DotSegment) => Localized::new(
                "The path has a dot segment, which is not forwarded.",
                "路径里有 . 或 .. 段，不予转发。",
            ),
            Self::Path(PathError::NotAllowed) => Localized::new(
                "Unknown path: the provider's API is below /v1/. The owner can allow other paths \
                 in ASK_PATHS.",
                "未知的路径：模型服务商的接口在 /v1/ 之下。所有者可以用 ASK_PATHS 放行其他路径。",
            ),
            Self::KeyMissing => Localized::new(
                "The API key is missing: send a token of this server, or your own key if it \
                 allows them (ASK_OWN_KEYS), as Authorization: Bearer.",
                "缺少 API 密钥：请在 Authorization: Bearer 里放本服务的访问令牌；若所有者允许\
                 （ASK_OWN_KEYS），也可以放你自己的密钥。",
            ),
            Self::KeyRefused => Localized::new(
                "The API key is not a token of this server, and your own keys are not allowed \
                 (ASK_OWN_KEYS).",
                "这个 API 密钥不是本服务的访问令牌，而本服务不转发调用者自己的密钥（ASK_OWN_KEYS）。",
            ),
            Self::ServerKeyRefused => Localized::new(
                "The provider refused the API key of this server: its owner has to check \
                 OPENAI_API_KEY.",
                "模型服务商拒绝了本服务的 API 密钥：请所有者检查 OPENAI_API_KEY。",
            ),
            Self::MethodNotAllowed => {
                Localized::new("CONNECT and TRACE are not forwarded.", "不转发 CONNECT 和 TRACE。")
            }
            Self::TransferCoding => Localized::new(
                "The transfer coding is unsupported: use Transfer-Encoding: chunked.",
                "不支持这种传输编码：请用 Transfer-Encoding: chunked。",
            ),
            Self::ConnectTimeout => Localized::new(
                "Connecting to the provider timed out after 10 s: check OPENAI_BASE_URL, the \
                 proxy settings and the region.",
                "连接模型服务商超过 10 秒：请检查 OPENAI_BASE_URL、代理设置和地域。",
            ),
        };
        message.into_string(lang)
    }

    /// Returns the body in OpenAI's error shape.
    pub fn body(&self, lang: Lang) -> String {
        let kind = match self.status().is_server_error() {
            true => "server_error",
            false => "invalid_request_error",
        };
        let error = json!({
            "message": self.message(lang),
            "type": kind,
            "param": null,
            "code": self.code(),
        });
        json!({ "error": error }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn body_has_openais_error_shape() {
        let body: Value = serde_json::from_str(&ProxyError::KeyMissing.body(Lang::En)).unwrap();
        let error = body["error"].as_object().unwrap();
        assert!(error["message"].as_str().unwrap().contains("API key"));
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"], Value::Null);
        assert_eq!(error["code"], "token");
        assert!(ProxyError::ConnectTimeout.body(Lang::Zh).contains("server_error"));
    }

    #[test]
    fn messages_name_the_setting_in_both_languages() {
        for (error, variable) in [
            (ProxyError::Path(PathError::NotAllowed), "ASK_PATHS"),
            (ProxyError::KeyMissing, "ASK_OWN_KEYS"),
            (ProxyError::KeyRefused, "ASK_OWN_KEYS"),
            (ProxyError::ServerKeyRefused, "OPENAI_API_KEY"),
            (ProxyError::ConnectTimeout, "OPENAI_BASE_URL"),
        ] {
            for lang in [Lang::En, Lang::Zh] {
                assert!(error.message(lang).contains(variable), "{error:?} {lang:?}");
            }
        }
    }
}
