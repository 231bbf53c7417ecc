//! Puts a zip on Tencent Cloud SCF and opens a Function URL: for a function in any language.
//!
//! ```no_run
//! use scf_deploy::{Client, Credentials, Endpoint, Function, Package, Settings};
//!
//! let warn = |line: &str| eprintln!("{line}");
//! let credentials = Credentials::find(&warn)?;
//! let client = Client::new(Endpoint::scf(), "ap-singapore", credentials, warn);
//! let package = Package::read("dist/hello.zip".as_ref(), None)?;
//! let deployment =
//!     Function::new(&client, "hello", None)?.deploy(&package, &Settings::default())?;
//! println!("{}", deployment.url.unwrap_or_default());
//! # anyhow::Ok(())
//! ```
//!
//! - Every step looks first and can be repeated: the same call again goes on after a failure.
//! - The cap is set before the Function URL opens.
//! - No message holds a value of a variable or a part of the key.
//!
//! The way of a call: [`Function`] (steps, waiting) → [`Client`] (signs, sends, retries) →
//! [`CallError`] (codes and sentences).

mod cap;
mod client;
mod credentials;
mod deploy;
mod endpoint;
mod error;
mod files;
mod function;
mod logs;
mod package;
mod redact;
mod settings;
mod signature;
mod status;
mod trigger;

pub use client::{Client, Poll, Service};
pub use credentials::Credentials;
pub use deploy::Deployment;
pub use endpoint::Endpoint;
pub use error::{ApiError, CallError};
pub use files::warn_if_shared;
pub use function::{Function, NoFunction, check_name};
pub use logs::LogLine;
pub use package::{Kind, Package};
pub use redact::printable;
pub use settings::{Cap, Settings, Variables};
pub use signature::{CONTENT_TYPE, Signature};
pub use status::{Invocation, Status};
