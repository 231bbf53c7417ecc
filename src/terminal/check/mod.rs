//! `ask check`: what works, line by line, and what to change.
//!
//! - `report`: the lines. `settings`: which are set, and where.
//! - `network`: name, connection and TLS, for both checks.
//! - `provider`, with `models`: the provider, as the function would use it.
//! - `function`: a deployed function.

mod function;
mod models;
mod network;
mod provider;
mod report;
mod settings;

use std::time::Duration;

use ask_core::lang::Lang;

use self::report::Report;
use super::address::Address;
use super::args::CheckArgs;
use super::error::Error;
use super::output::Output;
use super::variables::{Override, Variables};

/// Runs the check and writes its report.
///
/// # Errors
/// [`Error::NotWell`] if there is something to change.
pub(super) fn run(args: CheckArgs, output: &mut Output, lang: Lang) -> Result<(), Error> {
    let address = args.url.as_deref().map(Address::parse).transpose()?;
    let model = Override::new("OPENAI_MODEL", "--model", args.model);
    let is_token_given = args.token.is_some();
    let token = Override::new("ASK_TOKEN", "--token", args.token);
    let overrides = [model, token].into_iter().flatten().collect();
    let variables = Variables::read(args.env_file, overrides)?;
    let mut report = Report::new(output, lang, args.json);
    match address {
        None => provider::check(&variables, &mut report),
        Some(address) => function::check(address, &variables, is_token_given, lang, &mut report),
    }
    report.finish()
}

/// Returns a duration with its unit, such as `12 ms` or `3.45 s`.
fn seconds(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}
