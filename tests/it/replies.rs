//! The table of replies: each must become the answer or the failure that it says.

use ask_core::Format;
use testkit::replies;

use crate::support::App;

#[test]
fn every_reply_is_read_as_the_table_says() {
    // The answer of an event is one piece.
    let formats = Format::ALL.map(|format| replies::Format { name: format.name(), streams: false });
    replies::check_all(&formats, |vars| {
        let vars = vars.iter().map(|(name, value)| (*name, value.as_str()));
        let app = App::unset().set_all(&vars.collect::<Vec<_>>()).start();
        move |format, question| {
            let text = [("content-type", "text/plain"), ("accept", "*/*")];
            let reply = app.http("POST", &[("format", format)], &text, question);
            let log = reply.log_line();
            (reply.response, log)
        }
    });
}
