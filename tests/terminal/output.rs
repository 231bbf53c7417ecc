//! Standard output: terminals, closed pipes, full disks, and Ctrl-C.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use testkit::{Gate, Process, Turn, Upstream, chat, process};

use crate::support::{Ask, DEFAULT_INTERRUPT, KEY};

/// Returns both ends of a terminal: the user's, and the program's.
fn terminal() -> (File, File) {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let program = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (user.into(), program)
}

/// Reads what a program wrote to a terminal. Its last end has been closed.
fn shown(mut user: File) -> String {
    let mut bytes = Vec::new();
    // Linux reports the end as an error.
    let _ = user.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn terminal_shows_no_control_characters() {
    let text = "a\u{1b}]0;x\u{7}b\r\nc";
    let upstream = Upstream::always(chat::completion(text));
    let (user, program) = terminal();
    let run = Ask::new(&upstream).args(&["hi"]).stdout(program).run();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(shown(user), "a\u{fffd}]0;x\u{fffd}b\r\nc\r\n");
    // A pipe gets the answer as it is.
    Ask::new(&upstream).args(&["hi"]).run().assert_answer(text);
}

#[test]
fn terminal_is_not_read_with_a_question() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let (_user, program) = terminal();
    Ask::new(&upstream).args(&["hi"]).stdin(program).run().assert_answer("Yes.");
    let (_user, program) = terminal();
    let run = Ask::new(&upstream).stdin(program).run();
    run.assert_error(2, "", &["missing question"]);
}

#[test]
fn closed_pipe_ends_it_without_a_line() {
    let gate = Gate::default();
    let upstream = Upstream::always(
        Turn::from([chat::STREAM, &chat::piece("one\n")].concat())
            .wait(&gate)
            .send(chat::piece("two\n"))
            .hold(),
    );
    let (mut reader, writer) = io::pipe().unwrap();
    let ask = Ask::new(&upstream).args(&["hi"]).stdout(writer).spawn();
    let mut first = [0; 4];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"one\n");
    drop(reader);
    gate.open();
    // The provider sends no end: the closed pipe is the reason.
    assert_eq!(ask.wait().code(), Some(0));
    assert!(ask.stderr.until_end().is_empty());
}

#[test]
fn full_disk_is_a_failure() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let run = Ask::new(&upstream).args(&["hi"]).stdout(full()).run();
    run.assert_error(1, "", &["standard output", "No space left"]);
    for args in [&["--help"][..], &["check"], &["check", "--json"]] {
        let run = Ask::new(&upstream).args(args).stdout(full()).run();
        run.assert_error(1, "", &["standard output", "No space left"]);
    }
}

#[test]
fn interrupt_ends_it_with_130() {
    let gate = Gate::default();
    let upstream =
        Upstream::always(Turn::from([chat::STREAM, &chat::piece("one\n")].concat()).wait(&gate));
    let ask = Ask::with_default_interrupt(&upstream).args(&["hi"]).spawn();
    assert_eq!(ask.stdout.next(), "one");
    ask.signal("INT");
    // By the signal itself, so that a script that runs it is interrupted, too.
    assert_eq!(ask.wait().signal(), Some(2));
    gate.open();

    // A shell shows it as status 130.
    let gate = Gate::default();
    let upstream =
        Upstream::always(Turn::from([chat::STREAM, &chat::piece("one\n")].concat()).wait(&gate));
    let mut shell = process::command("/bin/sh");
    let ask = env!("CARGO_BIN_EXE_ask");
    let script = format!("sh -c 'echo $$; exec {DEFAULT_INTERRUPT} {ask} hi'; echo $?");
    shell.args(["-c", &script]).env("OPENAI_API_KEY", KEY);
    let shell = Process::spawn(shell.env("OPENAI_BASE_URL", upstream.url("/v1")));
    let id = shell.stdout.next();
    assert_eq!(shell.stdout.next(), "one");
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(shell.stdout.next(), "130");
    gate.open();
}
