//! Any request has a question or a response.

#![no_main]

use std::sync::LazyLock;

use ask_core::{AskRequest, Settings};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, TOKEN, check_response, context, parse_request, respond};

static SETTINGS: LazyLock<[Settings; 3]> = LazyLock::new(|| {
    let key = ("OPENAI_API_KEY", KEY);
    [
        Settings::from_pairs(&[]),
        Settings::from_pairs(&[key]),
        Settings::from_pairs(&[
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
    let Some(request) = parse_request(bytes) else { return };
    for settings in SETTINGS.iter() {
        for local in [false, true] {
            let ask = AskRequest::from_request(settings, &request, context(local));
            check_response(&respond(settings, ask, "\u{0}“Yes”\r\n\u{2028}"));
        }
    }
});
