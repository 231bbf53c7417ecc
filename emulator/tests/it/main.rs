//! Tests of the emulator with real functions (small scripts), processes and sockets.

mod command;
mod instance;
mod invoke;
mod runtime_api;
mod support;
mod trigger;
mod watch;
mod web;
