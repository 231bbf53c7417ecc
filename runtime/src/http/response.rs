//! The values that a handler may return as a response.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::failure::Failure;
use crate::json::to_reply;

/// A value that becomes an HTTP response.
///
/// | value | response |
/// | --- | --- |
/// | `Response<B>`, with `B` text or bytes | unchanged |
/// | `String`, `&'static str` | 200 and `text/plain; charset=utf-8` |
/// | `Vec<u8>` | 200 and `application/octet-stream` |
/// | [`Json`] | 200 and `application/json` |
/// | `StatusCode`, `()` | the status or 204, without a body |
/// | `(StatusCode, R)` | the response of `R` with this status |
/// | `Result<R, E>` | the response of `R`, or a failed invocation |
pub trait IntoResponse {
    /// Returns the response.
    ///
    /// # Errors
    /// Fails if the value is an error or cannot be serialized. The invocation fails then.
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure>;
}

/// A response body of JSON.
///
/// ```
/// # use std::collections::HashMap;
/// use scf_runtime::http::{IntoResponse, Json};
///
/// let response = Json(HashMap::from([("pieces", 3)])).into_response()?;
/// assert_eq!(response.headers()["content-type"], "application/json");
/// assert_eq!(response.body(), br#"{"pieces":3}"#);
/// # Ok::<(), scf_runtime::Failure>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure> {
        with_type("application/json", to_reply(&self.0)?)
    }
}

impl<B: Into<Vec<u8>>> IntoResponse for Response<B> {
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure> {
        Ok(self.map(Into::into))
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure> {
        with_type("text/plain; charset=utf-8", self.into_bytes())
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure> {
        self.to_owned().into_response()
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure> {
        with_type("application/octet-stream", self)
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure> {
        (self, Response::new(Vec::new())).into_response()
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure> {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<R: IntoResponse> IntoResponse for (StatusCode, R) {
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure> {
        let (status, response) = self;
        let mut response = response.into_response()?;
        *response.status_mut() = status;
        Ok(response)
    }
}

impl<R: IntoResponse, E: Into<Failure>> IntoResponse for Result<R, E> {
    fn into_response(self) -> Result<Response<Vec<u8>>, Failure> {
        self.map_err(Into::into)?.into_response()
    }
}

fn with_type(content_type: &'static str, body: Vec<u8>) -> Result<Response<Vec<u8>>, Failure> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}
