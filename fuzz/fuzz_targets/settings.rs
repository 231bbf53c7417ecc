//! Any variables are settings, valid or with errors, and no printed form of them holds a secret.

#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use ask_core::access_log::setting_error_line;
use ask_core::completion::{Cooldowns, Retry, budget, request};
use ask_core::lang::Lang;
use ask_core::settings::VARIABLES;
use ask_core::{Failure, Settings};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, leaks};
use serde_json::Value;

/// Variables whose values are printed, because they are not secret.
const PUBLIC: [&str; 11] = [
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "ASK_SYSTEM_PROMPT",
    "ASK_EXTRA",
    "ASK_ORIGINS",
    "ASK_PATHS",
    "ASK_HOSTS",
    "HOST",
    "PORT",
    "NO_PROXY",
    "SSL_CERT_FILE",
];

// Lines of NAME=VALUE.
fuzz_target!(|bytes: &[u8]| {
    let pairs: Vec<(&[u8], &[u8])> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let equals = line.iter().position(|byte| *byte == b'=')?;
            Some((&line[..equals], &line[equals + 1..]))
        })
        .collect();
    let settings = Settings::read(|name| {
        let pair = pairs.iter().find(|(variable, _)| *variable == name.as_bytes());
        pair.map(|(_, value)| OsString::from_vec(value.to_vec()))
    });
    check_values(&settings);
    check_upstream_request(&settings);
    check_printed(&settings, holds_public_key(&pairs));
});

fn check_values(settings: &Settings) {
    assert!(!settings.models.is_empty() && settings.models.iter().all(|model| !model.is_empty()));
    assert!(settings.max_question > 0 && settings.rate != Some(0));
    let uri = settings.base_url.completions_uri();
    assert_eq!(uri.host(), Some(settings.base_url.host()));
    assert_eq!(uri.path(), format!("{}/chat/completions", settings.base_url.path));
    for limit in [None, Some(Duration::ZERO), Some(Duration::from_secs(3)), Some(Duration::MAX)] {
        assert!(limit.is_none_or(|limit| budget(settings, Some(limit)) <= limit));
    }
    let retry = Retry::new(settings, None, &Cooldowns::default(), Instant::now(), 0);
    assert_eq!(retry.key().is_none(), settings.keys.is_empty());
}

fn check_upstream_request(settings: &Settings) {
    let request = request(settings, settings.keys.first(), &settings.models[0], &[], true);
    let request = request.expect("the key fits into a header");
    assert_eq!(request.uri(), settings.base_url.completions_uri());
    let body: Value = serde_json::from_slice(request.body()).expect("a request is JSON");
    assert_eq!(body["model"], settings.models[0].as_str());
    assert_eq!(body["stream"], true);
}

/// Returns whether a variable that is not secret holds a part of the key. A proxy's user and
/// password are secret.
fn holds_public_key(pairs: &[(&[u8], &[u8])]) -> bool {
    pairs.iter().any(|(name, value)| {
        let value = String::from_utf8_lossy(value);
        match name.to_ascii_lowercase().ends_with(b"_proxy") {
            true => leaks(value.rsplit('@').next().unwrap_or_default(), KEY),
            false => PUBLIC.iter().any(|public| public.as_bytes() == *name) && leaks(&value, KEY),
        }
    })
}

fn check_printed(settings: &Settings, may_leak: bool) {
    let mut printed = vec![format!("{settings:?}"), format!("{:?}", settings.redactor())];
    let errors = settings.errors.iter().cloned();
    for error in errors.chain(settings.error()).chain(settings.listen.clone().err()) {
        let variable = error.variable;
        assert!(VARIABLES.contains(&variable.to_ascii_uppercase().as_str()), "{variable}");
        printed.push(String::from_utf8(setting_error_line(&error)).expect("a line is UTF-8"));
        let failure = Failure::Config(error);
        printed.extend([Lang::En, Lang::Zh].map(|lang| failure.message(lang)));
    }
    for printed in printed {
        assert!(may_leak || !leaks(&printed, KEY), "{printed}");
    }
}
