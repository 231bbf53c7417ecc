//! Passes requests on to a Web function, and its responses back.

use std::{error::Error, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header, request::Parts};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::http1, ext::ReasonPhrase, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::{
    io::copy_bidirectional,
    net::TcpStream,
    select,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    access_line::AccessLine,
    body::{self, BodyError, ChannelBody, FrameReceiver, FrameSender, Reply, RequestBody},
    invocation::{Failure, Invocation, MAX_BYTES},
    web_function::{WebFunction, WebInstance},
    web_headers::{add_platform_headers, end_to_end, size},
};

/// Maximum size of a response's headers, in bytes
/// (<https://cloud.tencent.com/document/product/583/56124>).
const MAX_HEADERS: usize = 4096;

/// Time between the end of a connection and that of its process.
const EXIT_TIMEOUT: Duration = Duration::from_millis(200);

/// A request for a Web function.
pub(crate) struct WebRequest {
    pub(crate) request_id: String,
    pub(crate) head: Parts,
    pub(crate) body: RequestBody,
    pub(crate) peer: IpAddr,
    /// The client's side of another protocol, such as WebSocket, if it asks for one.
    pub(crate) upgrade: Option<OnUpgrade>,
}

/// The end of an exchange.
enum Exchanged {
    Response,
    /// Client and function have switched to another protocol.
    Tunnel(OnUpgrade, OnUpgrade),
    ClientLeft,
}

/// The client that waits for a response.
struct Client {
    /// Taken with the head of the response.
    head: Option<oneshot::Sender<Response<FrameReceiver>>>,
    /// Set while the body of the response is sent.
    frames: Option<FrameSender>,
}

impl WebFunction {
    /// Passes a request on. `line` is dropped with the body of the response.
    pub(crate) async fn forward(
        self: Arc<Self>,
        request: WebRequest,
        mut line: AccessLine,
    ) -> Reply {
        let (sender, response) = oneshot::channel();
        let (client, left) = oneshot::channel::<()>();
        let request_id = request.request_id.clone();
        tokio::spawn(self.invoke(request, Client { head: Some(sender), frames: None }, left));
        match response.await {
            Ok(response) => {
                line.set_status(response.status().as_u16());
                let held = (line, client);
                response.map(|frames| ChannelBody { frames, _held: held }.boxed_unsync())
            }
            // The emulator has stopped.
            Err(_) => line.end(body::failure(&Failure::stopped(), &request_id, &[])),
        }
    }

    async fn invoke(
        self: Arc<Self>,
        request: WebRequest,
        mut client: Client,
        mut left: oneshot::Receiver<()>,
    ) {
        let request_id = request.request_id.clone();
        let _place = select! {
            place = self.place() => place,
            _ = &mut left => return,
        };
        let instance = match self.instance().await {
            Ok(instance) => instance,
            Err(failure) => {
                let invocation = Invocation::failed(request_id, failure.clone());
                self.launcher.report(&invocation);
                return client.fail(&failure, &invocation).await;
            }
        };
        let cold_start = instance.start_request().await;
        let started = Instant::now();
        let deadline = started + self.launcher.limits.time;
        let mut result = select! {
            biased;
            result = self.exchange(request, &instance, &mut client) => result,
            failure = self.interrupted(&instance, deadline) => Err(failure),
            _ = &mut left => Ok(Exchanged::ClientLeft),
        };
        if let Ok(Exchanged::Tunnel(client, function)) = result {
            result = select! {
                biased;
                () = tunnel(client, function) => Ok(Exchanged::Response),
                failure = self.interrupted(&instance, deadline) => Err(failure),
            };
        }
        let duration = started.elapsed();
        let limit_mb = self.launcher.limits.memory_mb;
        if let (Ok(_), Some(used)) = (&result, instance.process.memory_over(limit_mb)) {
            result = Err(Failure::out_of_memory(used, limit_mb));
        }
        let memory = instance.process.memory();
        instance.process.drain_output().await;
        let is_idle = instance.end_request();
        match &result {
            Err(failure) if failure.ends_instance() => self.end(&instance, failure).await,
            _ if is_idle && self.launcher.freeze => instance.process.freeze(),
            _ => {}
        }
        let log_end = self.launcher.log.end();
        let log = self.launcher.log.function_lines_since(instance.log_start(log_end));
        let is_client_left = matches!(result, Ok(Exchanged::ClientLeft));
        let reply = result.map(|_| Vec::new());
        let invocation = Invocation { request_id, reply, duration, cold_start, memory, log };
        if is_client_left {
            let request_id = &invocation.request_id;
            let text = "the client left before the end of the response";
            self.launcher.log.platform(format!("{request_id}: {text}"));
        }
        self.launcher.report(&invocation);
        if let Err(failure) = &invocation.reply {
            client.fail(failure, &invocation).await;
        }
    }

    /// Waits until an invocation cannot go on.
    async fn interrupted(&self, instance: &WebInstance, deadline: Instant) -> Failure {
        let limits = self.launcher.limits;
        select! {
            biased;
            failure = instance.failed() => failure,
            used = instance.process.out_of_memory(limits.memory_mb) => {
                Failure::out_of_memory(used, limits.memory_mb)
            }
            () = sleep_until(deadline) => Failure::timed_out(limits.time, true),
        }
    }

