//! The runtime as a process that finds the runtime API by its environment.

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scf_runtime::Runtime;

use crate::support::{CannedApi, NEXT, READY, RESPONSE, echo, event, lines, ok, unblock_accept};

const IS_FUNCTION: &str = "IS_FUNCTION";
const ADDRESS: &str = "ADDRESS";

/// Starts the current test as a function, with these variables only.
fn function(test: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("process::{test}"), "--nocapture"])
        .env_clear()
        .env(IS_FUNCTION, "1")
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the loop until the first failure.
fn main() {
    let result =
        Runtime::from_env().and_then(|runtime| runtime.max_outage(Duration::ZERO).run_bytes(echo));
    eprintln!("{:#}", result.unwrap_err());
    if let Ok(address) = env::var(ADDRESS) {
        unblock_accept(address);
    }
}

#[test]
fn address_comes_from_env_and_proxy_variables_are_ignored() {
    if env::var_os(IS_FUNCTION).is_some() {
        return main();
    }
    for split in [true, false] {
        let (api, _closed) = CannedApi::new();
        let address = api.address().to_string();
        // A request to a proxy has an absolute URL, so that the recorded call would differ.
        let proxy = format!("http://{address}");
        let port = api.address().port().to_string();
        let (host, port) =
            if split { ("127.0.0.1", port.as_str()) } else { (address.as_str(), "") };
        let mut function = function(
            "address_comes_from_env_and_proxy_variables_are_ignored",
            &[
                ("SCF_RUNTIME_API", host),
                ("SCF_RUNTIME_API_PORT", port),
                (ADDRESS, &address),
                ("ALL_PROXY", &proxy),
                ("HTTP_PROXY", &proxy),
                ("HTTPS_PROXY", &proxy),
                ("http_proxy", &proxy),
            ],
        );
        let calls = api.serve(vec![ok(), event("{}"), ok()]);
        function.kill().unwrap();
        function.wait().unwrap();
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE]);
    }
}

#[test]
fn missing_address_is_an_error() {
    if env::var_os(IS_FUNCTION).is_some() {
        return main();
    }
    let function = function("missing_address_is_an_error", &[]);
    let output = function.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "SCF_RUNTIME_API is not set\n");
}
