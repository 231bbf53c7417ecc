//! The reverse proxy as values: paths, headers, credentials and errors.

mod credentials;
mod error;
mod headers;
mod path;
mod redact;

pub use credentials::KeySource;
pub use error::ProxyError;
pub use headers::{
    check_transfer_coding, filter_response_headers, is_websocket, trim_to_limit,
    upstream_request_headers,
};
pub use path::{PathError, upstream_path};
pub use redact::redact_error_body;
