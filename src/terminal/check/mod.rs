//! `ask check`: what works, line by line, and what to change.
//!
//! - `report`: the lines. `settings`: which are set, and where.
//! - `network`: name, connection and TLS, for both checks.
//! - `provider`, with `models`: the provider, as the function would use it.
//! - `function`, with `fetch` and `preflight`: a deployed function.

mod fetch;
mod function;
mod models;
mod network;
mod preflight;
mod provider;
mod report;
mod settings;

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
/// [`Error::Reported`] if there is something to change.
pub(super) fn run(args: CheckArgs, output: &mut Output, lang: Lang) -> Result<(), Error> {
    let address = args.url.as_deref().map(Address::parse).transpose()?;
    let model = Override::new("OPENAI_MODEL", "--model", args.model.clone());
    let is_token_given = args.token.is_some();
    let token = Override::new("ASK_TOKEN", "--token", args.token);
    let overrides = [model, token].into_iter().flatten().collect();
    let variables = Variables::read(args.env_file, overrides)?;
    let mut report = Report::new(output, lang, args.json);
    match address {
        None => provider::check(&variables, &mut report),
        Some(address) => {
            let model = args.model.as_deref();
            function::check(address, &variables, is_token_given, model, lang, &mut report);
        }
    }
    report.finish()
}