    /// Sends the request to the function, and its response to the client.
    async fn exchange(
        &self,
        request: WebRequest,
        instance: &WebInstance,
        client: &mut Client,
    ) -> Result<Exchanged, Failure> {
        let (request, upgrade) = self.function_request(request);
        // Aborted on drop.
        let mut connection = JoinSet::new();
        let mut response = match self.send(request, &mut connection).await {
            Ok(response) => response,
            Err(error) => {
                return Err(match body_error(&*error) {
                    Some(BodyError::TooLarge) => Failure::request_too_large(),
                    Some(BodyError::Incomplete) => Failure::incomplete_request(),
                    None => disconnected(instance, &format!("no response: {error}")).await,
                });
            }
        };
        let header_size = size(response.headers());
        if header_size > MAX_HEADERS {
            let cause = format!("response headers of {header_size} bytes (maximum {MAX_HEADERS})");
            return Err(Failure::invalid_response(&cause));
        }
        if response.body().size_hint().lower() > MAX_BYTES as u64 {
            return Err(Failure::response_too_large());
        }
        let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let upgrades = match (is_upgrade, upgrade) {
            (true, Some(upgrade)) => Some((upgrade, hyper::upgrade::on(&mut response))),
            (true, None) => {
                return Err(Failure::invalid_response("status 101 without a request for it"));
            }
            (false, _) => None,
        };
        let (mut head, body) = response.into_parts();
        let (frames, receiver) = mpsc::channel(1);
        let mut response = Response::new(receiver);
        *response.status_mut() = head.status;
        if let Some(reason) = head.extensions.remove::<ReasonPhrase>() {
            response.extensions_mut().insert(reason);
        }
        *response.headers_mut() = end_to_end(head.headers, is_upgrade);
        client.respond(response);
        if let Some((client, function)) = upgrades {
            return Ok(Exchanged::Tunnel(client, function));
        }
        client.frames = Some(frames.clone());
        let exchanged = self.pump(body, &frames, instance).await?;
        client.frames = None;
        Ok(exchanged)
    }

    /// Sends the frames of a response to the client.
    async fn pump(
        &self,
        mut body: Incoming,
        frames: &FrameSender,
        instance: &WebInstance,
    ) -> Result<Exchanged, Failure> {
        let mut total = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err(disconnected(instance, "incomplete response").await);
            };
            let length = frame.data_ref().map_or(0, Bytes::len);
            if total <= MAX_BYTES && total + length > MAX_BYTES {
                let text = "a streamed response is over 6 MB: no document says what happens then";
                self.launcher.log.platform(text);
            }
            total += length;
            if frames.send(Ok(frame)).await.is_err() {
                return Ok(Exchanged::ClientLeft);
            }
        }
        Ok(Exchanged::Response)
    }

    /// Sends the request on a connection of its own.
    async fn send(
        &self,
        request: Request<RequestBody>,
        connection: &mut JoinSet<hyper::Result<()>>,
    ) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        connection.spawn(driver.with_upgrades());
        Ok(sender.send_request(request).await?)
    }

    /// Returns the request for the function, and the client's side of another protocol.
    fn function_request(&self, request: WebRequest) -> (Request<RequestBody>, Option<OnUpgrade>) {
        let WebRequest { request_id, head, body, peer, upgrade } = request;
        let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
        let mut headers = end_to_end(head.headers, upgrade.is_some());
        headers.remove(header::EXPECT);
        if is_chunked {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        headers.entry(header::HOST).or_insert(HeaderValue::from_static("localhost"));
        let limits = self.launcher.limits;
        add_platform_headers(&mut headers, &self.function, limits, &request_id, peer);
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        let target = head.uri.path_and_query().cloned();
        *request.uri_mut() = target.map_or(Uri::from_static("/"), Uri::from);
        *request.headers_mut() = headers;
        *request.version_mut() = Version::HTTP_11;
        (request, upgrade)
    }
}

impl Client {
    fn respond(&mut self, response: Response<FrameReceiver>) {
        if let Some(sender) = self.head.take() {
            // Fails only if the client has left.
            let _ = sender.send(response);
        }
    }

    /// Responds with a failure, or breaks the response off.
    async fn fail(mut self, failure: &Failure, invocation: &Invocation) {
        if let Some(frames) = self.frames {
            // Fails only if the client has left.
            let _ = frames.send(Err(BodyError::Incomplete)).await;
        } else if self.head.is_some() {
            let response = body::failure(failure, &invocation.request_id, &invocation.log);
            let (head, body) = response.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let (frames, receiver) = mpsc::channel(1);
            // The channel has room for one.
            let _ = frames.try_send(Ok(Frame::data(body)));
            self.respond(Response::from_parts(head, receiver));
        }
    }
}

/// Returns the failure of an instance whose connection has ended: that of the process, if it has
/// ended too.
async fn disconnected(instance: &WebInstance, cause: &str) -> Failure {
    match timeout(EXIT_TIMEOUT, instance.failed()).await {
        Ok(failure) => failure,
        Err(_) => Failure::invalid_response(cause),
    }
}

/// Returns the error of the request's body, if it is the cause of an error.
fn body_error(error: &(dyn Error + 'static)) -> Option<BodyError> {
    let mut error = Some(error);
    while let Some(cause) = error {
        if let Some(error) = cause.downcast_ref() {
            return Some(*error);
        }
        error = cause.source();
    }
    None
}

/// Copies bytes both ways until both sides have closed.
async fn tunnel(client: OnUpgrade, function: OnUpgrade) {
    if let (Ok(client), Ok(function)) = (client.await, function.await) {
        // An error is that of the network.
        let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(function)).await;
    }
}
