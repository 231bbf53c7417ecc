//! Standard input: when it is read, and the line while it has no end.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use testkit::{Scratch, Upstream, chat};

use crate::support::{Ask, Run, is_chinese, piped};

/// Returns the end of a command, and the question that the provider received.
fn asked(args: &[&str], stdin: impl Into<Stdio>) -> (Run, Option<String>) {
    let upstream = Upstream::always(chat::completion("Yes."));
    let run = Ask::new(&upstream).args(args).stdin(stdin).run();
    let requests = upstream.requests();
    let content = requests.first().map(|request| request.json()["messages"][0]["content"].clone());
    (run, content.map(|content| content.as_str().unwrap().to_owned()))
}

#[track_caller]
fn check(args: &[&str], stdin: impl Into<Stdio>, question: &str) {
    let (run, asked) = asked(args, stdin);
    assert_eq!(asked.as_deref(), Some(question), "{run:?}");
    run.assert_answer("Yes.");
}

#[test]
fn question_comes_before_the_input() {
    check(&["summarise", "this"], piped("line 1\nline 2\n"), "summarise this\n\nline 1\nline 2");
    let file = Scratch::new("text of a file");
    check(&["summarise"], File::open(file.path()).unwrap(), "summarise\n\ntext of a file");
    check(&["hi"], piped(" \n"), "hi");
}

#[test]
fn input_alone_is_the_question() {
    for args in [&["-"][..], &[], &["--"], &["--", "-"]] {
        check(args, piped("你好\n"), "你好");
        let file = Scratch::new("hello");
        check(args, File::open(file.path()).unwrap(), "hello");
    }
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.write_all(b"by socket").unwrap();
    drop(writer);
    check(&["-"], OwnedFd::from(reader), "by socket");
    check(&["a", "-", "b"], Stdio::null(), "a - b");
}

#[test]
fn other_input_is_not_read_with_a_question() {
    check(&["hi"], Stdio::null(), "hi");
    check(&["hi"], File::open("/dev/zero").unwrap(), "hi");
    // Neither has an end.
    let (socket, _other) = UnixStream::pair().unwrap();
    check(&["hi"], OwnedFd::from(socket), "hi");
}

#[test]
fn waiting_for_input_is_reported_after_two_seconds() {
    for (locale, chinese) in [("C", false), ("zh_CN.UTF-8", true)] {
        let upstream = Upstream::always(chat::completion("Yes."));
        let (reader, mut writer) = io::pipe().unwrap();
        let ask = Ask::new(&upstream).set("LANG", locale).args(&["summarise"]);
        let ask = ask.stdin(reader).spawn();
        let line = ask.stderr.next();
        assert!(line.contains("</dev/null") && is_chinese(&line) == chinese, "{line}");
        writer.write_all(b"late").unwrap();
        drop(writer);
        assert_eq!(ask.stdout.next(), "Yes.");
        assert_eq!(ask.wait().code(), Some(0));
        assert!(ask.stderr.until_end().is_empty());
        let question = upstream.request().json()["messages"][0]["content"].clone();
        assert_eq!(question, "summarise\n\nlate");
    }
}

#[test]
fn no_question_is_wrong_use_and_an_empty_one_a_failure() {
    let (run, asked_) = asked(&[], Stdio::null());
    run.assert_error(2, "", &["missing question", "ask --help"]);
    assert_eq!(asked_, None);
    for (args, stdin) in
        [(&["-"][..], Stdio::null()), (&["-"], piped(" ").into()), (&[" "], Stdio::null())]
    {
        let (run, asked) = asked(args, stdin);
        run.assert_error(1, "", &["empty"]);
        assert_eq!(asked, None);
    }
}

#[test]
fn unreadable_input_is_an_error() {
    let (run, asked_) = asked(&["-"], piped(b"\xff\xfe"));
    run.assert_error(1, "", &["UTF-8"]);
    assert_eq!(asked_, None);
    let (run, asked_) = asked(&["-"], File::open("/").unwrap());
    run.assert_error(1, "", &["standard input", "directory"]);
    assert_eq!(asked_, None);
    let (run, asked_) = asked(&["-"], File::open("/dev/zero").unwrap());
    run.assert_error(1, "", &["16 MB"]);
    assert_eq!(asked_, None);
}
