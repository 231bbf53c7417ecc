//! No run of four characters of a secret is left in a masked text, and what holds none is left alone.

#![no_main]

use ask_core::proxy::masked;
use ask_core::secret::{Mask, Secret};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::gives_away;
use serde_json::Value;

// The first line is the secret, the rest the text.
fuzz_target!(|text: &str| {
    let Some((secret, text)) = text.split_once('\n') else { return };
    // The mark that takes a secret's place could be a part of it.
    if !secret.bytes().all(|byte| byte.is_ascii_graphic() && !b"[]".contains(&byte)) {
        return;
    }
    let mask = Mask::new([Secret::new(secret.into())]);
    let shown = mask.text(text);
    assert!(!gives_away(&shown, secret), "{secret:?} is in {shown:?}");
    let words = ["sk-", "org-", "proj_", "sess-", "**"];
    if !gives_away(text, secret) && !words.iter().any(|word| text.contains(word)) {
        assert_eq!(shown, text);
    }
    // An error that is JSON stays JSON.
    if let Some(shown) = masked(text.as_bytes(), &mask)
        && serde_json::from_str::<Value>(text).is_ok()
    {
        assert!(serde_json::from_slice::<Value>(&shown).is_ok());
    }
});
