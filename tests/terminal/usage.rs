//! Help, version, and wrong use.

use testkit::{Upstream, chat};

use crate::support::{Ask, is_chinese};

#[test]
fn help_is_in_the_language_of_the_locale() {
    for (args, part) in [
        (&["--help"][..], "ask sign URL"),
        (&["-h"], "ask check"),
        (&["-m", "m", "--help", "hi"], "ask check"),
        (&["check", "--help"], "--json"),
        (&["sign", "-h"], "90s, 15m, 12h"),
    ] {
        let run = Ask::unset().args(args).run();
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(run.out.contains("Usage: ask") && run.out.contains(part), "{}", run.out);
        let chinese = Ask::unset().set("LANG", "zh_CN.UTF-8").args(args).run();
        assert!(chinese.out.contains("用法：ask"), "{}", chinese.out);
        for line in run.out.lines().chain(chinese.out.lines()) {
            let width: usize = line.chars().map(|char| if char.is_ascii() { 1 } else { 2 }).sum();
            assert!(width <= 100, "{width}: {line}");
        }
    }
}

#[test]
fn version_needs_no_settings() {
    for option in ["--version", "-V"] {
        let version = concat!("ask ", env!("CARGO_PKG_VERSION"));
        Ask::unset().args(&[option]).run().assert_answer(version);
    }
}

#[test]
fn wrong_use_ends_with_2_and_asks_nothing() {
    let upstream = Upstream::always(chat::completion("No."));
    for (args, part) in [
        (&["--modle", "m", "hi"][..], "unknown option --modle"),
        (&["-x"], "unknown option -x"),
        (&["-m"], "missing value after -m"),
        (&["--url", "", "hi"], "empty value after --url"),
        (&["--url", "fn.example", "hi"], "invalid URL"),
        (&["check", "my", "text"], "ask -- check my text"),
        (&["sign", "the", "contract"], "ask -- sign the contract"),
        (&["check", "-"], "ask -- check -"),
        (&["check", "https://"], "invalid URL"),
        (&["sign"], "missing URL"),
        (&["sign", "--expires", "soon", "https://fn.example/"], "invalid duration \"soon\""),
    ] {
        Ask::new(&upstream).args(args).run().assert_error(2, "", &[part]);
        let chinese = Ask::new(&upstream).set("LANG", "zh_CN.UTF-8").args(args).run();
        assert!(chinese.code == Some(2) && is_chinese(&chinese.err), "{}", chinese.err);
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn names_of_commands_are_asked_behind_dashes() {
    let upstream = Upstream::always(chat::completion("Yes."));
    Ask::new(&upstream).args(&["--", "check", "my", "text"]).run().assert_answer("Yes.");
    Ask::new(&upstream).args(&["what", "does", "-l", "do"]).run().assert_answer("Yes.");
    let asked = upstream.requests();
    let asked: Vec<_> =
        asked.iter().map(|it| it.json()["messages"][0]["content"].clone()).collect();
    assert_eq!(asked, ["check my text", "what does -l do"]);
}
