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
//!
//! A request with JSON, a response with a header, and state: `POST` keeps an address, and `GET`
//! with its number redirects there.
//!
//! ```no_run
//! use scf_runtime::http::{IntoResponse, Json, Method, Request, Response, StatusCode, header};
//! use scf_runtime::{Context, Failure};
//!
//! #[derive(Default)]
//! struct Links(Vec<String>);
//!
//! impl Links {
//!     fn handle(&mut self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Failure> {
//!         if request.method() == Method::POST {
//!             let Ok(link) = serde_json::from_slice(request.body()) else {
//!                 return (StatusCode::BAD_REQUEST, "not a JSON string\n").into_response();
//!             };
//!             self.0.push(link);
//!             return Json(self.0.len() - 1).into_response();
//!         }
//!         let number = request.uri().path()[1..].parse().unwrap_or(usize::MAX);
//!         let Some(link) = self.0.get(number) else {
//!             return StatusCode::NOT_FOUND.into_response();
//!         };
//!         let response = Response::builder().status(StatusCode::FOUND);
//!         Ok(response.header(header::LOCATION, link).body(Vec::new())?)
//!     }
//! }
//!
//! fn main() -> Result<(), scf_runtime::Error> {
//!     let mut links = Links::default();
//!     scf_runtime::http::run(move |request, _: &Context| links.handle(request))
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
