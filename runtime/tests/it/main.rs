//! Promises of the runtime.
