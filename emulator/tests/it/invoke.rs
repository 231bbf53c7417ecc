//! Single events: `scf-emulator invoke`, and the cloud API.

use std::{fs, io::Write, process::Stdio};

use scf_emulator::Emulator;
use serde_json::{Value, json};
use testkit::{WAIT_LIMIT, poll};

use crate::support::{Package, command, logs, output, send};

/// Creates a function that replies with the event, prints `seen`, and fails for `"fail"`.
fn echo() -> Package {
    Package::bash(
        r#"ready; while next; do
  echo seen
  if [ "$event" = '"fail"' ]; then fail "the cause"; else reply "$event"; fi
done"#,
    )
}

/// Calls the cloud API. Returns `Response`, which has a `RequestId`.
fn call(emulator: &Emulator, action: &str, parameters: &str) -> Value {
    let headers = ["X-TC-Version: 2018-04-16", &format!("X-TC-Action: {action}")];
    let response = send(emulator, "POST /", &headers, parameters.as_bytes());
    assert_eq!(response.status(), 200);
    let response = response.json()["Response"].take();
    assert_eq!(response["RequestId"].as_str().unwrap().len(), 36);
    response
}

#[test]
fn invoke_prints_the_reply() {
    let package = echo();
    let path = package.bootstrap().into_os_string().into_string().unwrap();
    let event = package.dir.join("event.json");
    fs::write(&event, "[1]").unwrap();
    let check = |args: &[&str], expected: &str| {
        let output = command().arg("invoke").args(args).arg(&path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let reply = String::from_utf8(output.stdout).unwrap();
        assert!(reply.starts_with(expected) && reply.ends_with('\n'), "{reply}");
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(
            log.lines().any(|line| line == "seen") && log.contains("Report RequestId"),
            "{log}"
        );
    };
    check(&[], "{}\n");
    check(&["-e", event.to_str().unwrap()], "[1]\n");
    for sample in ["apigw", "ckafka", "cls", "cos", "timer", "url"] {
        check(&["--sample", sample], "{");
    }

    let mut child =
        command().args(["invoke", "-e", "-", &path]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"[2]\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"[2]\n");

    fs::write(&event, "\"fail\"").unwrap();
    let (status, text) = output(&["invoke", "--event", event.to_str().unwrap(), &path]);
    assert!(status == 1 && text.contains("430: user code exception") && text.contains("the cause"));
}

#[test]
fn invalid_events_are_command_line_errors() {
    let check = |args: &[&str], error: &str| {
        let (status, text) = output(args);
        assert!(status == 2 && text.contains(error), "{args:?}: {status} {text}");
    };
    check(&["invoke", "-e", "/no/such/event", "/bin/true"], "event /no/such/event cannot be read");
    check(&["invoke", "--sample", "mail", "/bin/true"], "unknown sample \"mail\"");
    check(&["invoke", "--sample", "cos", "--sample", "url", "/bin/true"], "more than one event");
    check(&["--sample", "cos", "/bin/true"], "scf-emulator invoke");
    check(&["invoke", "--watch", "/bin/true"], "invoke takes neither --watch nor --listen");
    check(&["invoke", "--web", "/bin/true"], "a Web function takes requests");
    check(&["--port", "9002", "/bin/true"], "--port is for Web functions");
}

#[test]
fn cloud_api_invokes_the_function() {
    let package = echo();
    let emulator = package.start();
    let parameters = json!({"FunctionName": "f", "ClientContext": "[1]", "LogType": "Tail"});
    let result = call(&emulator, "Invoke", &parameters.to_string())["Result"].take();
    assert_eq!((&result["RetMsg"], &result["Log"]), (&json!("[1]"), &json!("seen")));
    assert_eq!((&result["InvokeResult"], &result["ErrMsg"]), (&json!(0), &json!("")));
    assert!(result["MemUsage"].as_u64() > Some(1 << 20) && result["Duration"].is_f64(), "{result}");

    let parameters = json!({"FunctionName": "f", "Event": "[2]"}).to_string();
    let result = call(&emulator, "InvokeFunction", &parameters)["Result"].take();
    assert_eq!((&result["RetMsg"], &result["Log"]), (&json!("[2]"), &json!("")));

    let parameters = json!({"FunctionName": "f", "ClientContext": "\"fail\""}).to_string();
    let result = call(&emulator, "Invoke", &parameters)["Result"].take();
    assert_eq!(result["InvokeResult"], -1);
    assert_eq!(result["ErrMsg"], "user code exception caught");
}

#[test]
fn cloud_api_invokes_asynchronously() {
    let package = echo();
    let emulator = package.start();
    let parameters = json!({"InvocationType": "Event", "ClientContext": "[3]"}).to_string();
    let result = call(&emulator, "Invoke", &parameters)["Result"].take();
    let report = format!("Report RequestId: {}", result["FunctionRequestId"].as_str().unwrap());
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains(&report)), "{}", logs(&emulator));
    assert_eq!(result.get("RetMsg"), None);
}

#[test]
fn cloud_api_errors_have_a_code() {
    let package = echo();
    let emulator = package.start();
    let check = |action: &str, parameters: &str, code: &str| {
        assert_eq!(call(&emulator, action, parameters)["Error"]["Code"], code);
    };
    check("GetFunction", "{}", "InvalidAction");
    check("Invoke", "no", "InvalidParameter");
    check("Invoke", r#"{"InvocationType": "Later"}"#, "InvalidParameterValue.InvokeType");
    let large = json!({"InvocationType": "Event", "ClientContext": "x".repeat(128 * 1024 + 1)});
    check("Invoke", &large.to_string(), "InvalidParameter.RequestTooLarge");
}
