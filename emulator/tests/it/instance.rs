//! The function's processes: start, exit, freeze, output and errors.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use scf_emulator::{Emulator, Function, Kind, Settings, Source};
use testkit::{Listener, WAIT_LIMIT, Wire, poll, process};

use crate::support::{Package, address, logs, state};

fn limited(package: &Package, time_ms: u64, init_ms: u64) -> Emulator {
    let mut settings = package.settings();
    settings.limits.time = Duration::from_millis(time_ms);
    settings.limits.init = Duration::from_millis(init_ms);
    settings.start("127.0.0.1:0").unwrap()
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
    let expected = "CLASSPATH HOME HOSTNAME LANG LD_LIBRARY_PATH LOGNAME NODE_PATH OPENAI_API_KEY \
                    PATH PWD PYTHONDONTWRITEBYTECODE PYTHONPATH SCF_FUNCTIONNAME \
                    SCF_FUNCTIONVERSION SCF_RUNTIME SCF_RUNTIME_API SCF_RUNTIME_API_PORT SHELL \
                    SHLVL TENCENTCLOUD_APPID TENCENTCLOUD_REGION TENCENTCLOUD_RUNENV \
                    TENCENTCLOUD_TZ TENCENTCLOUD_UIN TZ USER USER_CODE_ROOT _ _HANDLER \
                    _SCF_SERVER_PORT";
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
fn symbolic_link_runs_in_its_own_folder() {
    let target = Package::bash("ready; while next; do reply \"\\\"$(pwd -P)\\\"\"; done");
    let package = Package::new("");
    fs::remove_file(package.bootstrap()).unwrap();
    std::os::unix::fs::symlink(target.bootstrap(), package.bootstrap()).unwrap();
    let reply = package.start().invoke("1").reply.unwrap();
    assert_eq!(String::from_utf8(reply).unwrap(), format!("\"{}\"", package.dir.display()));
}

#[test]
fn folder_and_zip_are_understood() {
    let package = Package::replying("1");
    let reply = |code: &Path| {
        let emulator = Settings::new(Function::new(code)).start("127.0.0.1:0").unwrap();
        (emulator.invoke("1").reply, emulator.pid(), logs(&emulator))
    };
    assert_eq!(reply(&package.dir).0.unwrap(), b"1");

    let path = package.dir.join("function.ZIP");
    let zip = |entries: &[(&str, u32)]| {
        let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, mode) in entries {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
            zip.start_file(*name, options).unwrap();
            zip.write_all(&fs::read(package.bootstrap()).unwrap()).unwrap();
        }
        zip.finish().unwrap();
    };
    zip(&[("bootstrap", 0o755)]);
    assert_eq!(reply(&path).0.unwrap(), b"1");
    zip(&[("bootstrap", 0o644)]);
    assert!(reply(&path).2.contains("not executable"));
    zip(&[("folder/bootstrap", 0o755)]);
    assert!(reply(&path).2.contains("zip the files, not their folder"));
    zip(&[("scf_bootstrap", 0o755), ("app", 0o755)]);
    assert_eq!(Function::new(&path).kind, Kind::WEB);
}

#[test]
fn unpacked_zip_is_removed_with_the_instance() {
    let package = Package::bash("ready; while next; do reply \"\\\"$PWD\\\"\"; done");
    let path = package.dir.join("function.zip");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).unwrap();
    zip.write_all(&fs::read(package.bootstrap()).unwrap()).unwrap();
    zip.finish().unwrap();
    let emulator = Settings::new(Function::new(&path)).start("127.0.0.1:0").unwrap();
    let folder: String = serde_json::from_slice(&emulator.invoke("1").reply.unwrap()).unwrap();
    assert!(Path::new(&folder).join("bootstrap").exists());
    emulator.stop();
    assert!(!Path::new(&folder).exists());
}

#[test]
fn open_files_are_limited_to_1024() {
    let package = Package::bash("ready; while next; do reply \"$(ulimit -n; ulimit -H -n)\"; done");
    assert_eq!(package.start().invoke("1").reply.unwrap(), b"1024\n1024");
}

#[test]
fn function_over_its_memory_is_a_434() {
    let package = Package::bash(
        r#"ready; while next; do
  if [ "$event" = 1 ]; then text=$(head -c 200000000 /dev/zero | tr '\0' x); tail -f /dev/null; fi
  reply 1
done"#,
    );
    let emulator = package.start();
    let failure = emulator.invoke("1").reply.unwrap_err();
    assert_eq!(failure.status, 434, "{}", failure.message);
    assert!(failure.message.contains("(limit 128 MB)"), "{}", failure.message);
    let invocation = emulator.invoke("2");
    assert_eq!(invocation.reply.unwrap(), b"1");
    assert!((1 << 20..128 << 20).contains(&invocation.memory.unwrap()), "{:?}", invocation.memory);
}

#[test]
fn past_peak_of_the_memory_counts() {
    // The large value is gone at the time of the reply.
    let package = Package::bash(
        "ready; while next; do text=$(head -c 200000000 /dev/zero | tr '\\0' x); text=; reply 1; done",
    );
    assert_eq!(package.start().invoke("1").reply.unwrap_err().status, 434);
}

