//! The emulator with real functions (small scripts) and real sockets.

mod support;
mod trigger;
