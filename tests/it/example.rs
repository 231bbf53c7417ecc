//! The example that a newcomer runs first.

use std::env;
use std::process::{Command, Stdio};

use testkit::{Process, Wire};

#[test]
fn local_example_answers_without_a_key() {
    let cargo = |action: &str| {
        let mut command = Command::new(env!("CARGO"));
        command.args([action, "-q", "--offline", "--example", "local"]).env("PORT", "0");
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        for name in ask_core::settings::VARIABLES.iter().filter(|name| **name != "PORT") {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        // Cargo would build ring again for the variables that it sets for this test.
        for (name, _) in env::vars() {
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    };
    assert!(cargo("build").status().unwrap().success());
    let example = Process::spawn(cargo("run").stdout(Stdio::piped()).stderr(Stdio::null()));
    let address = loop {
        if let Some((_, address)) = example.stdout.next().split_once("http://") {
            break address.trim_end_matches('/').to_owned();
        }
    };
    while !example.stdout.next().contains("built-in") {}

    let mut client = Wire::connect(address.parse().unwrap());
    let target = "/?question=what%3F";
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"));
    let response = client.last_response();
    let text = response.text();
    assert!(
        response.status() == 200 && text.contains("stand-in") && text.contains("what?"),
        "{text}"
    );

    // On SIGTERM it ends the function, too.
    example.signal("TERM");
    assert!(example.wait().success());
}
