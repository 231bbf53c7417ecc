//! A line per request on the console.

use std::{sync::Arc, time::Instant};

use http::request::Parts;

use crate::{body::Reply, log::Log};

/// Logs a request when dropped: with its status, or that the client has left.
pub(crate) struct AccessLine {
    log: Arc<Log>,
    method: String,
    /// The path alone: the query may hold a token.
    path: String,
    started: Instant,
    request_id: Option<String>,
    status: Option<u16>,
}

impl AccessLine {
    pub(crate) fn new(log: &Arc<Log>, head: &Parts) -> Self {
        Self {
            log: log.clone(),
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            started: Instant::now(),
            request_id: None,
            status: None,
        }
    }

    /// Sets the id of the request's invocation.
    pub(crate) fn set_request_id(&mut self, request_id: &str) {
        self.request_id = Some(request_id.to_owned());
    }

    /// Sets the status of the response.
    pub(crate) fn set_status(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// Logs a complete response.
    pub(crate) fn end(mut self, response: Reply) -> Reply {
        self.set_status(response.status().as_u16());
        response
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        let Self { method, path, started, .. } = self;
        let ms = started.elapsed().as_millis();
        let status = match self.status {
            Some(status) => format!("{status} {ms} ms"),
            None => format!("client left after {ms} ms"),
        };
        let request_id = self.request_id.as_deref().unwrap_or("no event");
        self.log.platform(format!("{method} {path} {status}, {request_id}"));
    }
}
