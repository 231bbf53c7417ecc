//! The command against a stand-in of the cloud.

mod cli;
mod cloud;
mod commands;
mod create;
mod credentials;
mod errors;
mod faults;
mod support;
mod update;
