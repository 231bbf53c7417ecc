//! The four calls of the runtime API:
//! <https://cloud.tencent.com/document/product/583/47274>.

use std::io::{self, Read};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri};
use ureq::{Agent, AsSendBody, Body};

use crate::context::Context;

/// Reports that the instance is ready.
pub(crate) const READY: &str = "/runtime/init/ready";
/// Returns the next event.
pub(crate) const NEXT: &str = "/runtime/invocation/next";
/// Takes a reply.
pub(crate) const RESPONSE: &str = "/runtime/invocation/response";
/// Takes the report of a failed invocation.
pub(crate) const ERROR: &str = "/runtime/invocation/error";

/// Maximum response body, in bytes. Events end at 6 MB:
/// <https://cloud.tencent.com/document/product/583/11637>.
const MAX_BODY: u64 = 32 * 1024 * 1024;

/// The platform's answer to a POST: a 2xx or a 4xx status.
pub(crate) enum Posted {
    Accepted,
    Rejected(StatusCode),
}

/// Connect timeout. The runtime API is on the same machine or close to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Size of each buffer of a connection, in bytes. Most requests and responses fit.
const BUFFER_SIZE: usize = 16 * 1024;

/// A client of the runtime API. It does not retry. Its errors are the call and the cause.
pub(crate) struct Api {
    agent: Agent,
    authority: Authority,
}

impl Api {
    pub(crate) fn new(authority: Authority) -> Api {
        let config = Agent::config_builder()
            // The sandbox may set proxy variables for outbound traffic. They do not apply here.
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // All calls share one connection. It is checked before each use, so it has no
            // maximum age.
            .max_idle_connections(1)
            .max_idle_age(Duration::MAX)
            // There is no timeout after this: the platform forbids one for `next`, and a reply
            // that is posted again after a freeze could count for the next invocation.
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .input_buffer_size(BUFFER_SIZE)
            .output_buffer_size(BUFFER_SIZE)
            .user_agent(concat!("scf-runtime/", env!("CARGO_PKG_VERSION")))
            .accept("")
            .build();
        #[cfg(all(feature = "transport", unix))]
        let agent = crate::transport::agent(config);
        #[cfg(not(all(feature = "transport", unix)))]
        let agent = Agent::new_with_config(config);
        Api { agent, authority }
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Reports that the instance is ready. Any status but a 2xx is an error.
    pub(crate) fn ready(&self) -> Result<(), String> {
        // The content is ignored, but the platform has rejected an empty body.
        match self.post(READY, b" ")? {
            Posted::Accepted => Ok(()),
            Posted::Rejected(status) => Err(format!("POST {READY}: status {status}")),
        }
    }

    /// Waits for the next event, without a timeout, and reads its headers into the context. Any
    /// status but 200 and an incomplete body are errors. The platform then returns the same event
    /// again.
    pub(crate) fn next(&self, context: &mut Context) -> Result<Vec<u8>, String> {
        let mut call = || {
            let (head, body) = self.call(Method::GET, NEXT, ())?.into_parts();
            context.read_headers(&head.headers);
            let event = read_body(body).map_err(|error| error.to_string())?;
            match head.status {
                StatusCode::OK => Ok(event),
                status => Err(format!("status {status}")),
            }
        };
        call().map_err(|cause| format!("GET {NEXT}: {cause}"))
    }

    /// Posts a reply or an error report. Any status but a 2xx or a 4xx is an error.
    pub(crate) fn post(&self, path: &'static str, body: &[u8]) -> Result<Posted, String> {
        let call = || {
            let response = self.call(Method::POST, path, body)?;
            let status = response.status();
            // The status alone counts. Read the body only to reuse the connection.
            let _ = read_body(response.into_body());
            match status {
                status if status.is_success() => Ok(Posted::Accepted),
                status if status.is_client_error() => Ok(Posted::Rejected(status)),
                status => Err(format!("status {status}")),
            }
        };
        call().map_err(|cause| format!("POST {path}: {cause}"))
    }

    fn call(
        &self,
        method: Method,
        path: &'static str,
        body: impl AsSendBody,
    ) -> Result<Response<Body>, String> {
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::from_static(path));
        let request =
            uri.build().and_then(|uri| Request::builder().method(method).uri(uri).body(body));
        let request = request.map_err(|error| error.to_string())?;
        self.agent.run(request).map_err(|error| error.to_string())
    }
}

/// Reads a body to EOF, which ureq requires before it reuses the connection.
fn read_body(body: Body) -> io::Result<Vec<u8>> {
    let length = body.content_length().unwrap_or(0).min(MAX_BODY);
    let mut bytes = Vec::with_capacity(length as usize);
    body.into_with_config().limit(MAX_BODY).reader().read_to_end(&mut bytes)?;
    Ok(bytes)
}
