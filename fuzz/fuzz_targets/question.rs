//! Any request comes to a question or to a reply.

#![no_main]

use std::sync::LazyLock;

use ask_core::Settings;
use ask_core::route::receive;
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, TOKEN, arrival, check_reply, reply, request, settings};

static SETTINGS: LazyLock<[Settings; 3]> = LazyLock::new(|| {
    let key = ("OPENAI_API_KEY", KEY);
    [
        settings(&[]),
        settings(&[key]),
        settings(&[
            key,
            ("ASK_TOKEN", TOKEN),
            ("ASK_SIGNING_KEY", "0123456789abcdef"),
            ("ASK_SYSTEM_PROMPT", "Be brief."),
            ("ASK_ORIGINS", "https://page.example, null"),
            ("ASK_MAX_QUESTION", "20"),
        ]),
    ]
});

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = request(bytes) else { return };
    for settings in SETTINGS.iter() {
        for local in [false, true] {
            let received = receive(settings, &request, arrival(local));
            check_reply(&reply(settings, received, "\u{0}“Yes”\r\n\u{2028}"));
        }
    }
});
