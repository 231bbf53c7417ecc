//! The command line as a process: real pipes, files and terminals, and stand-ins for the provider
//! and for a deployed function.

mod answers;
mod check_function;
mod check_provider;
mod function;
mod input;
mod output;
mod pictures;
mod settings;
mod sign;
mod support;
mod usage;
