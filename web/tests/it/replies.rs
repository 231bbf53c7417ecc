//! The table of replies: each must become the answer or the failure that it says.

use ask_core::Format;
use serde_json::Value;
use testkit::{Response, replies};

use crate::support::*;

/// A token that shares no run of four characters with a message.
const OPENER: &str = "Xw9-Vv5-Kk3-Zz7";

/// Every format. Only JSON is sent as a whole.
fn formats() -> [replies::Format; Format::ALL.len()] {
    Format::ALL
        .map(|format| replies::Format { name: format.name(), streams: format != Format::Json })
}

/// Starts the function with these settings. Returns a function that asks it.
fn start(vars: &[(&'static str, String)]) -> impl Fn(&str, &str) -> (Response, Value) + use<> {
    let set = |app: App, (name, value): &(&str, String)| app.set(name, value.as_str());
    let app = vars.iter().fold(App::unset().set("ASK_TOKEN", OPENER), set).start();
    move |format, question| {
        let length = question.len();
        let mut client = app.send(&format!(
            "POST /?format={format} HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer {OPENER}\r\nContent-Type: text/plain\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{question}"
        ));
        (client.last_response(), app.log_line())
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
