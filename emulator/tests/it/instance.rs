//! The function's processes: start, exit, freeze, output and errors.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use scf_emulator::{Emulator, Function, Settings, Source};
use testkit::{Listener, WAIT_LIMIT, Wire, poll, process};

use crate::support::{Package, address};

fn limited(package: &Package, time_ms: u64, init_ms: u64) -> Emulator {
    let mut settings = package.settings();
    settings.limits.time = Duration::from_millis(time_ms);
    settings.limits.init = Duration::from_millis(init_ms);
    settings.start("127.0.0.1:0").unwrap()
}

/// Returns the state of a process from `/proc`, such as `S`, or `T` for stopped. Returns `None` if
/// the process does not exist.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Waits for a condition.
#[track_caller]
fn wait_until(condition: impl FnMut() -> bool) {
    assert!(poll(WAIT_LIMIT, condition), "timed out");
}

#[test]
fn environment_has_only_the_platforms_variables() {
    let package =
        Package::bash("ready; while next; do reply \"\\\"$(env | sort | base64 -w 0)\\\"\"; done");
    let function = Function::new(package.bootstrap())
        .env("OPENAI_API_KEY", "sk-test")
        .env("TZ", "Asia/Shanghai");
    let emulator = Settings::new(function).start("127.0.0.1:0").unwrap();
    let reply = emulator.invoke("1").reply.unwrap();
    let text = String::from_utf8(reply).unwrap();
    let output = std::process::Command::new("bash")
        .args(["-c", "printf %s \"$0\" | base64 -d", text.trim_matches('"')])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let expected = "HOME LANG LOGNAME OPENAI_API_KEY PATH PWD SCF_FUNCTIONNAME \
                    SCF_FUNCTIONVERSION SCF_RUNTIME SCF_RUNTIME_API SCF_RUNTIME_API_PORT SHELL \
                    SHLVL TENCENTCLOUD_RUNENV TENCENTCLOUD_TZ TZ USER USER_CODE_ROOT _ _HANDLER";
    assert_eq!(names.join(" "), expected);
    for line in [
        "SCF_RUNTIME_API=127.0.0.1".to_owned(),
        format!("SCF_RUNTIME_API_PORT={}", emulator.runtime_api().port()),
        "TENCENTCLOUD_RUNENV=SCF".to_owned(),
        "OPENAI_API_KEY=sk-test".to_owned(),
        "TZ=Asia/Shanghai".to_owned(),
        format!("PWD={}", package.dir.display()),
        format!("USER_CODE_ROOT={}/", package.dir.display()),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[test]
fn invalid_variables_are_an_error() {
    let check = |name: &str, value: &str, message: &str| {
        let error = Settings::new(Function::new("/bin/true").env(name, value))
            .start("127.0.0.1:0")
            .unwrap_err();
        assert!(format!("{error:#}").contains(message), "{error:#}");
    };
    check("SCF_MINE", "x", "reserved");
    check("TENCENTCLOUD_REGION", "x", "reserved");
    check("1A", "x", "use a letter, then");
    check("A-B", "x", "use a letter, then");
    check("A", &"x".repeat(4096), "4096");
}

#[test]
fn working_directory_is_the_folder_of_the_program() {
    let package = Package::bash("ready; while next; do reply \"\\\"$(pwd -P) $1\\\"\"; done");
    let settings = Settings::new(Function::new(package.bootstrap()).arg("more"));
    let reply = settings.start("127.0.0.1:0").unwrap().invoke("1").reply.unwrap();
    assert_eq!(String::from_utf8(reply).unwrap(), format!("\"{} more\"", package.dir.display()));
}

#[test]
fn function_that_is_never_ready_is_a_450() {
    let package = Package::bash("echo loading; tail -f /dev/null");
    let emulator = limited(&package, 60_000, 1000);
    let invocation = emulator.invoke("1");
    let failure = invocation.reply.unwrap_err();
    assert_eq!(failure.status, 450);
    assert!(
        failure.message.contains("no POST /runtime/init/ready in 1 seconds"),
        "{}",
        failure.message
    );
    assert_eq!(invocation.log, ["loading"]);
    assert!(emulator.pid().is_none());
}

#[test]
fn next_before_ready_is_named_in_the_450() {
    let package = Package::bash("next");
    let failure = limited(&package, 60_000, 1000).invoke("1").reply.unwrap_err();
    assert!(
        failure.status == 450
            && failure.message.contains("/runtime/invocation/next returns no event"),
        "{}",
        failure.message
    );
}

#[test]
fn exit_before_ready_is_a_405() {
    let package =
        Package::bash("[ -e started ] && tail -f /dev/null; touch started; echo no key; exit 2");
    let emulator = package.start();
    // The first instance starts without an event, and its exit is logged.
    wait_until(|| emulator.logs().iter().any(|line| line.text.contains("exit status: 2")));
    fs::remove_file(package.dir.join("started")).unwrap();
    let invocation = emulator.invoke("1");
    let failure = invocation.reply.unwrap_err();
    assert!(
        failure.status == 405 && failure.message.contains("exit status: 2"),
        "{}",
        failure.message
    );
    assert_eq!(invocation.log, ["no key"]);
}

#[test]
fn start_error_is_a_405_with_its_cause() {
    let check = |function: &Path, cause: &str| {
        let emulator = Settings::new(Function::new(function)).start("127.0.0.1:0").unwrap();
        let failure = emulator.invoke("1").reply.unwrap_err();
        assert_eq!(failure.status, 405);
        assert!(failure.message.contains(cause), "{}", failure.message);
    };
    check(Path::new("/no/such/bootstrap"), "does not exist");
    let package = Package::new("#!/bin/bash\r\necho hi\r\n");
    check(&package.bootstrap(), "CR LF");
    let package = Package::new("#!/no/such/interpreter\n");
    check(&package.bootstrap(), "interpreter");
    let package = Package::new("echo hi\n");
    check(&package.bootstrap(), "#!");
    fs::set_permissions(package.bootstrap(), fs::Permissions::from_mode(0o644)).unwrap();
    check(&package.bootstrap(), "not executable");
}

#[test]
fn time_limit_is_a_433_and_starts_a_new_instance() {
    let package = Package::bash(
        r#"ready; while next; do
  [ "$event" = '"slow"' ] && tail -f /dev/null
  reply "\"quick\""
done"#,
    );
    let emulator = limited(&package, 2000, 60_000);
    assert_eq!(emulator.invoke("1").reply.unwrap(), b"\"quick\"");
    let first = emulator.pid().unwrap();
    let failure = emulator.invoke("\"slow\"").reply.unwrap_err();
    assert_eq!(
        (failure.status, failure.message.as_str()),
        (433, "Invoking task timed out after 2 seconds")
    );
    assert_eq!(state(first), None);
    assert_eq!(emulator.invoke("1").reply.unwrap(), b"\"quick\"");
    assert_ne!(emulator.pid(), Some(first));
}

#[test]
fn event_that_is_not_fetched_is_a_433() {
    let package = Package::bash("ready; tail -f /dev/null");
    let failure = limited(&package, 300, 60_000).invoke("1").reply.unwrap_err();
    assert_eq!(failure.status, 433);
    assert!(failure.message.starts_with("Event acquisition wait timeout"), "{}", failure.message);
}

#[test]
fn exit_during_an_event_is_a_439() {
    let package = Package::bash("ready; next; kill -9 $$");
    let emulator = package.start();
    let failure = emulator.invoke("1").reply.unwrap_err();
    assert!(failure.status == 439 && failure.message.contains("signal: 9"), "{}", failure.message);
    // The next event gets a new instance.
    assert_eq!(emulator.invoke("1").reply.unwrap_err().status, 439);
}

#[test]
fn function_may_exit_after_each_reply() {
    let package = Package::bash("ready; next; reply \"\\\"$$\\\"\"");
    let emulator = package.start();
    let replies = [(); 5].map(|()| emulator.invoke("1").reply.unwrap());
    for (i, reply) in replies.iter().enumerate() {
        assert!(!replies[..i].contains(reply), "{replies:?}");
    }
}

#[test]
fn reply_over_6_mb_is_a_407_and_the_instance_stays() {
    let package = Package::bash(
        r#"ready
while next; do
  head -c "$event" /dev/zero | tr '\0' 7 |
    curl -s -o answer -w '%{http_code}\n' --data-binary @- "$api/invocation/response"
done"#,
    );
    let emulator = package.start();
    let pid = emulator.pid();
    let invocation = emulator.invoke("7000000");
    assert_eq!(invocation.reply.unwrap_err().status, 407);
    assert_eq!(emulator.invoke("6291456").reply.unwrap().len(), 6_291_456);
    assert_eq!(emulator.invoke("6291457").reply.unwrap_err().status, 407);
    assert_eq!(emulator.pid(), pid);
    assert!(emulator.logs().iter().any(|line| line.source == Source::Stdout && line.text == "413"));
}

#[test]
fn log_is_complete_when_invoke_returns() {
    let package = Package::bash(
        r#"echo at start; ready; while next; do
  for i in {1..200}; do echo "line $i of $event"; done
  printf 'a\r\nerror\n' >&2; printf unfinished; reply 1
done"#,
    );
    let emulator = package.start();
    let log = emulator.invoke("1").log;
    assert!(
        log.contains(&"at start".to_owned()) && log.contains(&"line 200 of 1".to_owned()),
        "{log:?}"
    );
    for event in 2..5 {
        let log = emulator.invoke(event.to_string()).log;
        assert_eq!(log.len(), 202, "{log:?}");
        assert!(
            log.contains(&format!("line 200 of {event}")) && log.contains(&"error".to_owned()),
            "{log:?}"
        );
        assert_eq!(log.iter().filter(|line| line.starts_with("unfinished")).count(), 1, "{log:?}");
    }
}

#[test]
fn line_over_8_kb_is_split() {
    let package =
        Package::bash("ready; while next; do printf '%020000d\\nend\\n' 0; reply 1; done");
    let log = package.start().invoke("1").log;
    assert_eq!(log.iter().map(String::len).collect::<Vec<_>>(), [8192, 8192, 3616, 3]);
}

#[test]
fn instance_is_frozen_between_events() {
    let package = Package::replying("1");
    let emulator = Settings { freeze: true, ..package.settings() }.start("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        emulator.invoke("1").reply.unwrap();
        process::wait_until_stopped(emulator.pid().unwrap());
    }
    let pid = emulator.pid().unwrap();
    emulator.stop();
    assert_eq!(state(pid), None);
}

#[test]
fn dropping_the_emulator_kills_the_process_group() {
    let package =
        Package::bash("tail -f /dev/null & echo $! > child; ready; while next; do reply 1; done");
    let emulator = package.start();
    emulator.invoke("1").reply.unwrap();
    let pid = emulator.pid().unwrap();
    let child: u32 = fs::read_to_string(package.dir.join("child")).unwrap().trim().parse().unwrap();
    assert!(state(pid).is_some() && state(child).is_some());
    drop(emulator);
    assert_eq!(state(pid), None);
    // Its parent is gone, so init reaps it at some later time.
    wait_until(|| matches!(state(child), None | Some('Z')));
}

#[test]
fn stopping_during_an_event_kills_the_function() {
    let package = Package::bash("ready; while next; do touch fetched; tail -f /dev/null; done");
    let emulator = package.start();
    let pid = emulator.pid().unwrap();
    let mut client = Wire::connect(address(&emulator));
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_until(|| package.dir.join("fetched").exists());
    emulator.stop();
    // The connection ends, with or without a response.
    client.rest();
    assert_eq!(state(pid), None);
}

#[test]
fn emulator_works_inside_async_code() {
    let package = Package::replying("1");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let emulator = package.start();
        assert_eq!(emulator.invoke("1").reply.unwrap(), b"1");
        emulator.stop();
        let occupied = Listener::bind();
        package.settings().start(occupied.address()).unwrap_err();
    });
}
