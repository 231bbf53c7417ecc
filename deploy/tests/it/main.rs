//! The command against a stand-in of the cloud.

mod cloud;
mod create;
mod support;
