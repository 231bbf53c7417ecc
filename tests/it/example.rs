//! What a newcomer runs first.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[test]
fn the_local_example_answers_without_a_key_and_says_that_it_is_a_stand_in() {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "-q", "--offline", "--example", "local"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    for name in ask_core::settings::VARIABLES {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    // What cargo tells of this test would have ring built once more.
    for (name, _) in env::vars()
        .filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    {
        command.env_remove(name);
    }
    let mut child =
        command.env("PORT", "0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines
        .find_map(|line| line.strip_prefix("Ask in a browser:").map(|url| url.trim().to_owned()));
    let url = url.expect("an address");
    assert!(lines.any(|line| line.contains("stand-in")));

    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("GET /?question=what%3F HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.contains("stand-in model") && response.contains("what?"), "{response}");

    // Asked to end, it ends the function, too.
    let stop = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(stop.success() && child.wait().unwrap().success());
}
