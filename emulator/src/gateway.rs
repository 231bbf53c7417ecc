//! The callers' side: HTTP in, an invocation, HTTP out.

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
    Failure, Invocation, Trigger, event,
    guard::Guard,
    http::{self, Unread},
    output::Log,
    platform::Job,
    reply,
};

/// A trigger: makes events of requests, and responses of replies.
pub(crate) struct Gateway {
    pub(crate) trigger: Trigger,
    /// On loopback addresses only: elsewhere it is the function that decides who may call.
    pub(crate) guard: Option<Guard>,
    pub(crate) jobs: mpsc::UnboundedSender<Job>,
    pub(crate) log: Arc<Log>,
}

impl Gateway {
    /// Serves callers for ever.
    pub(crate) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let router = Router::new().fallback(answer).with_state(Arc::new(self));
        http::serve(listener, router).await
    }

    async fn invocation(&self, head: &Parts, body: Body, peer: SocketAddr) -> Option<Invocation> {
        let body = match http::read(body).await {
            Ok(body) => body,
            Err(Unread::Broken) => return None,
            Err(Unread::TooLarge) => return Some(Invocation::failed(Failure::event_too_large())),
        };
        let event = event::from_http(self.trigger, head, &body, peer.ip().to_canonical());
        let (done, invocation) = oneshot::channel();
        let event = event.to_string().into();
        // Both fail where the platform has stopped, and then there is nobody to answer.
        self.jobs.send(Job { event, done }).ok()?;
        invocation.await.ok()
    }

    fn response(&self, invocation: Invocation) -> Response {
        let failure = match invocation.reply {
            Ok(reply) => {
                let (response, complaint) =
                    reply::to_http(self.trigger, reply, &invocation.request_id);
                if let Some(complaint) = complaint {
                    self.log.say(complaint);
                }
                return response;
            }
            Err(failure) => failure,
        };
        let status = match (self.trigger, failure.status) {
            // The gateway showed a time-out of the function as a success (583/12513).
            (Trigger::ApiGateway | Trigger::ApiGatewayPassthrough, 433) => StatusCode::OK,
            (_, status) => {
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        reply::json_response(status, &failure.body(&invocation.request_id, &invocation.log))
    }
}

async fn answer(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let began = Instant::now();
    let (head, body) = request.into_parts();
    let refused = gateway.guard.as_ref().and_then(|guard| guard.check(&head).err());
    let mut request_id = "no event".to_owned();
    let response = match refused {
        Some(sentence) => (StatusCode::FORBIDDEN, sentence + "\n").into_response(),
        None => match gateway.invocation(&head, body, peer).await {
            Some(invocation) => {
                request_id.clone_from(&invocation.request_id);
                gateway.response(invocation)
            }
            None => StatusCode::BAD_REQUEST.into_response(),
        },
    };
    // No query: it may hold a token.
    let (method, path, status) = (&head.method, head.uri.path(), response.status().as_u16());
    gateway
        .log
        .say(format!("{method} {path} {status} {} ms, {request_id}", began.elapsed().as_millis()));
    response
}
