//! The command line itself.

use std::process::Stdio;

use crate::support::{Setup, zip};

#[track_caller]
fn check_wrong_use(setup: &Setup, args: &[&str], words: &str) {
    let output = setup.run(args);
    assert_eq!(output.status, Some(2), "{args:?}: {}", output.stderr);
    assert_eq!(output.stdout, "");
    output.says(&[words]);
}

#[test]
fn wrong_use_ends_with_status_2() {
    let setup = Setup::new();
    for (args, words) in [
        (&[][..], "missing FUNCTION.zip"),
        (&["--name", "hello"], "missing FUNCTION.zip"),
        (&["hello.zip", "--nam", "x"], "unknown option --nam"),
        (&["hello.zip", "-x"], "unknown option -x"),
        (&["hello.zip", "other.zip"], "unexpected argument"),
        (&["stauts", "hello"], "unknown command \"stauts\""),
        (&["hello.zip", "--region"], "missing argument for option '--region'"),
        (&["hello.zip", "--memory", "lots"], "invalid --memory"),
        (&["hello.zip", "--memory", "100"], "invalid --memory 100"),
        (&["hello.zip", "--timeout", "901"], "invalid --timeout 901"),
        (&["hello.zip", "--env", "SCF_A=1"], "reserved variable name SCF_A"),
        (&["hello.zip", "--name", "-x"], "invalid function name"),
        (&["hello.zip", "--name", "x"], "invalid function name"),
        (&["my.function.zip"], "invalid function name \"my.function\""),
        (&["hello.zip", "--cap", "0"], "--no-cap"),
        (&["hello.zip", "--cap", "64", "--no-cap"], "exclude each other"),
        (&["hello.zip", "--no-cap", "--cap", "64"], "exclude each other"),
        (&["hello.zip", "--event", "--web"], "exclude each other"),
        (&["hello.zip", "--poll", "0"], "invalid --poll"),
        (&["hello.zip", "--endpoint", "ftp://x"], "invalid endpoint"),
        (&["hello.zip", "--follow"], "--follow has no meaning for this command"),
        (&["hello.zip", "-e", "x"], "-e has no meaning"),
        (&["url", "hello", "--memory", "64"], "--memory has no meaning for url"),
        (&["status", "hello", "--json=1"], "unexpected argument for option '--json'"),
        (&["remove"], "missing NAME"),
        (&["url"], "missing NAME"),
        (&["update"], "missing NAME"),
        (&["remove", "hello", "--name", "other"], "unexpected argument"),
        (&["hello.zip", "--env", "sk-x"], "invalid --env"),
        (&["hello.zip", "--env", "sk-x=y"], "invalid variable name"),
        (&["hello.zip", "--env", "MISSING_HERE"], "MISSING_HERE"),
        (&["hello.zip", "--env-default", "A="], "empty value"),
    ] {
        check_wrong_use(&setup, args, words);
    }
    assert!(setup.cloud.calls().is_empty());
}

#[test]
fn nothing_is_sent_if_the_input_is_wrong() {
    let setup = Setup::new();
    setup.folder.write("bad.env", "A=1\nsk-secret\n");
    setup.folder.write("empty.zip", "");
    setup.folder.write("script.zip", "#!/bin/sh");
    setup.folder.write("none.zip", zip("main", "x"));
    setup.folder.write("reserved.env", "SCF_A=1");
    for (args, words) in [
        (&["missing.zip"][..], &["missing.zip: "][..]),
        (&["empty.zip"], &["empty.zip: the file is empty"]),
        (&["script.zip"], &["script.zip: not a zip"]),
        (&["none.zip"], &["none.zip: ", "bootstrap", "scf_bootstrap"]),
        (&["hello.zip", "--web"], &["hello.zip: scf_bootstrap is not at the top"]),
        (&["hello.zip", "--env-file", "bad.env"], &["bad.env: line 2: "]),
        (&["hello.zip", "--env-file", "missing.env"], &["missing.env: "]),
        (&["hello.zip", "--env-file", "reserved.env"], &["reserved variable name SCF_A"]),
    ] {
        let output = setup.run(args).failed().says(words);
        assert!(!output.stderr.contains("sk-secret"), "{}", output.stderr);
    }
    assert!(setup.changes().is_empty());
}

#[test]
fn zip_too_large_for_an_update_says_what_takes_it() {
    let setup = Setup::new();
    setup.run(&["hello.zip"]).ok();
    setup.changes();
    setup.folder.write("hello.zip", zip("bootstrap", &"x".repeat(20 << 20)));
    setup.run(&["hello.zip"]).failed().says(&["hello.zip: ", "20 MB", "remove the function"]);
    setup.folder.write("other.zip", zip("bootstrap", &"x".repeat(50 << 20)));
    setup.run(&["other.zip"]).failed().says(&["other.zip: ", "50 MB"]);
    assert!(setup.changes().is_empty());
}

#[test]
fn help_and_version_need_nothing() {
    let mut setup = Setup::new();
    setup.env.clear();
    for args in [&["--help"][..], &["-h"], &["status", "--help"], &["hello.zip", "--help"]] {
        let output = setup.run(args).ok();
        assert!(output.stdout.contains("Usage:\n  scf-deploy [options] FUNCTION.zip"));
        let longest = output.stdout.lines().map(str::len).max();
        assert!(longest <= Some(100), "{longest:?}");
    }
    for args in [["--version"], ["-V"]] {
        let version = setup.run(&args).ok().stdout;
        assert_eq!(version, concat!("scf-deploy ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn options_stand_before_or_after_the_command() {
    let setup = Setup::new();
    setup.run(&["--region", "ap-tokyo", "--no-cap", "hello.zip"]).ok();
    setup.run(&["--region=ap-tokyo", "status", "hello"]).ok();
    setup.run(&["status", "hello", "--region", "ap-tokyo"]).ok();
    setup.run(&["remove", "--region", "ap-tokyo", "--", "hello"]).ok();
}

#[test]
fn file_named_like_a_command_needs_a_path() {
    let setup = Setup::new();
    setup.folder.write("status", zip("bootstrap", "x"));
    setup.run(&["./status"]).ok();
    assert!(setup.cloud.state().functions.contains_key("status"));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let setup = Setup::new();
    setup.run(&["hello.zip"]).ok();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = setup.command(&["url", "hello"]);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}
