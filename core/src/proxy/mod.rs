//! The reverse proxy, as far as it is values in and values out: where a request goes, who lends the key to whom, which
//! headers pass, and what is answered where the provider is not.

mod failure;
mod headers;
mod keys;
mod path;
mod refusal;

pub use failure::Failure;
pub use headers::{fit, is_websocket, towards_caller, towards_provider, transfer_coding};
pub use keys::Grant;
pub use path::{Astray, provider_path};
pub use refusal::masked;
