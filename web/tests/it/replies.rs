//! The table of replies: each must become the answer or the failure that it says.

use ask_core::Format;
use testkit::replies;

use crate::support::*;

/// A token without a run of four letters that a message may hold.
const OPENER: &str = "Xw9-Vv5-Kk3-Zz7";

#[test]
fn every_reply_is_read_as_the_table_says() {
    // JSON is sent as a whole.
    let streams = |format| format != Format::Json;
    let formats =
        Format::ALL.map(|format| replies::Format { name: format.name(), streams: streams(format) });
    replies::check_all(&formats, |vars| {
        let vars = vars.iter().map(|(name, value)| (*name, value.as_str()));
        let app = App::unset().set("ASK_TOKEN", OPENER).set_all(&vars.collect::<Vec<_>>()).start();
        move |format, question| {
            let length = question.len();
            let mut client = app.send(&format!(
                "POST /?format={format} HTTP/1.1\r\nHost: localhost\r\n\
                 Authorization: Bearer {OPENER}\r\nContent-Type: text/plain\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{question}"
            ));
            (client.last_response(), app.log_line())
        }
    });
}
