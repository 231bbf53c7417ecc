//! `status`, `url`, `invoke`, `logs` and `remove`.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    cloud::{Fault, LogLine},
    support::{ADDRESS, SECRET, Setup},
};

fn deployed() -> Setup {
    let setup = Setup::new();
    setup.run(&["hello.zip", "--env", &format!("KEY={SECRET}"), "--env", "A=1"]).ok();
    setup.changes();
    setup
}

#[test]
fn status_shows_everything_but_values() {
    let setup = deployed();
    let output = setup.run(&["status", "hello"]).ok();
    for words in ["Active", "Event, CustomRuntime", "64 MB", "60 s", "A KEY", "640 MB", ADDRESS] {
        assert!(output.stdout.contains(words), "{words}: {}", output.stdout);
    }
    assert!(setup.changes().is_empty());
}

#[test]
fn status_can_be_json() {
    let setup = deployed();
    let output = setup.run(&["status", "hello", "--json"]).ok();
    let status: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        status,
        json!({
            "name": "hello", "region": "ap-singapore", "status": "Active", "type": "Event",
            "runtime": "CustomRuntime", "memory": 64, "timeout": 60, "variables": ["A", "KEY"],
            "cap": 640, "url": ADDRESS,
        })
    );
}

#[test]
fn status_of_a_bare_function_says_none() {
    let setup = Setup::new();
    setup.run(&["hello.zip", "--no-cap"]).ok();
    setup.cloud.state().functions.get_mut("hello").unwrap().triggers.clear();
    let output = setup.run(&["status", "hello"]).ok();
    for line in ["variables  none", "cap        none", "address    none"] {
        assert!(output.stdout.contains(line), "{line}: {}", output.stdout);
    }
    setup.cloud.state().hides_environment = true;
    assert!(setup.run(&["status", "hello"]).ok().stdout.contains("variables  not shown"));
}

#[test]
fn url_prints_the_address_alone() {
    let setup = deployed();
    for args in [&["url", "hello"][..], &["url", "--name", "hello"], &["url", "dist/hello.zip"]] {
        assert_eq!(setup.run(args).ok().stdout, format!("{ADDRESS}\n"));
    }
    setup.cloud.state().functions.get_mut("hello").unwrap().triggers.clear();
    let output = setup.run(&["url", "hello"]).failed();
    assert_eq!(output.stdout, "");
    output.says(&["no Function URL", "scf-deploy FUNCTION.zip"]);
}

#[test]
fn status_takes_the_options_of_a_deployment() {
    let setup = deployed();
    let args = ["status", "--memory", "128", "--env", "A=1", "--name", "hello", "other.zip"];
    setup.run(&args).ok();
    assert!(setup.changes().is_empty());
}

#[test]
fn missing_function_is_an_error() {
    let setup = Setup::new();
    for command in ["status", "url", "logs", "invoke"] {
        let output = setup.run(&[command, "hello"]).no_function();
        output.says(&["hello in ap-singapore does not exist", "--region"]);
    }
}

#[test]
fn invoke_prints_the_reply_and_the_log() {
    let setup = deployed();
    let event = setup.folder.write("event.json", "\u{feff}{\"question\": \"hi\"}\n");
    let output = setup.run(&["invoke", "hello", "-e", event.to_str().unwrap()]).ok();
    assert_eq!(output.stdout, "got {\"question\": \"hi\"}\n");
    output.says(&["hello\n", "1.5 ms", "3.0 MB", "r-1"]);
    assert_eq!(setup.run(&["invoke", "hello"]).ok().stdout, "got {}\n");
}

#[test]
fn invoke_reads_standard_input() {
    let setup = deployed();
    let mut child = setup
        .command(&["invoke", "-e", "-", "hello"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"[1]").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "got [1]\n");
}

#[test]
fn failure_of_the_function_is_a_failure() {
    let setup = deployed();
    setup.folder.write("event.json", "{\"fail\": true}");
    let output = setup.run(&["invoke", "hello", "-e", "event.json"]).failed();
    assert_eq!(output.stdout, "got {\"fail\": true}\n");
    output.says(&["the function failed: it failed"]);
}

#[test]
fn event_that_is_not_json_is_not_sent() {
    let setup = deployed();
    for text in ["", "question", "{\"a\":1} x"] {
        setup.folder.write("event.json", text);
        setup.run(&["invoke", "hello", "-e", "event.json"]).failed().says(&["event.json: "]);
    }
    setup.run(&["invoke", "hello", "-e", "missing.json"]).failed().says(&["missing.json: "]);
    assert!(setup.changes().is_empty());
}

