//! The table of replies: each must become the answer or the failure that it says.

use ask_core::Format;
use serde_json::Value;
use testkit::{Response, replies};

use crate::support::App;

/// Every format. The answer of an event is one piece.
fn formats() -> [replies::Format; Format::ALL.len()] {
    Format::ALL.map(|format| replies::Format { name: format.name(), streams: false })
}

/// Starts the function with these settings. Returns a function that asks it.
fn start(vars: &[(&'static str, String)]) -> impl Fn(&str, &str) -> (Response, Value) + use<> {
    let set = |app: App, (name, value): &(&str, String)| app.set(name, value.as_str());
    let app = vars.iter().fold(App::unset(), set).start();
    move |format, question| {
        let headers = [("content-type", "text/plain")];
        let reply = app.http("POST", &[("format", format)], &headers, question);
        let log = reply.log_line();
        (reply.response, log)
    }
}

#[test]
fn every_reply_is_read_as_the_table_says() {
    replies::check_all(&formats(), start);
}

#[test]
fn unreachable_upstream_is_reported_as_the_table_says() {
    replies::check_unreachable(&formats(), start);
}
