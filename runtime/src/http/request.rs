//! The parts of an event that are not in an [`http::Request`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::Request;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The event of a request, in the request's extensions.
#[derive(Clone)]
pub(crate) struct RawEvent(pub(crate) Arc<Vec<u8>>);

/// The parts of an event that are not in an [`http::Request`].
///
/// Most are in the event itself, so a request that a test builds by hand lacks them. Test such a
/// handler with [`handler`](super::handler) and the bytes of an event.
pub trait RequestExt: sealed::Sealed {
    /// Returns the event's bytes. Empty if the request does not come from an event.
    fn raw_event(&self) -> &[u8];

    /// Returns the client's address: API Gateway's `sourceIp`, else the header
    /// `x-scf-remote-addr` of a Function URL, without its port.
    fn source_address(&self) -> Option<IpAddr>;

    /// Returns API Gateway's stage, such as `release`.
    fn stage(&self) -> Option<String>;

    /// Returns a path parameter that is declared in API Gateway, decoded.
    fn path_parameter(&self, name: &str) -> Option<String>;

    /// Returns the first query parameter of this name, decoded. Empty if it has no value.
    fn query(&self, name: &str) -> Option<String>;
}

impl<B> RequestExt for Request<B> {
    fn raw_event(&self) -> &[u8] {
        self.extensions().get::<RawEvent>().map_or(&[], |event| &event.0)
    }

    fn source_address(&self) -> Option<IpAddr> {
        let address = member(self, &["requestContext", "sourceIp"]).or_else(|| {
            Some(self.headers().get("x-scf-remote-addr")?.to_str().ok()?.trim().to_owned())
        })?;
        let with_port = address.parse::<SocketAddr>().map(|address| address.ip());
        with_port.or_else(|_| address.parse()).ok()
    }

    fn stage(&self) -> Option<String> {
        member(self, &["requestContext", "stage"])
    }

    fn path_parameter(&self, name: &str) -> Option<String> {
        member(self, &["pathParameters", name])
    }

    fn query(&self, name: &str) -> Option<String> {
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        self.uri().query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }
}

/// Returns the string at this path in the request's event.
fn member<B>(request: &Request<B>, path: &[&str]) -> Option<String> {
    let event: Value = serde_json::from_slice(request.raw_event()).ok()?;
    let value = path.iter().try_fold(&event, |value, name| value.get(name))?;
    value.as_str().map(str::to_owned)
}

mod sealed {
    /// Keeps [`RequestExt`](super::RequestExt) to requests, so that it can grow.
    pub trait Sealed {}

    impl<B> Sealed for http::Request<B> {}
}
