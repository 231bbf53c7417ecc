//! One question on a terminal.

use std::process::{Command, Output};

use crate::support::{Ask, Server, answer, failing};

fn run(command: &mut Command, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.args(args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_question_is_answered_on_standard_output() {
    let provider = Server::always(answer("你好！"));
    let said = run(&mut Ask::of(&provider).command(), &["你好"]);
    assert_eq!(said, (Some(0), "你好！\n".to_owned(), String::new()));
    run(&mut Ask::of(&provider).command(), &["What", "is", "Rust?"]);
    let asked: Vec<_> = provider
        .requests()
        .iter()
        .map(|request| request.json()["messages"][0]["content"].clone())
        .collect();
    assert_eq!(asked, ["你好", "What is Rust?"]);
}

#[test]
fn a_failure_is_a_sentence_on_standard_error_in_the_locales_language() {
    let provider = Server::always(failing(401, "invalid_api_key", "no"));
    let rows: [(&[(&str, &str)], bool); 7] = [
        (&[], false),
        (&[("LANG", "en_US.UTF-8")], false),
        (&[("LANG", "C.UTF-8")], false),
        (&[("LANG", "zh_CN.UTF-8")], true),
        (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "zh_TW.UTF-8")], true),
        (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")], false),
        (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "zh_CN")], true),
    ];
    for (vars, chinese) in rows {
        let mut command = Ask::of(&provider).command();
        let (code, out, err) = run(command.envs(vars.iter().copied()), &["hi"]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        assert!(
            err.starts_with("ask: ") && err.contains("OPENAI_API_KEY") && err.lines().count() == 1,
            "{err}"
        );
        assert_eq!(err.contains("密钥"), chinese, "{vars:?}: {err}");
    }
}

#[test]
fn a_missing_setting_and_a_missing_question_are_said_to_be() {
    let (code, out, err) = run(&mut Ask::bare().command(), &["hi"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("OPENAI_API_KEY is not set"), "{err}");
    let keyed = || Ask::bare().set("OPENAI_API_KEY", "key").command();
    let (code, _, err) = run(&mut keyed(), &[" "]);
    assert_eq!(code, Some(1));
    assert!(err.contains("no question"), "{err}");
    let (code, out, err) = run(&mut keyed(), &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("Usage: ask QUESTION"), "{err}");
}

#[test]
fn help_and_version_need_no_setting() {
    for option in ["--help", "-h"] {
        let (code, out, err) = run(&mut Ask::bare().command(), &[option]);
        assert!(
            code == Some(0)
                && err.is_empty()
                && out.contains("Usage: ask QUESTION")
                && out.contains("sign"),
            "{out}"
        );
    }
    for option in ["--version", "-V"] {
        let said = run(&mut Ask::bare().command(), &[option]);
        assert_eq!(said, (Some(0), format!("ask {}\n", env!("CARGO_PKG_VERSION")), String::new()));
    }
}

#[test]
fn a_link_is_signed_or_said_why_not() {
    let key = || Ask::bare().set("ASK_SIGNING_KEY", "a signing key of the tests").command();
    let url = "https://fn.example/ask";
    let (code, out, _) = run(&mut key(), &["sign", "--question", "What is C++?", url]);
    assert_eq!(code, Some(0));
    assert!(
        out.starts_with("https://fn.example/ask?question=What%20is%20C%2B%2B%3F&exp="),
        "{out}"
    );
    for (mut command, args, why) in [
        (Ask::bare().command(), vec!["sign", url], "ASK_SIGNING_KEY is not set"),
        (
            Ask::bare().set("ASK_SIGNING_KEY", "short").command(),
            vec!["sign", url],
            "ASK_SIGNING_KEY",
        ),
        (key(), vec!["sign", "fn.example"], "https://host/path"),
        (key(), vec!["sign", "https://fn.example/?token=t"], "without a query"),
        (key(), vec!["sign", "--expires", "soon", url], "no time"),
        (key(), vec!["sign", "--expires", "7d"], "which URL"),
    ] {
        let (code, out, err) = run(&mut command, &args);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(err.contains(why) && err.lines().count() == 1, "{args:?}: {err}");
    }
}
