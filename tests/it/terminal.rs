//! The program on a terminal.

use std::process::{Command, Output};

use testkit::{Upstream, chat};

use crate::support::{App, is_chinese};

fn run(command: &mut Command, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.args(args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn answer_is_written_to_standard_output() {
    let upstream = Upstream::always(chat::completion("你好！"));
    let output = run(&mut App::new(&upstream).command(), &["你好"]);
    assert_eq!(output, (Some(0), "你好！\n".to_owned(), String::new()));
    run(&mut App::new(&upstream).command(), &["What", "is", "Rust?"]);
    let asked: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.json()["messages"][0]["content"].clone())
        .collect();
    assert_eq!(asked, ["你好", "What is Rust?"]);
}

#[test]
fn error_is_one_line_in_the_language_of_the_locale() {
    let upstream = Upstream::always(chat::error(401, "invalid_api_key", "no"));
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
        let mut command = App::new(&upstream).command();
        let (code, out, err) = run(command.envs(vars.iter().copied()), &["hi"]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        assert!(err.starts_with("ask: ") && err.contains("OPENAI_API_KEY"), "{err}");
        assert_eq!((err.lines().count(), is_chinese(&err)), (1, chinese), "{vars:?}: {err}");
    }
}

#[test]
fn missing_key_and_missing_question_are_errors() {
    let (code, out, err) = run(&mut App::unset().command(), &["hi"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("OPENAI_API_KEY"), "{err}");
    let keyed = || App::unset().set("OPENAI_API_KEY", "key").command();
    let (code, out, err) = run(&mut keyed(), &[" "]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("question"), "{err}");
    let (code, out, err) = run(&mut keyed(), &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("Usage: ask"), "{err}");
}

#[test]
fn help_and_version_need_no_settings() {
    for option in ["--help", "-h"] {
        let (code, out, err) = run(&mut App::unset().command(), &[option]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out.contains("Usage: ask") && out.contains("sign"), "{out}");
    }
    for option in ["--version", "-V"] {
        let output = run(&mut App::unset().command(), &[option]);
        assert_eq!(
            output,
            (Some(0), format!("ask {}\n", env!("CARGO_PKG_VERSION")), String::new())
        );
    }
}

#[test]
fn sign_prints_a_link_or_names_the_invalid_part() {
    let keyed = |key: &str| App::unset().set("ASK_SIGNING_KEY", key).command();
    let valid = || keyed("a signing key of the tests");
    let url = "https://fn.example/ask";
    let (code, out, _) = run(&mut valid(), &["sign", "--question", "What is C++?", url]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with(&format!("{url}?question=What%20is%20C%2B%2B%3F&exp=")), "{out}");
    for (mut command, args, named) in [
        (App::unset().command(), vec!["sign", url], "ASK_SIGNING_KEY"),
        (keyed("short"), vec!["sign", url], "ASK_SIGNING_KEY"),
        (valid(), vec!["sign", "fn.example"], "URL"),
        (valid(), vec!["sign", "https://fn.example/?token=t"], "query"),
        (valid(), vec!["sign", "--expires", "soon", url], "soon"),
        (valid(), vec!["sign", "--expires", "7d"], "URL"),
    ] {
        let (code, out, err) = run(&mut command, &args);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(err.contains(named) && err.lines().count() == 1, "{args:?}: {err}");
    }
}