#[test]
fn limits_of_the_platform_are_checked() {
    let check = |change: fn(&mut Settings), error: &str| {
        let mut settings = Package::new("").settings();
        change(&mut settings);
        let found = format!("{:#}", settings.start("127.0.0.1:0").unwrap_err());
        assert!(found.contains(error), "{found}");
    };
    check(|settings| settings.limits.time = Duration::from_secs(901), "time limit 901 s");
    check(|settings| settings.limits.memory_mb = 100, "memory 100 MB");
    check(|settings| settings.limits.memory_mb = 3200, "memory 3200 MB");
    check(|settings| settings.concurrency = 0, "concurrency 0");
}

#[test]
fn cold_start_and_memory_are_reported() {
    let package = Package::replying("1");
    let emulator = package.start();
    for is_cold in [true, false] {
        let invocation = emulator.invoke("1");
        assert_eq!(invocation.cold_start.is_some(), is_cold);
        let id = &invocation.request_id;
        let logs = logs(&emulator);
        let report = logs.lines().find(|line| line.contains(&format!("Report RequestId: {id}")));
        let report = report.unwrap_or_else(|| panic!("{logs}"));
        assert!(report.contains("ms BillDuration:") && report.contains("MB MemUsage:"), "{report}");
        assert_eq!(report.contains("ColdStart:"), is_cold, "{report}");
    }
}

#[test]
fn events_go_to_as_many_instances_as_allowed() {
    let package = Package::bash(
        r#"ready; while next; do
  if [ "$event" = 1 ]; then touch "one-$$"; while [ ! -e go ]; do read -rt 0.01 <> <(:); done; fi
  reply "$$"
done"#,
    );
    let emulator = Settings { concurrency: 2, ..package.settings() }.start("127.0.0.1:0").unwrap();
    // A single event starts no second instance.
    let first = emulator.invoke("0").reply.unwrap();
    assert_eq!(emulator.invoke("0").reply.unwrap(), first);
    assert_eq!(logs(&emulator).matches("started").count(), 1);
    thread::scope(|scope| {
        let parallel = [(); 3].map(|()| scope.spawn(|| emulator.invoke("1").reply.unwrap()));
        let waiting = || fs::read_dir(&package.dir).unwrap().count();
        // The program and a file of each busy instance.
        wait_until(|| waiting() == 3);
        fs::write(package.dir.join("go"), "").unwrap();
        let mut replies = parallel.map(|thread| thread.join().unwrap());
        replies.sort();
        assert!(replies[0] != replies[2] && replies.contains(&first), "{replies:?}");
    });
    assert_eq!(logs(&emulator).matches("started").count(), 2);
}

#[test]
fn restart_runs_the_current_files() {
    let package = Package::replying("1");
    let emulator = package.start();
    assert_eq!(emulator.invoke("0").reply.unwrap(), b"1");
    let first = emulator.pid();
    let text = fs::read_to_string(package.bootstrap()).unwrap();
    fs::write(package.bootstrap(), text.replace("reply '1'", "reply '2'")).unwrap();
    emulator.restart();
    // The new instance starts without an event.
    wait_until(|| emulator.pid().is_some_and(|pid| Some(pid) != first));
    assert_eq!(emulator.invoke("0").reply.unwrap(), b"2");
}

#[test]
fn restart_during_an_event_is_a_499() {
    let package = Package::bash("ready; while next; do touch fetched; tail -f /dev/null; done");
    let emulator = package.start();
    thread::scope(|scope| {
        let invocation = scope.spawn(|| emulator.invoke("1"));
        wait_until(|| package.dir.join("fetched").exists());
        emulator.restart();
        let failure = invocation.join().unwrap().reply.unwrap_err();
        assert_eq!(failure.status, 499);
        assert!(failure.message.contains("restarted"), "{}", failure.message);
    });
}

#[test]
fn process_in_its_own_session_delays_nothing_and_ends() {
    let package = Package::bash(
        "(setsid tail -f /dev/null & echo $! > escaped); ready; while next; do exit 3; done",
    );
    let emulator = package.start();
    let began = Instant::now();
    assert_eq!(emulator.invoke("1").reply.unwrap_err().status, 439);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let pid = fs::read_to_string(package.dir.join("escaped")).unwrap().trim().parse().unwrap();
    wait_until(|| matches!(state(pid), None | Some('Z')));
}

#[test]
fn causes_of_an_exit_name_the_cure() {
    let check = |script: &str, hint: &str| {
        let package = Package::bash(script);
        let failure = package.start().invoke("1").reply.unwrap_err();
        assert!(failure.message.contains(hint), "{script}: {}", failure.message);
    };
    check("exec no-such-interpreter", "--env PATH passes your PATH");
    check("touch file; exec ./file", "run chmod 755");
    check("echo 'panicked: Missing AWS_LAMBDA_FUNCTION_NAME env var'; exit 101", "AWS Lambda");
}

#[test]
fn binary_for_another_machine_is_named() {
    let mut elf = fs::read(std::env::current_exe().unwrap()).unwrap();
    elf.truncate(4096);
    // The machine in the header: ARM64.
    elf[18] = 183;
    let package = Package::new("");
    fs::write(package.bootstrap(), elf).unwrap();
    let failure = package.start().invoke("1").reply.unwrap_err();
    assert_eq!(failure.status, 405);
    assert!(failure.message.contains("build it for x86-64"), "{}", failure.message);
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
    let response = client.last_response();
    assert_eq!(response.status(), 499);
    assert!(response.text().contains("the emulator has stopped"), "{}", response.text());
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
