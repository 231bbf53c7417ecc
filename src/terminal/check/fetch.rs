//! Small requests, read to their end.

use std::time::Instant;

use ask_core::completion::{AttemptError, budget};
use ask_core::lang::Localized;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::terminal::remote::Function;
use crate::terminal::reply::ReplyError;
use crate::upstream::{READ_BUFFER, RequestError, UpstreamResponse};

/// Maximum size of a reply that is read, in bytes.
const MAX_REPLY: usize = 64 << 10;

/// A whole reply.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// Returns the code of a failure of the function's own.
    pub(super) fn code(&self) -> &str {
        self.headers.get("x-error-code").and_then(|code| code.to_str().ok()).unwrap_or_default()
    }
}

/// Sends a request to a function, without a token, and reads the reply.
pub(super) fn fetch(
    function: &Function,
    method: Method,
    uri: Uri,
    headers: &[(HeaderName, &'static str)],
) -> Result<Reply, RequestError> {
    let request = || {
        let mut request = function.request(method.clone(), uri.clone(), false)?;
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(request)
    };
    let deadline = Instant::now() + budget(&function.settings, None);
    let mut response = function.client.send(request, deadline)?;
    let body = read_body(&mut response, MAX_REPLY);
    Ok(Reply { status: response.head.status, headers: response.head.headers, body })
}

/// Reads a body, up to about `max` bytes, or as much of it as arrives.
pub(super) fn read_body(response: &mut UpstreamResponse, max: usize) -> Vec<u8> {
    let (mut body, mut bytes) = (Vec::new(), [0; READ_BUFFER]);
    while body.len() < max
        && let Ok(read @ 1..) = response.read(&mut bytes)
    {
        body.extend_from_slice(&bytes[..read]);
    }
    body
}

/// Returns the sentence of a request without a reply.
pub(super) fn explain_request(error: RequestError) -> Localized {
    ReplyError::from(AttemptError::from(error).failure).message
}
