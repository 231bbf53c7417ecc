//! Functions behind an HTTP trigger: a Function URL, the former API Gateway, or CloudBase.
//!
//! Events become [`Request`]s, and whatever is [`IntoResponse`] becomes a reply. The common
//! types of the crate `http` are re-exported here, so that a function needs no version of its
//! own.
//!
//! ```no_run
//! use scf_runtime::http::{IntoResponse, Json, Request, RequestExt, Response, StatusCode};
//! use scf_runtime::{Context, Failure};
//!
//! fn handler(request: Request<Vec<u8>>, _: &Context) -> Result<Response<Vec<u8>>, Failure> {
//!     match request.query("name") {
//!         Some(name) => Json([name]).into_response(),
//!         None => (StatusCode::BAD_REQUEST, "no name\n").into_response(),
//!     }
//! }
//!
//! fn main() -> Result<(), scf_runtime::Error> {
//!     scf_runtime::http::run(handler)
//! }
//! ```

mod envelope;
mod event;
mod request;
mod response;
mod run;
#[cfg(feature = "tower")]
mod service;

#[doc(no_inline)]
pub use ::http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    Version, header, uri,
};

pub use crate::reply::{MAX_REPLY, TooLarge};
pub use envelope::envelope;
pub use event::Event;
pub use request::RequestExt;
pub use response::{IntoResponse, Json};
#[cfg(feature = "tokio")]
pub use run::run_async;
pub use run::{handler, run};
#[cfg(feature = "tower")]
pub use service::run_service;
