//! The cloud API's calls that invoke a function, for tccli and the SDKs with another endpoint:
//! <https://cloud.tencent.com/document/product/583/17243> and
//! <https://cloud.tencent.com/document/product/583/58400>. Signatures are not checked.

use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::{
    body::{self, Reply, RequestBody},
    instance::QueuedEvent,
    invocation::{Invocation, new_request_id},
};

/// The header that names the call.
pub(crate) const ACTION: HeaderName = HeaderName::from_static("x-tc-action");

/// Maximum size of the event of an asynchronous invocation, in bytes.
const MAX_ASYNC: usize = 128 * 1024;

/// Maximum log in a response, in bytes.
const MAX_LOG: usize = 4096;

/// The parameters of both calls. The function's name, namespace and version are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Parameters {
    invocation_type: String,
    /// The event of `Invoke`.
    client_context: Option<String>,
    /// The event of `InvokeFunction`.
    event: Option<String>,
    log_type: String,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            invocation_type: "RequestResponse".to_owned(),
            client_context: None,
            event: None,
            log_type: "None".to_owned(),
        }
    }
}

/// An error: code and message.
type ApiError = (&'static str, String);

/// Responds to a call. An event function has a queue, a Web function has none.
pub(crate) async fn respond(
    action: &HeaderValue,
    body: RequestBody,
    events: Option<&mpsc::UnboundedSender<QueuedEvent>>,
) -> Reply {
    let mut response = match call(action, body, events).await {
        Ok(result) => json!({ "Result": result }),
        Err((code, message)) => json!({ "Error": { "Code": code, "Message": message } }),
    };
    response["RequestId"] = json!(new_request_id());
    // The cloud API responds to every call with 200.
    body::json(StatusCode::OK, &json!({ "Response": response }))
}

async fn call(
    action: &HeaderValue,
    body: RequestBody,
    events: Option<&mpsc::UnboundedSender<QueuedEvent>>,
) -> Result<Value, ApiError> {
    let action = action.to_str().unwrap_or_default();
    if !["Invoke", "InvokeFunction"].contains(&action) {
        let message = format!("action {action:?} is not emulated (use Invoke or InvokeFunction)");
        return Err(("InvalidAction", message));
    }
    let Some(events) = events else {
        let message = "a Web function takes requests, not events".to_owned();
        return Err(("FailedOperation.InvokeFunction", message));
    };
    let body = body
        .read()
        .await
        .map_err(|error| ("InvalidParameter.RequestTooLarge", error.to_string()))?;
    let parameters: Parameters = serde_json::from_slice(&body)
        .map_err(|error| ("InvalidParameter", format!("invalid parameters: {error}")))?;
    let is_async = match (action, parameters.invocation_type.as_str()) {
        ("InvokeFunction", _) | (_, "RequestResponse") => false,
        (_, "Event") => true,
        (_, other) => {
            let message =
                format!("invalid InvocationType {other:?} (use RequestResponse or Event)");
            return Err(("InvalidParameterValue.InvokeType", message));
        }
    };
    let event = match action {
        "Invoke" => parameters.client_context,
        _ => parameters.event,
    };
    let event = event.unwrap_or_else(|| "{}".to_owned());
    if is_async && event.len() > MAX_ASYNC {
        let message = format!("event of {} bytes (maximum {MAX_ASYNC})", event.len());
        return Err(("InvalidParameter.RequestTooLarge", message));
    }
    let request_id = new_request_id();
    let (done, invocation) = oneshot::channel();
    let queued = QueuedEvent { request_id: request_id.clone(), event: event.into(), done };
    // Fails only if the platform has stopped. Then the event is dropped.
    let _ = events.send(queued);
    if is_async {
        // The event of a client that has left is skipped.
        tokio::spawn(invocation);
        return Ok(json!({ "FunctionRequestId": request_id, "InvokeResult": 0 }));
    }
    let stopped = |_| ("InternalError", "the emulator has stopped".to_owned());
    Ok(result(&invocation.await.map_err(stopped)?, parameters.log_type == "Tail"))
}

/// Returns the result of a synchronous call.
fn result(invocation: &Invocation, with_log: bool) -> Value {
    let Invocation { request_id, reply, duration, memory, log, .. } = invocation;
    let (result, error, returned) = match reply {
        Ok(reply) => (0, "", String::from_utf8_lossy(reply).into_owned()),
        Err(failure) => (-1, failure.message.as_str(), failure.body(request_id, log).to_string()),
    };
    let log = if with_log { log.join("\n").into_bytes() } else { Vec::new() };
    let log = String::from_utf8_lossy(&log[log.len().saturating_sub(MAX_LOG)..]);
    json!({
        "BillDuration": u64::try_from(invocation.billed_ms()).unwrap_or(u64::MAX),
        "Duration": duration.as_secs_f64() * 1000.0,
        "ErrMsg": error,
        "FunctionRequestId": request_id,
        "InvokeResult": result,
        "Log": log,
        "MemUsage": memory.unwrap_or(0),
        "RetMsg": returned,
    })
}
