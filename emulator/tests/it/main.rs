//! The emulator with real functions (small scripts), real processes and real sockets.

mod command;
mod instance;
mod runtime_api;
mod support;
mod trigger;
