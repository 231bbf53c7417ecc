//! The example that a newcomer runs first.

use std::env;
use std::process::{Command, Stdio};

use testkit::{Process, Response, WAIT_LIMIT, Wire};

/// The example and its address.
struct Example {
    process: Process,
    address: String,
}

impl Example {
    fn start(arguments: &[&str]) -> Self {
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
        let mut run = cargo("run");
        run.arg("--").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = Process::spawn(&mut run);
        let address = loop {
            if let Some((_, address)) = process.stdout.next().split_once("http://") {
                break address.trim_end_matches('/').to_owned();
            }
        };
        Self { process, address }
    }

    fn get(&self, target: &str, headers: &str) -> Response {
        let host = &self.address;
        let mut client = Wire::connect(host.parse().unwrap());
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n"
        ));
        client.last_response()
    }
}

#[test]
fn local_example_answers_without_a_key() {
    for arguments in [&[][..], &["--web"]] {
        let example = Example::start(arguments);
        while !example.process.stdout.next().contains("built-in") {}
        let response = example.get("/?question=what%3F", "");
        let text = response.text();
        assert!(
            response.status() == 200 && text.contains("stand-in") && text.contains("what?"),
            "{text}"
        );
        // On SIGTERM it ends the function, too.
        example.process.signal("TERM");
        assert!(example.process.wait().success());
    }
}

#[test]
fn local_example_says_why_it_refuses_a_page() {
    let example = Example::start(&[]);
    let response = example.get("/?question=hi", "Origin: https://page.example\r\n");
    assert_eq!(response.status(), 403);
    let line = ["origin \"https://page.example\" is not allowed", "ASK_ORIGINS"];
    example.process.wait_for_line(WAIT_LIMIT, &line).unwrap();
}
