//! A function as the platform starts it: found by its environment.

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scf_runtime::Runtime;

use crate::support::{Canned, NEXT, READY, RESPONSE, echo, event, lines, ok, tell_the_end};

const IS_FUNCTION: &str = "IS_FUNCTION";
const ADDRESS: &str = "ADDRESS";

/// Starts this very test as a function of its own, with these variables and no others.
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

/// What the function's process does: the loop, until a first failure.
fn main() {
    let result =
        Runtime::from_env().and_then(|runtime| runtime.patience(Duration::ZERO).run_bytes(echo));
    eprintln!("{:#}", result.unwrap_err());
    if let Ok(address) = env::var(ADDRESS) {
        tell_the_end(address);
    }
}

#[test]
fn the_address_comes_from_the_environment_and_a_proxy_never_does() {
    if env::var_os(IS_FUNCTION).is_some() {
        return main();
    }
    for split in [true, false] {
        let (canned, _told) = Canned::new();
        let address = canned.address().to_string();
        // Asked as a proxy, it would see other calls.
        let proxy = format!("http://{address}");
        let port = canned.address().port().to_string();
        let (api, port) = if split { ("127.0.0.1", port.as_str()) } else { (address.as_str(), "") };
        let mut function = function(
            "the_address_comes_from_the_environment_and_a_proxy_never_does",
            &[
                ("SCF_RUNTIME_API", api),
                ("SCF_RUNTIME_API_PORT", port),
                (ADDRESS, &address),
                ("ALL_PROXY", &proxy),
                ("HTTP_PROXY", &proxy),
                ("HTTPS_PROXY", &proxy),
                ("http_proxy", &proxy),
            ],
        );
        let calls = canned.take(vec![ok(), event("{}"), ok()]);
        function.kill().unwrap();
        function.wait().unwrap();
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE]);
    }
}

#[test]
fn an_environment_without_an_address_is_an_error_at_once() {
    if env::var_os(IS_FUNCTION).is_some() {
        return main();
    }
    let function = function("an_environment_without_an_address_is_an_error_at_once", &[]);
    let output = function.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "SCF_RUNTIME_API is not set\n");
}
