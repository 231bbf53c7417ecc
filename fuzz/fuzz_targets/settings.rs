//! Any environment makes settings, sound or with a fault, and nothing that is printed of them holds a secret.

#![no_main]

use ask_core::attempts::{Attempts, Memory, budget};
use ask_core::failure::Failure;
use ask_core::lang::Lang;
use ask_core::settings::{Settings, VARIABLES};
use ask_core::{completion, log};
use http::Uri;
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, gives_away};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

/// Their values are no secrets, or are read by everybody.
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
    let vars: Vec<(&[u8], &[u8])> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            line.iter().position(|byte| *byte == b'=').map(|at| (&line[..at], &line[at + 1..]))
        })
        .collect();
    let settings = Settings::read(|name| {
        let var = vars.iter().find(|(var, _)| *var == name.as_bytes());
        var.map(|(_, value)| OsString::from_vec(value.to_vec()))
    });
    assert!(!settings.models.is_empty() && settings.models.iter().all(|model| !model.is_empty()));
    assert!(settings.max_question > 0 && settings.rate != Some(0));
    let url: Uri = settings.base_url.completions().parse().expect("a URL");
    assert_eq!(url.host(), Some(settings.base_url.host()));
    assert!(url.path().ends_with("/chat/completions"));
    for limit in [None, Some(Duration::ZERO), Some(Duration::from_secs(3)), Some(Duration::MAX)] {
        assert!(limit.is_none_or(|limit| budget(&settings, Some(limit)) <= limit));
    }
    let body = completion::request(&settings, &settings.models[0], &[], true);
    let body: serde_json::Value = serde_json::from_slice(&body).expect("a request is JSON");
    assert_eq!(
        (&body["model"], &body["stream"]),
        (&settings.models[0].as_str().into(), &true.into())
    );
    assert!(
        Attempts::new(&settings, &Memory::default(), Instant::now()).key().is_none()
            == settings.keys.is_empty()
    );

    // The key may stand in any variable but those that everybody may read, and before a proxy's host.
    let public = |name: &[u8], value: &str| match name.to_ascii_lowercase().ends_with(b"_proxy") {
        true => gives_away(value.rsplit('@').next().unwrap_or_default(), KEY),
        false => PUBLIC.iter().any(|public| public.as_bytes() == name) && gives_away(value, KEY),
    };
    let private = !vars.iter().any(|(name, value)| public(name, &String::from_utf8_lossy(value)));
    let mut printed = vec![format!("{settings:?}"), format!("{:?}", settings.mask())];
    for fault in
        settings.faults.iter().cloned().chain(settings.fault()).chain(settings.listen.clone().err())
    {
        assert!(
            VARIABLES.contains(&fault.variable.to_ascii_uppercase().as_str()),
            "{}",
            fault.variable
        );
        printed.push(String::from_utf8(log::fault(&fault)).expect("a line is text"));
        printed.push(Failure::Config(fault.clone()).sentence(Lang::En));
        printed.push(Failure::Config(fault).sentence(Lang::Zh));
    }
    for printed in printed {
        assert!(!private || !gives_away(&printed, KEY), "{printed}");
    }
});
