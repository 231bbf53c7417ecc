//! `ask sign`.

use std::time::{SystemTime, UNIX_EPOCH};

use ask_core::access::signed_link;
use ask_core::settings::Secret;
use testkit::Scratch;

use crate::support::{Ask, SIGNING_KEY};

const URL: &str = "https://fn.example/ask";

fn keyed() -> Ask {
    Ask::unset().set("ASK_SIGNING_KEY", SIGNING_KEY)
}

/// Checks a link: its URL and question, its lifetime in seconds, and its signature.
#[track_caller]
fn check(args: &[&str], start: &str, question: Option<&str>, lifetime: u64) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let earliest = now() + lifetime;
    let run = keyed().args(args).run();
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{args:?}");
    let rest = run.out.strip_suffix('\n').unwrap().strip_prefix(start).expect(&run.out);
    let (expires, signature) = rest.split_once("&sig=").unwrap();
    let expires = expires.parse().unwrap();
    assert!((earliest..=now() + lifetime).contains(&expires), "{args:?}: {expires}");
    let key = Secret::new(SIGNING_KEY.to_owned());
    let expected = signed_link::sign(&key, "/ask", expires, question);
    assert_eq!(signature, expected.signature);
}

#[test]
fn link_is_signed_for_its_lifetime() {
    let start = format!("{URL}?exp=");
    check(&["sign", URL], &start, None, 7 * 86_400);
    for (duration, lifetime) in [("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800)] {
        check(&["sign", "--expires", duration, URL], &start, None, lifetime);
        check(&["sign", &format!("--expires={duration}"), URL], &start, None, lifetime);
    }
    let start = format!("{URL}?question=What%20is%20C%2B%2B%3F&exp=");
    let args = ["sign", "--question", " What is C++? ", "--expires=1h", URL];
    check(&args, &start, Some("What is C++?"), 3600);
}

#[test]
fn key_comes_from_environment_or_file() {
    let file = Scratch::new(&format!("ASK_SIGNING_KEY={SIGNING_KEY}\n"));
    let run = Ask::unset().args(&["sign", "--env-file", file.path(), URL]).run();
    assert_eq!(run.code, Some(0), "{run:?}");
    Ask::unset().args(&["sign", URL]).run().assert_error(1, "", &["ASK_SIGNING_KEY is not set"]);
    let short = Ask::unset().set("ASK_SIGNING_KEY", "short").args(&["sign", URL]).run();
    short.assert_error(1, "", &["ASK_SIGNING_KEY", "16 characters"]);
}

#[test]
fn invalid_urls_and_empty_questions_are_wrong_use() {
    for (args, part) in [
        (&["sign", "https://fn.example/?token=t"][..], "without a query"),
        (&["sign", "https://me@fn.example/"], "user name"),
        (&["sign", "--question", " ", URL], "empty value after --question"),
        (&["sign", URL, URL], "unexpected argument"),
        (&["sign", "--key", "k", URL], "unknown option --key"),
    ] {
        keyed().args(args).run().assert_error(2, "", &[part]);
    }
}
