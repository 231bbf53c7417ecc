//! The command line.

use std::{fs, net::SocketAddr, process::Command};

use testkit::{Listener, Process, Response, process};

use crate::support::{Package, send_to};

/// Returns the command with an empty environment except `PATH`.
fn command() -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_scf-emulator"));
    command.env("PATH", "/usr/bin:/bin");
    command
}

/// Options for a free port.
const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// A running command and the address that it prints.
struct Running {
    process: Process,
    address: SocketAddr,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let process = Process::spawn(command);
        let address = loop {
            if let Some(rest) = process.stderr.next().trim().strip_prefix("curl 'http://") {
                break rest.split_once('/').unwrap().0.parse().unwrap();
            }
        };
        Self { process, address }
    }

    fn get(&self, path: &str) -> Response {
        send_to(self.address, &format!("GET {path}"), &[], b"")
    }
}

/// Runs the command to its end. Returns the exit status and the output.
fn output(args: &[&str]) -> (i32, String) {
    let output = command().args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn signals_end_the_emulator_and_the_function() {
    for signal in ["TERM", "INT", "HUP"] {
        let package = Package::bash("echo $$ > pid; ready; while next; do reply '\"hello\"'; done");
        let running = Running::start(command().args(LISTEN).arg(package.bootstrap()));
        assert_eq!(running.get("/?question=hello").text(), "\"hello\"");
        let pid = fs::read_to_string(package.dir.join("pid")).unwrap();
        running.process.signal(signal);
        assert!(running.process.wait().success());
        assert!(!fs::exists(format!("/proc/{}", pid.trim())).unwrap());
    }
}

#[test]
fn function_output_is_printed() {
    let package = Package::bash("ready; while next; do echo out; echo err >&2; reply 1; done");
    let running = Running::start(command().args(LISTEN).arg(package.bootstrap()));
    running.get("/path?token=secret");
    running.process.signal("TERM");
    assert_eq!(running.process.stdout.until_end(), ["out"]);
    let lines = running.process.stderr.until_end();
    assert!(lines.contains(&"err".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("[scf] GET /path 200 ")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:?}");
}

#[test]
fn variables_are_passed_only_by_name() {
    let package = Package::bash(
        r#"ready; while next; do reply "\"$MINE,$COPIED,$OTHER,$SCF_FUNCTIONNAME\""; done"#,
    );
    let check = |args: &[&str], expected: &str| {
        let mut command = command();
        command.envs([("COPIED", "b"), ("OTHER", "c"), ("SCF_FUNCTIONNAME", "d")]);
        let running = Running::start(command.args(LISTEN).args(args).arg(package.bootstrap()));
        assert_eq!(running.get("/").text(), format!("\"{expected}\""));
    };
    check(&[], ",,,local");
    check(&["--env", "MINE=a=1", "--env", "COPIED"], "a=1,b,,local");
    check(&["--env-all", "--env", "MINE=a"], "a,b,c,local");
}

#[test]
fn options_reach_the_function() {
    let package = Package::bash(
        r#"ready
while curl -s -D head "$api/invocation/next" -o event; do
  reply "\"$(grep -c -e '_in_ms: 2500' -e '_in_mb: 256' head) $1\""
done"#,
    );
    let mut command = command();
    command.envs([("HOST", "127.0.0.1"), ("PORT", "0")]);
    command.args([
        "--time-limit",
        "2.5",
        "--memory=256",
        "--init-timeout",
        "30",
        "--freeze",
        "--passthrough",
    ]);
    let running = Running::start(command.arg(package.bootstrap()).arg("--listen"));
    assert_eq!(running.get("/").text(), "\"2 --listen\"");
}

#[test]
fn command_line_errors_are_one_line() {
    let check = |args: &[&str], status: i32, error: &str| {
        let (exit_status, text) = output(args);
        assert!(exit_status == status && text.contains(error), "{args:?}: {exit_status} {text}");
        assert!(!text.contains("panicked") && text.lines().count() == 1, "{args:?}: {text}");
    };
    check(&[], 2, "missing bootstrap file");
    check(&["--no-such"], 2, "unknown option --no-such");
    check(&["-x"], 2, "unknown option -x");
    check(&["--listen"], 2, "--listen");
    check(&["./no/such/bootstrap"], 2, "bootstrap file ./no/such/bootstrap does not exist");
    check(&["--time-limit", "0", "/bin/true"], 2, "invalid duration \"0\"");
    check(&["--init-timeout", "-1", "/bin/true"], 2, "invalid duration \"-1\"");
    check(&["--memory", "much", "/bin/true"], 2, "invalid memory \"much\"");
    check(&["--env", "NOT_SET_HERE", "/bin/true"], 2, "invalid variable \"NOT_SET_HERE\"");
    check(&["--listen", "nowhere", "/bin/true"], 2, "invalid address \"nowhere\"");
    check(&["--env", "SCF_X=1", "/bin/true"], 1, "variable name SCF_X is reserved");

    let occupied = Listener::bind();
    let address = occupied.address().to_string();
    let error = format!("address {address} is already in use");
    check(&["--listen", &address, "/bin/true"], 1, &error);
}

#[test]
fn help_and_readme_list_every_option() {
    let (status, help) = output(&["--help"]);
    assert_eq!(status, 0);
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let source = include_str!("../../src/main.rs");
    let options: Vec<_> =
        source.split("Arg::Long(\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    assert!(options.len() > 10);
    for option in options {
        assert!(help.contains(&format!("--{option}")), "--{option} in --help");
        assert!(readme.contains(&format!("--{option}")), "--{option} in README.md");
    }
    assert_eq!(
        output(&["--version"]),
        (0, concat!("scf-emulator ", env!("CARGO_PKG_VERSION"), "\n").to_owned())
    );
}
