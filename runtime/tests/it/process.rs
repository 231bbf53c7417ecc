//! The runtime as a process that finds the runtime API by its environment.

use std::env;

use scf_runtime::{Context, Error, Failure};
use testkit::runtime_api::{ERROR, NEXT, READY, RESPONSE};
use testkit::{Process, http, process};

use crate::support::{echo, event, ok, paths, start_api};

pub(crate) const IS_FUNCTION: &str = "IS_FUNCTION";

/// Starts the current test as a function, with these variables only.
pub(crate) fn function(test: &str, variables: &[(&str, &str)]) -> Process {
    let mut command = process::command(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    Process::spawn(command.env(IS_FUNCTION, "1").envs(variables.iter().copied()))
}

/// Runs the loop until it fails.
fn main() {
    eprintln!("{:?}", scf_runtime::run_bytes(echo).unwrap_err());
}

#[test]
fn address_comes_from_env_and_proxy_variables_are_ignored() {
    if env::var_os(IS_FUNCTION).is_some() {
        return main();
    }
    for split in [true, false] {
        let api = start_api([ok(), event("{}")]);
        let address = api.address().to_string();
        // A request to a proxy has an absolute URL, so that the recorded call would differ.
        let proxy = api.url("");
        let port = api.address().port().to_string();
        let (host, port) =
            if split { ("127.0.0.1", port.as_str()) } else { (address.as_str(), "") };
        let _function = function(
            "process::address_comes_from_env_and_proxy_variables_are_ignored",
            &[
                ("SCF_RUNTIME_API", host),
                ("SCF_RUNTIME_API_PORT", port),
                ("ALL_PROXY", &proxy),
                ("HTTP_PROXY", &proxy),
                ("HTTPS_PROXY", &proxy),
                ("http_proxy", &proxy),
            ],
        );
        api.wait_for_requests(3);
        assert_eq!(paths(&api.requests()), [READY, NEXT, RESPONSE]);
    }
}

#[test]
fn missing_address_is_an_error() {
    if env::var_os(IS_FUNCTION).is_some() {
        return main();
    }
    let function = function("process::missing_address_is_an_error", &[]);
    assert_eq!(function.stderr.until_end(), [Error::MissingAddress.to_string()]);
}

#[test]
fn context_names_the_function() {
    if env::var_os(IS_FUNCTION).is_some() {
        let handler = |(): (), context: &Context| {
            let Context { function_name, function_version, namespace, region, .. } = context;
            Ok::<_, Failure>([function_name, function_version, namespace, region].map(Clone::clone))
        };
        return scf_runtime::run(handler).unwrap();
    }
    let api = start_api([ok(), event("null")]);
    let address = api.address().to_string();
    let _function = function(
        "process::context_names_the_function",
        &[
            ("SCF_RUNTIME_API", &address),
            ("SCF_FUNCTIONNAME", "hello"),
            ("SCF_FUNCTIONVERSION", "$LATEST"),
            ("TENCENTCLOUD_REGION", "ap-tokyo"),
        ],
    );
    api.wait_for_requests(3);
    assert_eq!(api.requests()[2].text(), r#"["hello","$LATEST","","ap-tokyo"]"#);
}

#[test]
fn failed_invocation_is_printed_once_with_its_request_id() {
    if env::var_os(IS_FUNCTION).is_some() {
        let handler = |code: u32, _: &Context| match code {
            1 => Err(Failure::new("NoNotes", "no notes")),
            code => Ok(code),
        };
        scf_runtime::run(handler).unwrap_err();
        return;
    }
    let rejected = http::response(413, &[], "").into();
    let events = [ok(), event("1"), ok(), event("\"\""), ok(), event("2"), rejected, ok()];
    let api = start_api(events);
    let address = api.address().to_string();
    let function = function(
        "process::failed_invocation_is_printed_once_with_its_request_id",
        &[("SCF_RUNTIME_API", &address)],
    );
    api.wait_for_requests(9);
    assert_eq!(paths(&api.requests())[7..], [ERROR, NEXT]);
    function.kill();
    assert_eq!(
        function.stderr.until_end(),
        [
            "scf-runtime: invocation r-1 failed: NoNotes: no notes",
            "scf-runtime: invocation r-1 failed: InvalidEvent: invalid event: invalid type: string \
             \"\", expected u32 at line 1 column 2",
            "scf-runtime: invocation r-1 failed: ReplyRejected: reply rejected by the platform: \
             413 Payload Too Large",
        ]
    );
}
