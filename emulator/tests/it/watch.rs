//! `--watch` and `--build`.

use std::fs;

use testkit::{WAIT_LIMIT, poll};

use crate::support::{LISTEN, Package, Running, command};

#[test]
fn changed_files_restart_the_function() {
    let package = Package::bash("ready; while next; do reply \"$(< text)\"; done");
    fs::write(package.dir.join("text"), "1").unwrap();
    let running = Running::start(command().args(LISTEN).arg("--watch").arg(package.bootstrap()));
    assert_eq!(running.get("/").text(), "1");
    fs::write(package.dir.join("text"), "22").unwrap();
    let starts = || running.process.stderr.all().iter().filter(|it| it.contains("started")).count();
    assert!(poll(WAIT_LIMIT, || starts() == 2), "{:?}", running.process.output());
    assert_eq!(running.get("/").text(), "22");
    let restart = |line: &String| line.ends_with("text has changed: restarting the function");
    assert_eq!(running.process.stderr.all().iter().filter(|line| restart(line)).count(), 1);
}

#[test]
fn changed_sources_are_built_first() {
    let source = Package::named("source", "ready; while next; do reply 1; done");
    let package = Package::bash(". ./built");
    let command = || {
        let build = format!("cp source '{}/built' && echo built", package.dir.display());
        let mut command = command();
        command.current_dir(&source.dir).args(LISTEN).arg("--watch").args(["--build", &build]);
        command.arg(package.bootstrap());
        command
    };
    let running = Running::start(&mut command());
    assert_eq!(running.get("/").text(), "1");

    // A failed build leaves the function as it is.
    fs::remove_file(source.bootstrap()).unwrap();
    fs::write(source.dir.join("other"), "").unwrap();
    running.process.wait_for_line(WAIT_LIMIT, &["build command failed"]).unwrap();
    assert_eq!(running.get("/").text(), "1");
    let (status, text) = {
        let output = command().output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert!(status == Some(2) && text.contains("build command failed: cp source"), "{text}");

    fs::write(source.bootstrap(), "ready; while next; do reply 22; done").unwrap();
    running.process.wait_for_line(WAIT_LIMIT, &["built has changed: restarting"]).unwrap();
    assert!(poll(WAIT_LIMIT, || running.get("/").text() == "22"), "{:?}", running.process.output());
}
