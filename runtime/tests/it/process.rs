//! The runtime as a process that finds the runtime API by its environment.

use std::env;

use testkit::runtime_api::{NEXT, READY, RESPONSE};
use testkit::{Process, process};

use crate::support::{echo, event, ok, paths, start_api};

const IS_FUNCTION: &str = "IS_FUNCTION";

/// Starts the current test as a function, with these variables only.
fn function(test: &str, variables: &[(&str, &str)]) -> Process {
    let mut command = process::command(env::current_exe().unwrap());
    command.args(["--exact", &format!("process::{test}"), "--nocapture"]);
    Process::spawn(command.env(IS_FUNCTION, "1").envs(variables.iter().copied()))
}

/// Runs the loop until it fails.
fn main() {
    eprintln!("{:#}", scf_runtime::run_bytes(echo).unwrap_err());
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
            "address_comes_from_env_and_proxy_variables_are_ignored",
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
    let function = function("missing_address_is_an_error", &[]);
    assert_eq!(function.stderr.until_end(), ["SCF_RUNTIME_API is not set"]);
}