#[test]
fn web_function_cannot_be_invoked() {
    let setup = Setup::new();
    setup.run(&["site.zip"]).ok();
    setup.run(&["invoke", "site"]).failed().says(&["Web function", "scf-deploy url site"]);
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn line(id: u32, time: i64, message: &str) -> LogLine {
    let fields = json!({"SCF_RequestId": format!("r-{id}"), "SCF_Message": message});
    LogLine { time, id, fields }
}

/// `logs --follow`, which is ended in the end.
struct Follow {
    child: Child,
    lines: Receiver<String>,
}

impl Follow {
    fn start(setup: &Setup) -> Self {
        let mut command = setup.command(&["logs", "--follow", "hello"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// The message of the next line.
    #[track_caller]
    fn next(&self) -> String {
        let mut line = self.lines.recv_timeout(Duration::from_secs(30)).expect("a line");
        line.split_off(30)
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn logs_print_the_last_hour_in_order() {
    let setup = deployed();
    let now = now();
    setup.cloud.state().logs = vec![
        line(3, now - 1000, "three \u{1b}[2J"),
        line(1, now - 2000, "one"),
        line(2, now - 2000, "two"),
        line(0, now - 4_000_000, "too old"),
    ];
    let output = setup.run(&["logs", "hello"]).ok();
    let lines: Vec<_> = output.stdout.lines().map(|line| &line[23..]).collect();
    assert_eq!(lines, ["  r-1  one", "  r-2  two", "  r-3  three [2J"]);
    let search = setup.cloud.calls().pop().unwrap();
    assert_eq!(
        search.body["QueryString"],
        "SCF_FunctionName:\"hello\" AND SCF_Namespace:\"default\""
    );
    assert_eq!(search.body["TopicId"], "topic-1");
}

#[test]
fn logs_follow_new_lines_and_late_ones() {
    let setup = deployed();
    let now = now();
    setup.cloud.state().logs = vec![line(2, now, "two")];
    let follow = Follow::start(&setup);
    assert_eq!(follow.next(), "two");
    let more = (3..8).map(|id| line(id, now + 1, "more"));
    setup.cloud.state().logs.extend(more);
    for _ in 3..8 {
        assert_eq!(follow.next(), "more");
    }
    setup.cloud.state().logs.extend([line(1, now - 5000, "late"), line(9, now + 2, "last")]);
    // Pages may shift in between, so that the order is open.
    let mut both = [follow.next(), follow.next()];
    both.sort();
    assert_eq!(both, ["last", "late"]);
}

#[test]
fn logs_end_quietly_if_nothing_reads_them() {
    let setup = deployed();
    setup.cloud.state().logs = vec![line(1, now(), "one")];
    let mut command = setup.command(&["logs", "--follow", "hello"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
}

#[test]
fn function_without_a_log_topic_says_so() {
    let setup = deployed();
    setup.cloud.state().functions.get_mut("hello").unwrap().topic = "";
    setup.run(&["logs", "hello"]).failed().says(&["no log topic", "console"]);
}

#[test]
fn log_service_can_have_an_endpoint_of_its_own() {
    let (setup, other) = (deployed(), Setup::new());
    other.cloud.state().logs = vec![line(1, now(), "elsewhere")];
    let endpoint = other.cloud.endpoint();
    let output = setup.run(&["logs", "hello", "--cls-endpoint", &endpoint]).ok();
    assert!(output.stdout.ends_with("elsewhere\n"), "{}", output.stdout);
}

#[test]
fn remove_deletes_triggers_then_the_function() {
    let setup = deployed();
    setup.run(&["remove", "hello"]).ok().says(&["removed hello in ap-singapore"]);
    assert_eq!(setup.changes(), ["DeleteTrigger", "DeleteFunction"]);
    assert!(setup.cloud.state().functions.is_empty());
    setup.run(&["remove", "hello"]).ok().says(&["nothing to remove"]);
    assert!(setup.changes().is_empty());
}

#[test]
fn remove_can_be_repeated_after_a_failure_at_each_step() {
    for step in ["GetFunction", "ListTriggers", "DeleteTrigger", "DeleteFunction"] {
        for fault in [Fault::Code("InternalError".to_owned()), Fault::CloseAfter] {
            let setup = deployed();
            setup.cloud.fail(step, fault);
            setup.run(&["remove", "hello"]).failed().says(&[step]);
            setup.cloud.heal();
            setup.run(&["remove", "hello"]).ok();
            assert!(setup.cloud.state().functions.is_empty());
        }
    }
}

#[test]
fn remove_names_the_domain_that_uses_the_url() {
    let setup = deployed();
    setup.cloud.state().functions.get_mut("hello").unwrap().triggers[0]["BoundResources"] =
        json!("ask.example.com");
    let code = "FailedOperation.DeleteTrigger.UrlUsed";
    setup.cloud.fail("DeleteTrigger", Fault::Code(code.to_owned()));
    setup.run(&["remove", "hello"]).failed().says(&["ask.example.com", "unbind the domain", code]);
    assert!(!setup.cloud.state().functions.is_empty());
}

#[test]
fn deployment_after_a_removal_begins_anew() {
    let setup = deployed();
    setup.run(&["remove", "hello"]).ok();
    setup.run(&["hello.zip"]).ok().says(&["created hello"]);
}
