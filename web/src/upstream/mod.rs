//! The upstream over hyper.
//!
//! - `connect` opens connections, with `tls`. `pool` keeps idle ones.
//! - `connection` sends requests with a `request_body` and yields a `response_body`.
//! - `error` maps the errors of hyper and of sockets.
//!
//! Each connection is driven by the task that waits for its response. A task of its own would cost
//! a wake-up per chunk.

mod connect;
mod connection;
mod error;
mod pool;
mod request_body;
mod response_body;
mod tls;

use std::pin::pin;
use std::sync::Arc;

use ask_core::completion::{ConnectError, UpstreamError, check_response_head};
use ask_core::settings::{SettingError, Settings};
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::time::{Instant, timeout_at};

pub(crate) use error::is_out_of_descriptors;
pub(crate) use request_body::RequestBody;
pub(crate) use response_body::UpstreamBody;

use connect::Connector;
use connection::Connection;
use error::{is_connection_closed, request_error};
use pool::Pool;

/// The client of the upstream, with its idle connections.
pub(crate) struct UpstreamClient {
    connector: Connector,
    pool: Arc<Pool>,
}

impl UpstreamClient {
    /// Loads the trusted roots. Opens no connection.
    ///
    /// # Errors
    /// If a setting is invalid.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self { connector: Connector::new(settings)?, pool: Arc::default() })
    }

    /// Sends a request, whose `Host` is set, and waits for the head of the response.
    ///
    /// An idle connection that turns out to be closed costs a new one. If the request may have been
    /// read, it is sent again only if it is idempotent (RFC 9110, 9.2.2) and its body can be
    /// cloned.
    ///
    /// # Errors
    /// If there is no response, or it is not the HTTP that was asked for.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
        deadline: Option<Instant>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let mut force_new = false;
        loop {
            let idle = if force_new { None } else { self.pool.checkout().await };
            let is_reused = idle.is_some();
            let clone = idle.as_ref().and_then(|_| try_clone(&request));
            let mut connection = match idle {
                Some(connection) => connection,
                // Boxed, because most requests do not connect.
                None => Box::pin(self.open(deadline)).await?,
            };
            let result = {
                let response = pin!(connection.send(request));
                with_deadline(deadline, response).await.ok_or(UpstreamError::Timeout)?
            };
            let mut error = match result {
                Ok(response) => {
                    check_response_head(response.headers())?;
                    return Ok(self.response(response, connection));
                }
                Err(error) => error,
            };
            request = match error.take_message() {
                Some(unsent) if is_reused => unsent,
                None if is_connection_closed(error.error()) && !connection.received_any() => {
                    // It may have been read, so do not try other idle connections.
                    force_new = true;
                    *clone.ok_or(UpstreamError::ConnectionClosed)?
                }
                _ => return Err(request_error(error.error(), connection.received_any())),
            };
        }
    }

    fn response(
        &self,
        response: Response<hyper::body::Incoming>,
        connection: Connection,
    ) -> Response<UpstreamBody> {
        let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let pool = self.pool.clone();
        let mut response = response.map(|body| UpstreamBody::new(body, connection, pool));
        // An empty body is not polled.
        if response.body().is_end_stream() && !is_upgrade {
            response.body_mut().release();
        }
        response
    }

    async fn open(&self, deadline: Option<Instant>) -> Result<Connection, UpstreamError> {
        let stream = self.connector.connect(deadline).await.map_err(|error| match error {
            ConnectError::TimedOut
                if deadline.is_some_and(|deadline| deadline <= Instant::now()) =>
            {
                UpstreamError::Timeout
            }
            other => UpstreamError::Connect(other),
        })?;
        Connection::handshake(stream)
            .await
            .map_err(|error| UpstreamError::Protocol(error.to_string()))
    }
}

/// Awaits the future; returns `None` at the deadline.
pub(crate) async fn with_deadline<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// Clones a request that can be sent again. Returns `None` if it must not be done twice, or if its
/// body can be read only once.
fn try_clone(request: &Request<RequestBody>) -> Option<Box<Request<RequestBody>>> {
    let mut clone = Request::new(request.body().try_clone(request.method())?);
    *clone.method_mut() = request.method().clone();
    *clone.uri_mut() = request.uri().clone();
    *clone.headers_mut() = request.headers().clone();
    Some(Box::new(clone))
}
