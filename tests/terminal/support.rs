//! The program under test.

use std::io::{self, Read};
use std::process::{Command, Output, Stdio};

use scf_emulator::{Emulator, Function, Settings};
use serde_json::Value;
use testkit::{Gate, Upstream, assert_no_fragment, process};

/// The key of the tests. No run of four of its characters is in any sentence, model or address.
pub(crate) const KEY: &str = "sk-proj-Zq7Wx3Vb9Nm1Lk5Jh8Gf";

/// The token of the tests, with the same property.
pub(crate) const TOKEN: &str = "Ty6Hn2Bv8Mk4Qz0Wd";

/// The signing key of the tests, with the same property.
pub(crate) const SIGNING_KEY: &str = "Gp3Xc9Rw7Jd5Lt1Fy";

/// Runs a command with the default action of SIGINT. A shell ignores the signal for what it runs in
/// the background, such as these tests.
pub(crate) const DEFAULT_INTERRUPT: &str = "env --default-signal=INT";

/// A command with these variables, and no others of this machine.
pub(crate) struct Ask(Command);

impl Ask {
    /// Makes a command without settings.
    pub(crate) fn unset() -> Self {
        Self(process::command(env!("CARGO_BIN_EXE_ask")))
    }

    /// Makes a command with a key, and this provider.
    pub(crate) fn new(upstream: &Upstream) -> Self {
        Self::unset().set("OPENAI_API_KEY", KEY).set("OPENAI_BASE_URL", &upstream.url("/v1"))
    }

    /// Makes the same command with the default action of SIGINT.
    pub(crate) fn with_default_interrupt(upstream: &Upstream) -> Self {
        let mut command = process::command("/bin/sh");
        command.args(["-c", &format!("exec {DEFAULT_INTERRUPT} \"$@\""), "sh"]);
        let url = upstream.url("/v1");
        Self(command)
            .args(&[env!("CARGO_BIN_EXE_ask")])
            .set("OPENAI_API_KEY", KEY)
            .set("OPENAI_BASE_URL", &url)
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn set_all(self, vars: &[(&str, &str)]) -> Self {
        vars.iter().fold(self, |ask, (name, value)| ask.set(name, value))
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.0.stdin(stdin);
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.0.stdout(stdout);
        self
    }

    pub(crate) fn folder(mut self, folder: &str) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Starts the command.
    pub(crate) fn spawn(mut self) -> process::Process {
        process::Process::spawn(&mut self.0)
    }

    /// Expects `one ` before the gate opens, and then `two`.
    #[track_caller]
    pub(crate) fn assert_one_then_two(self, gate: &Gate) {
        let (mut reader, writer) = io::pipe().unwrap();
        let ask = self.stdout(writer).spawn();
        let mut first = [0; 4];
        reader.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"one ");
        gate.open();
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), ask.wait().code()), ("two\n", Some(0)));
    }

    /// Runs the command to its end.
    #[track_caller]
    pub(crate) fn run(mut self) -> Run {
        let Output { status, stdout, stderr } = self.0.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let run = Run { code: status.code(), out: text(stdout), err: text(stderr) };
        for output in [&run.out, &run.err] {
            assert_no_fragment(output, &[KEY, TOKEN, SIGNING_KEY]);
        }
        run
    }
}

/// The end of a command. None of its output holds a part of a secret.
#[derive(Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Expects these steps of a check behind the settings, with these states.
    #[track_caller]
    pub(crate) fn assert_states(&self, names: &[&str], states: &[&str]) {
        let steps = self.steps();
        let behind_settings = steps.iter().filter(|step| step.0 != "settings");
        let found: Vec<_> = behind_settings.map(|step| (&*step.0, &*step.1)).collect();
        let expected: Vec<_> = names.iter().copied().zip(states.iter().copied()).collect();
        assert_eq!(found, expected, "{steps:?}");
    }

    /// Expects a whole answer and no line on standard error.
    #[track_caller]
    pub(crate) fn assert_answer(&self, text: &str) {
        let expected = Run { code: Some(0), out: format!("{text}\n"), err: String::new() };
        assert_eq!(*self, expected);
    }

    /// Expects this exit status, this output, and one line on standard error with all parts.
    #[track_caller]
    pub(crate) fn assert_error(&self, code: i32, out: &str, parts: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (Some(code), out), "{}", self.err);
        assert!(self.err.starts_with("ask: ") && self.err.lines().count() == 1, "{}", self.err);
        for part in parts {
            assert!(self.err.contains(part), "{part}: {}", self.err);
        }
    }

    /// Returns status and message of each line of a report, by the name of its step.
    #[track_caller]
    pub(crate) fn steps(&self) -> Vec<(String, String, String)> {
        let report: Value = serde_json::from_str(&self.out).expect(&self.out);
        let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
        let steps = report["steps"].as_array().unwrap().iter();
        steps
            .map(|step| (text(step, "step"), text(step, "status"), text(step, "message")))
            .collect()
    }
}

/// Starts the event function with these variables behind the local platform.
pub(crate) fn emulator(vars: &[(&str, &str)]) -> Emulator {
    let function = Function::new(env!("CARGO_BIN_EXE_ask"));
    let function =
        vars.iter().fold(function, |function, (name, value)| function.env(*name, *value));
    Settings::new(function).start("127.0.0.1:0").unwrap()
}

/// Returns whether a sentence is Chinese.
pub(crate) fn is_chinese(sentence: &str) -> bool {
    sentence.contains(|char| ('\u{4E00}'..='\u{9FFF}').contains(&char))
}

/// Returns the reading end of a pipe that holds this text and has ended.
pub(crate) fn piped(text: impl AsRef<[u8]>) -> io::PipeReader {
    let (reader, mut writer) = io::pipe().unwrap();
    io::Write::write_all(&mut writer, text.as_ref()).unwrap();
    reader
}
