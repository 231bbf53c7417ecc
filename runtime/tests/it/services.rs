//! Tower services as handlers, as processes.

use std::env;
use std::task::{self, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use scf_runtime::http::RequestExt;
use scf_runtime::{Context, Failure};
use testkit::runtime_api::{ERROR, NEXT, READY, RESPONSE};
use tower_service::Service;

use crate::process::{IS_FUNCTION, function};
use crate::support::{event, ok, paths, start_api};

/// A service that fails, or echoes, once it is ready. It becomes ready at the second poll.
#[derive(Default)]
struct Echo {
    polled: bool,
    ready: bool,
}

impl Service<Request<Full<Bytes>>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Failure;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Failure>>>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Failure>> {
        if !std::mem::replace(&mut self.polled, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.polled = false;
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        Box::pin(async {
            let context: &Context = request.extensions().get().unwrap();
            let header = format!("{} {}", context.request_id, request.source_address().unwrap());
            if request.uri().path() == "/fail" {
                return Err(Failure::new("Echo", "no"));
            }
            if request.uri().path() == "/extension" {
                let failure = Failure::new("Extension", "no");
                return Ok(Response::builder().status(500).extension(failure).body("".into())?);
            }
            let body = request.into_body().collect().await?.to_bytes();
            Ok(Response::builder().status(201).header("x", header).body(Full::new(body))?)
        })
    }
}

#[test]
fn service_is_called_when_ready() {
    if env::var_os(IS_FUNCTION).is_some() {
        let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
        return executor.block_on(scf_runtime::http::run_service(Echo::default())).unwrap();
    }
    let post = |path| {
        event(format!(
            r#"{{"httpMethod": "POST", "path": "{path}", "body": "你",
                "requestContext": {{"sourceIp": "203.0.113.7"}}}}"#
        ))
    };
    let api = start_api([
        ok(),
        post("/"),
        ok(),
        post("/fail"),
        ok(),
        post("/extension"),
        ok(),
        event("7"),
        ok(),
    ]);
    let address = api.address().to_string();
    let variables = [("SCF_RUNTIME_API", address.as_str())];
    let _function = function("services::service_is_called_when_ready", &variables);
    api.wait_for_requests(10);
    let calls = api.requests();
    assert_eq!(
        paths(&calls),
        [READY, NEXT, RESPONSE, NEXT, ERROR, NEXT, ERROR, NEXT, RESPONSE, NEXT]
    );
    assert_eq!(
        calls[2].text(),
        concat!(
            r#"{"isBase64Encoded":false,"statusCode":201,"#,
            r#""headers":{"x":"r-1 203.0.113.7"},"body":"你"}"#
        )
    );
    assert_eq!(calls[4].text(), r#"{"errorType":"Echo","errorMessage":"no"}"#);
    assert_eq!(calls[6].text(), r#"{"errorType":"Extension","errorMessage":"no"}"#);
    assert!(calls[8].text().contains(r#""statusCode":400"#), "{}", calls[8].text());
}
