//! Runs the functions on the local platform: `cargo run --example local`, and with `-- --web` the
//! Web function instead of the event function.
//!
//! The function runs in a process of its own. Each request becomes an event for the event function,
//! or goes to the Web function. Without `OPENAI_API_KEY`, a built-in model answers and says so.
//! `HOST` and `PORT` set the address. The other settings go to the function.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use ask_core::settings::{Origins, VARIABLES};
use scf_emulator::{Console, Function, Kind, Line};
use serde_json::{Value, json};

/// Address of the Web function: the emulator reaches it, and other machines do not.
const WEB_HOST: &str = if cfg!(target_os = "linux") { "127.0.0.2" } else { "127.0.0.1" };

fn main() -> ExitCode {
    // The local platform starts this program as the function.
    if env::var_os("SCF_RUNTIME_API").is_some() {
        return scf_ask::run_function();
    }
    if env::var_os("TENCENTCLOUD_RUNENV").is_some() {
        return ask_web::run();
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> anyhow::Result<()> {
    let is_web = match env::args().nth(1).as_deref() {
        None => false,
        Some("--web") => true,
        Some(argument) => bail!("unexpected argument {argument:?} (use --web or none)"),
    };
    let settings = ask_core::Settings::read(|name| env::var_os(name));
    let listen = settings.listen.map_err(|error| anyhow::anyhow!(error.summary().en))?;
    let mut function = Function::new(env::current_exe().context("finding this program")?);
    for name in VARIABLES.iter().filter(|name| !["HOST", "PORT"].contains(name)) {
        for name in [name.to_string(), name.to_lowercase()] {
            if let Ok(value) = env::var(&name) {
                function.env.push((name, value));
            }
        }
    }
    let is_built_in = settings.keys.is_empty() && settings.errors.is_empty();
    if is_built_in {
        let model = start_model().context("starting the built-in model")?;
        function.env.push(("OPENAI_BASE_URL".into(), format!("http://{model}/v1")));
        function.env.push(("OPENAI_API_KEY".into(), "key".into()));
        function.env.push(("NO_PROXY".into(), "*".into()));
    }
    if is_web {
        // Any free port.
        let port = TcpListener::bind((WEB_HOST, 0))?.local_addr()?.port();
        function.kind = Kind::Web { port };
        function.env.push(("HOST".into(), WEB_HOST.into()));
        function.env.push(("PORT".into(), port.to_string()));
    }

    let mut platform = scf_emulator::Settings::new(function);
    platform.signals = true;
    platform.console = Some(Console::new(print));
    platform.hosts = settings.hosts;
    platform.origins = match settings.origins {
        Origins::Unset => Vec::new(),
        Origins::Any => vec!["*".into()],
        Origins::List(origins) => origins,
    };
    if is_web {
        platform.concurrency = 20;
    }
    let host = listen.host.trim_start_matches('[').trim_end_matches(']');
    let emulator = platform.start((host, listen.port))?;
    let url = emulator.url();
    println!("Ask in a browser:  {url}/");
    println!("or on a terminal:  curl '{url}/?question=hello'");
    match is_built_in {
        true => println!("A built-in model answers. Set OPENAI_API_KEY for a real one."),
        false => println!("Answers come from {}.", settings.base_url.completions_uri()),
    }
    emulator.wait();
    Ok(())
}

/// Prints a line, with the names of the settings that allow a rejected request.
fn print(line: &Line) {
    let text = line.to_string();
    let text = text.replace("--allow-origin", "ASK_ORIGINS").replace("--allow-host", "ASK_HOSTS");
    // Fails only if standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
    if text.contains(r#""code":"origin""#) {
        let hint = "A page of another site was refused. Set ASK_ORIGINS to allow its origin.";
        let _ = writeln!(io::stderr(), "{hint}");
    }
}

/// Starts a model that repeats the question, with the protocol of a real one.
fn start_model() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client may leave early.
            thread::spawn(move || answer(stream).ok());
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(0);
            }
            Some(_) => {}
            // An empty line ends the head. Other lines are not needed.
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let question =
        request["messages"].as_array().and_then(|messages| messages.last()?["content"].as_str());
    let question = question.unwrap_or_default();
    let is_chinese = question.chars().any(|char| ('\u{4E00}'..='\u{9FFF}').contains(&char));
    let text = match is_chinese {
        true => format!("我是模拟模型，什么都不知道，只供试用。你的问题是：{question}"),
        false => format!(
            "I am a stand-in model without any knowledge, here to try things out. You asked: {question}"
        ),
    };
    match request["stream"].as_bool() {
        Some(true) => stream_pieces(&mut stream, &text),
        _ => {
            let body = json!({
                "object": "chat.completion",
                "model": "stand-in",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            });
            let body = body.to_string();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
                connection: close\r\n\r\n{body}"
            )
        }
    }
}

/// Sends the text word by word, at the pace of a fast model.
fn stream_pieces(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    )?;
    for word in text.split_inclusive(' ') {
        let piece = json!({
            "object": "chat.completion.chunk",
            "model": "stand-in",
            "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": null}],
        });
        write!(stream, "data: {piece}\n\n")?;
        thread::sleep(Duration::from_millis(40));
    }
    let last = json!({"model": "stand-in", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    write!(stream, "data: {last}\n\ndata: [DONE]\n\n")
}
