//! The HTTP server for clients: requests become events or go to a Web function.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Once},
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header, request::Parts};
use hyper::upgrade;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::{
    access_line::AccessLine,
    body::{self, BodyError, Reply, RequestBody},
    cloud_api,
    control::Control,
    event,
    guard::Guard,
    instance::QueuedEvent,
    invocation::{Failure, Invocation, new_request_id},
    log::Log,
    reply, server,
    settings::Trigger,
    web_function::WebFunction,
    web_proxy::WebRequest,
};

/// Printed once for a script, which may be written for AWS Lambda.
const QUERY_HINT: &str = "the query is in the event's `queryString`; `queryStringParameters`, as \
                          AWS Lambda has it, is not filled";

/// The HTTP server for clients.
#[derive(Clone)]
pub(crate) struct HttpTrigger {
    pub(crate) trigger: Trigger,
    /// Set on loopback addresses only. On others, access control is up to the function.
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) backend: Backend,
    /// Set if the function may look for the query in the wrong place.
    pub(crate) query_hint: Option<Arc<Once>>,
    pub(crate) log: Arc<Log>,
}

/// The function behind the server.
#[derive(Clone)]
pub(crate) enum Backend {
    Event(mpsc::UnboundedSender<QueuedEvent>),
    Web(Arc<WebFunction>),
}

impl HttpTrigger {
    /// Serves clients until the platform stops.
    pub(crate) async fn serve(self, listener: TcpListener, control: Control) {
        let log = self.log.clone();
        let respond = move |request, peer| {
            let trigger = self.clone();
            async move { trigger.respond(request, peer).await }
        };
        server::serve(listener, log, control, respond).await;
    }

    async fn respond(&self, mut request: Request<RequestBody>, peer: SocketAddr) -> Reply {
        let peer = peer.ip().to_canonical();
        let upgrade = request.headers().contains_key(header::UPGRADE);
        let upgrade = upgrade.then(|| upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        let mut line = AccessLine::new(&self.log, &head);
        if let Some(Err(error)) = self.guard.as_ref().map(|guard| guard.check(&head)) {
            self.log.platform(format!("rejected with 403: {error}"));
            return line.end(body::text(StatusCode::FORBIDDEN, error + "\n"));
        }
        if head.method == Method::POST
            && let Some(action) = head.headers.get(cloud_api::ACTION)
        {
            let events = match &self.backend {
                Backend::Event(events) => Some(events),
                Backend::Web(_) => None,
            };
            return line.end(cloud_api::respond(action, body, events).await);
        }
        let request_id = new_request_id();
        line.set_request_id(&request_id);
        match &self.backend {
            Backend::Event(events) => {
                let invocation = self.invoke(events, &head, body, peer, request_id).await;
                line.end(self.event_response(invocation))
            }
            Backend::Web(function) => {
                let request = WebRequest { request_id, head, body, peer, upgrade };
                function.clone().forward(request, line).await
            }
        }
    }

    /// Invokes an event function.
    async fn invoke(
        &self,
        events: &mpsc::UnboundedSender<QueuedEvent>,
        head: &Parts,
        body: RequestBody,
        peer: IpAddr,
        request_id: String,
    ) -> Invocation {
        let body = match body.read().await {
            Ok(body) => body,
            Err(error) => {
                let failure = match error {
                    BodyError::TooLarge => Failure::event_too_large(),
                    BodyError::Incomplete => Failure::incomplete_request(),
                };
                return Invocation::failed(request_id, failure);
            }
        };
        if let Some(hint) = self.query_hint.as_ref().filter(|_| head.uri.query().is_some()) {
            hint.call_once(|| self.log.platform(QUERY_HINT));
        }
        let event = event::from_http(self.trigger, head, body, peer);
        let (done, invocation) = oneshot::channel();
        let event =
            QueuedEvent { request_id: request_id.clone(), event: Bytes::from_owner(event), done };
        // Fails only if the platform has stopped. Then the event is dropped.
        let _ = events.send(event);
        let stopped = |_| Invocation::failed(request_id, Failure::stopped());
        invocation.await.unwrap_or_else(stopped)
    }

    fn event_response(&self, invocation: Invocation) -> Reply {
        let Invocation { request_id, reply, log, .. } = invocation;
        match reply {
            Ok(reply) => {
                let (response, error) = reply::to_http(self.trigger, reply, &request_id);
                if let Some(error) = error {
                    self.log.platform(error);
                }
                response
            }
            Err(failure) => {
                let mut response = body::failure(&failure, &request_id, &log);
                // API Gateway returned 200 for a timeout of the function
                // (https://cloud.tencent.com/document/product/583/12513).
                if self.trigger != Trigger::FunctionUrl && failure.status == 433 {
                    *response.status_mut() = StatusCode::OK;
                }
                response
            }
        }
    }
}
