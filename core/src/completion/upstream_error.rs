//! Failures of an upstream request without a complete response head.
//!
//! Both HTTP clients map their errors to these types. The messages are here, so that both
//! functions report the same.

use std::io::ErrorKind;

use http::HeaderMap;
use http::header::TRANSFER_ENCODING;

use super::error::AttemptError;
use crate::failure::Failure;
use crate::lang::Localized;

/// The reason why no connection was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The host name has no address.
    Name(String),
    /// Connecting timed out.
    TimedOut,
    /// Connecting failed.
    Io(ErrorKind),
    /// The egress proxy at this address cannot be reached.
    ProxyUnreachable(String, ErrorKind),
    /// The egress proxy at this address did not open a tunnel, for this reason.
    ProxyRefused(String, String),
    /// The TLS handshake failed, for this reason.
    Tls(String),
    /// The port does not speak TLS.
    NotTls,
    /// The connection failed during the TLS handshake.
    Handshake(ErrorKind),
    /// The process is out of file descriptors.
    OutOfDescriptors,
}

/// The reason why a request has no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamError {
    /// No connection was opened.
    Connect(ConnectError),
    /// The connection was closed before the first byte of the response.
    ConnectionClosed,
    /// The connection was closed inside the head of the response.
    IncompleteMessage,
    /// The response is not HTTP, or not the HTTP that was asked for.
    Protocol(String),
    /// The client's request body ended early or is not chunked correctly.
    RequestBody,
    /// The deadline passed.
    Timeout,
}

impl From<ConnectError> for UpstreamError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl ConnectError {
    /// Returns whether a later attempt may succeed.
    fn is_retryable(&self) -> bool {
        match self {
            Self::Name(_)
            | Self::TimedOut
            | Self::Io(_)
            | Self::ProxyUnreachable(..)
            | Self::Handshake(_)
            | Self::OutOfDescriptors => true,
            Self::ProxyRefused(..) | Self::Tls(_) | Self::NotTls => false,
        }
    }

    fn failure(&self) -> Failure {
        Failure::UpstreamUnreachable(match self {
            Self::OutOfDescriptors => return Failure::OutOfDescriptors,
            Self::Name(host) => Localized::new(
                format!("the host name {host} cannot be resolved"),
                format!("无法解析域名 {host}"),
            ),
            Self::TimedOut => Localized::new("connecting timed out", "连接超时"),
            Self::Io(kind) => Localized::new(kind.to_string(), format!("连接失败（{kind}）")),
            Self::ProxyUnreachable(address, kind) => Localized::new(
                format!("connect to the proxy {address}: {kind}"),
                format!("连接代理 {address} 失败（{kind}）"),
            ),
            Self::ProxyRefused(address, reason) => Localized::new(
                format!("the proxy {address} opened no tunnel: {reason}"),
                format!("代理 {address} 没有建立隧道（{reason}）"),
            ),
            Self::Tls(reason) => {
                Localized::new(format!("TLS: {reason}"), format!("TLS 错误（{reason}）"))
            }
            Self::NotTls => Localized::new(
                "TLS: the port does not speak TLS (plain HTTP needs http://)",
                "TLS 错误（该端口不使用 TLS；明文 HTTP 请写 http://）",
            ),
            Self::Handshake(kind) => {
                Localized::new(format!("TLS handshake: {kind}"), format!("TLS 握手失败（{kind}）"))
            }
        })
    }
}

impl From<UpstreamError> for AttemptError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Connect(error) => {
                Self { retryable: error.is_retryable(), ..error.failure().into() }
            }
            UpstreamError::ConnectionClosed => {
                Self::retryable(Failure::UpstreamFailed(Localized::new(
                    "it closed the connection without a response",
                    "它没有响应就断开了连接",
                )))
            }
            // The model may already have started. A second request could be billed twice.
            UpstreamError::IncompleteMessage => Self::connection_closed(),
            UpstreamError::Protocol(reason) => Failure::UpstreamFailed(Localized::new(
                format!("invalid HTTP response: {reason}"),
                format!("无效的 HTTP 响应：{reason}"),
            ))
            .into(),
            UpstreamError::RequestBody => {
                Failure::BodyUnreadable(Localized::new("its body is incomplete", "请求体不完整"))
                    .into()
            }
            UpstreamError::Timeout => Failure::Deadline.into(),
        }
    }
}

/// Rejects a response with a transfer coding other than chunked.
///
/// `Transfer-Encoding: chunked` may be repeated: some relays add a second one.
///
/// # Errors
/// [`UpstreamError::Protocol`].
pub fn check_response_head(headers: &HeaderMap) -> Result<(), UpstreamError> {
    let is_chunked = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match headers.get_all(TRANSFER_ENCODING).iter().all(is_chunked) {
        true => Ok(()),
        false => Err(UpstreamError::Protocol("unsupported transfer coding".into())),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::lang::Lang;

    #[test]
    fn unreachable_proxy_is_named_with_its_address() {
        let refused = ErrorKind::ConnectionRefused;
        let error = ConnectError::ProxyUnreachable("127.0.0.1:7890".into(), refused);
        let error = AttemptError::from(UpstreamError::from(error));
        let message = error.failure.message(Lang::En);
        assert!(message.contains("the proxy 127.0.0.1:7890: connection refused"), "{message}");
        assert!(error.retryable);
    }

    #[test]
    fn only_errors_before_the_response_are_retryable() {
        for (error, code, retryable) in [
            (ConnectError::Name("x".into()).into(), "upstream_unreachable", true),
            (ConnectError::TimedOut.into(), "upstream_unreachable", true),
            (ConnectError::Tls("x".into()).into(), "upstream_unreachable", false),
            (ConnectError::OutOfDescriptors.into(), "busy", true),
            (UpstreamError::ConnectionClosed, "upstream_failed", true),
            (UpstreamError::IncompleteMessage, "upstream_failed", false),
            (UpstreamError::Protocol("x".into()), "upstream_failed", false),
            (UpstreamError::RequestBody, "body_unreadable", false),
            (UpstreamError::Timeout, "deadline", false),
        ] {
            let error = AttemptError::from(error);
            assert_eq!((error.failure.code(), error.retryable), (code, retryable));
        }
    }

    #[test]
    fn only_chunked_is_supported_and_it_may_be_repeated() {
        let check = |lines: &[(&'static str, &'static str)]| {
            let line = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), http::HeaderValue::from_static(value))
            };
            let mut headers = HeaderMap::new();
            lines.iter().map(line).for_each(|(name, value)| {
                headers.append(name, value);
            });
            check_response_head(&headers).is_ok()
        };
        let coding = "transfer-encoding";
        assert!(check(&[]) && check(&[(coding, "chunked")]));
        assert!(check(&[(coding, "chunked"), (coding, "Chunked")]));
        assert!(!check(&[(coding, "gzip, chunked")]) && !check(&[(coding, "identity")]));
    }
}
