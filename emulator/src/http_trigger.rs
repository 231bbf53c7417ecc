//! The trigger: HTTP requests become events, and replies become HTTP responses.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::{
    event,
    guard::Guard,
    http::{self, BodyError},
    invocation::{Failure, Invocation},
    log::Log,
    platform::QueuedEvent,
    reply,
    settings::Trigger,
};

/// The HTTP server of a trigger.
pub(crate) struct HttpTrigger {
    pub(crate) trigger: Trigger,
    /// Set on loopback addresses only. On others, access control is up to the function.
    pub(crate) guard: Option<Guard>,
    pub(crate) queue: mpsc::UnboundedSender<QueuedEvent>,
    pub(crate) log: Arc<Log>,
}

impl HttpTrigger {
    /// Serves clients forever.
    pub(crate) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let router = Router::new().fallback(respond).with_state(Arc::new(self));
        http::serve(listener, router).await
    }

    /// Invokes the function. Returns `None` if the request is incomplete or the platform has
    /// stopped. In both cases there is no client to respond to.
    async fn invoke(&self, head: &Parts, body: Body, peer: SocketAddr) -> Option<Invocation> {
        let body = match http::read_body(body).await {
            Ok(body) => body,
            Err(BodyError::Incomplete) => return None,
            Err(BodyError::TooLarge) => {
                return Some(Invocation::failed(Failure::event_too_large()));
            }
        };
        let event = event::from_http(self.trigger, head, &body, peer.ip().to_canonical());
        let (done, invocation) = oneshot::channel();
        let event = event.to_string().into();
        self.queue.send(QueuedEvent { event, done }).ok()?;
        invocation.await.ok()
    }

    fn response(&self, invocation: Invocation) -> Response {
        let failure = match invocation.reply {
            Ok(reply) => {
                let (response, error) = reply::to_http(self.trigger, reply, &invocation.request_id);
                if let Some(error) = error {
                    self.log.platform(error);
                }
                return response;
            }
            Err(failure) => failure,
        };
        let status = match (self.trigger, failure.status) {
            // API Gateway returned 200 for a timeout of the function
            // (https://cloud.tencent.com/document/product/583/12513).
            (Trigger::ApiGateway | Trigger::ApiGatewayPassthrough, 433) => StatusCode::OK,
            (_, status) => {
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        reply::json_response(status, &failure.body(&invocation.request_id, &invocation.log))
    }
}

async fn respond(
    State(trigger): State<Arc<HttpTrigger>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let forbidden = trigger.guard.as_ref().and_then(|guard| guard.check(&head).err());
    let mut request_id = "no event".to_owned();
    let response = match forbidden {
        Some(error) => {
            let text = format!("{error}; the emulator's settings can allow it\n");
            (StatusCode::FORBIDDEN, text).into_response()
        }
        None => match trigger.invoke(&head, body, peer).await {
            Some(invocation) => {
                request_id.clone_from(&invocation.request_id);
                trigger.response(invocation)
            }
            None => StatusCode::BAD_REQUEST.into_response(),
        },
    };
    // The query is left out: it may hold a token.
    let (method, path, status) = (&head.method, head.uri.path(), response.status().as_u16());
    let ms = started.elapsed().as_millis();
    trigger.log.platform(format!("{method} {path} {status} {ms} ms, {request_id}"));
    response
}
