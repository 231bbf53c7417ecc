//! The command line.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
};

use testkit::{Listener, WAIT_LIMIT, Wire, free_port, poll, process};

use crate::support::{LISTEN, Package, Running, command, output, send_to, state};

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
fn unread_output_stops_nothing() {
    let package = Package::bash(
        r#"echo $$ > pid; for i in {1..2000}; do printf '%0200d\n' $i; printf '%0200d\n' $i >&2; done
ready; while next; do grep -q /slow <<< "$event" && tail -f /dev/null; reply 1; done"#,
    );
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut command = command();
    command.args(["--listen", &address.to_string(), "--time-limit", "2"]);
    let mut child = command.arg(package.bootstrap()).spawn().unwrap();
    let get = |path: &str| send_to(address, &format!("GET {path}"), &[], b"");
    assert!(poll(WAIT_LIMIT, || TcpStream::connect(address).is_ok()));
    assert_eq!(get("/").status(), 200);
    assert_eq!(get("/slow").status(), 433);
    assert_eq!(get("/").status(), 200);
    let pid = fs::read_to_string(package.dir.join("pid")).unwrap().trim().parse().unwrap();
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    let has_ended = poll(WAIT_LIMIT, || child.try_wait().unwrap().is_some());
    child.kill().unwrap();
    assert!(has_ended && state(pid).is_none());
}

#[test]
fn function_ends_if_the_emulator_is_killed() {
    for options in [&[][..], &["--freeze"]] {
        let package = Package::bash(
            "setsid tail -f /dev/null & echo $! > child; ready; while next; do reply $$; done",
        );
        let running = Running::start(command().args(LISTEN).args(options).arg(package.bootstrap()));
        let function = running.get("/").text().parse().unwrap();
        let child = fs::read_to_string(package.dir.join("child")).unwrap().trim().parse().unwrap();
        if !options.is_empty() {
            process::wait_until_stopped(function);
        }
        running.process.kill();
        for pid in [function, child] {
            let has_ended = || matches!(state(pid), None | Some('Z'));
            assert!(poll(WAIT_LIMIT, has_ended), "{options:?}: {pid} runs");
        }
    }
}

#[test]
fn interrupt_during_an_event_answers_the_client() {
    let package = Package::bash("ready; while next; do touch fetched; tail -f /dev/null; done");
    let running = Running::start(command().args(LISTEN).arg(package.bootstrap()));
    let mut client = Wire::connect(running.address);
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(poll(WAIT_LIMIT, || package.dir.join("fetched").exists()));
    running.process.signal("INT");
    assert_eq!(client.last_response().status(), 499);
    assert!(running.process.wait().success());
}

#[test]
fn memory_of_parallel_bodies_is_given_back() {
    let package = Package::bash(
        r#"ready; while curl -s -o /dev/null "$api/invocation/next"; do reply 1; done"#,
    );
    let running = Running::start(command().args(LISTEN).arg(package.bootstrap()));
    let body = vec![b'x'; 4_000_000];
    thread::scope(|scope| {
        let send = || send_to(running.address, "POST /", &[], &body).status();
        let clients = [(); 8].map(|()| scope.spawn(send));
        assert_eq!(clients.map(|client| client.join().unwrap()), [200; 8]);
    });
    let memory = |field: &str| process::memory(running.process.id(), field).unwrap();
    assert!(memory("VmHWM") < 64_000, "{} kB", memory("VmHWM"));
    assert!(poll(WAIT_LIMIT, || memory("VmRSS") < 24_000), "{} kB", memory("VmRSS"));
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
    check(&["--name", "mine", "--platform", "COPIED=d"], ",d,,mine");
    let file = |name: &str, text: &str| {
        let path = package.dir.join(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let first = file("first.env", "# mine\nMINE='a b'\nOTHER=$x\n");
    let last = file("last.env", "OTHER=c\n");
    check(&["--env", "COPIED=d", "--env-file", &first, "--env-file", &last], "a b,d,c,local");
    check(&["--env", "MINE=d", "--env-file", &first], "d,,$x,local");
}

#[test]
fn variables_that_are_not_passed_are_named() {
    let package = Package::replying("1");
    let mut command = command();
    command.envs([("SCF_MINE", "a"), ("MINE", "b")]);
    let running = Running::start(command.args(LISTEN).arg("--env-all").arg(package.bootstrap()));
    let lines = running.process.stderr.all();
    assert!(lines.iter().any(|line| line.ends_with("not passed: SCF_MINE")), "{lines:?}");
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
    let source = include_str!("../../src/args.rs");
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
