//! The measured functions, and their commands.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::api::Api;
use crate::process::{Cores, Process};

/// The folders, and the cores.
pub(crate) struct Place {
    /// The packages: `ask/` and `ask-web/`, and their zips.
    pub(crate) dist: PathBuf,
    /// The output of `bench/run`: peers, certificates, logs.
    pub(crate) built: PathBuf,
    /// The peers' sources.
    pub(crate) peers: PathBuf,
    pub(crate) cores: Cores,
}

/// The file in [`Place::built`] with the certificate of the upstream's root.
pub(crate) const ROOT: &str = "root.pem";

/// A function that answers questions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Peer {
    Floor,
    Ask,
    Bootstrap,
    Lambda,
    Lean,
    Node,
    Python,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor: C, static, two sockets",
            Self::Ask => "`ask`",
            Self::Bootstrap => "`ask` through `bootstrap`",
            Self::Lambda => "`lambda_runtime` + reqwest",
            Self::Lean => "`lambda_runtime` + hyper, lean",
            Self::Node => "the article's: Node.js + `request`",
            Self::Python => "Python + requests",
        }
    }

    /// Starts it on a runtime API and an upstream. All get the same environment.
    pub(crate) fn start(self, place: &Place, api: &Api, upstream: &str) -> anyhow::Result<Process> {
        let mut command = self.command(place, api, upstream);
        prepare(&mut command, place, api, upstream);
        place.cores.start(&mut command, &place.built.join("function.log"))
    }

    /// Starts it under strace, which writes the calls of all threads to a file.
    pub(crate) fn trace(
        self,
        place: &Place,
        api: &Api,
        upstream: &str,
        into: &Path,
    ) -> anyhow::Result<Process> {
        let plain = self.command(place, api, upstream);
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-s", "64", "-o"])
            .arg(into)
            .arg(plain.get_program())
            .args(plain.get_args());
        prepare(&mut command, place, api, upstream);
        place.cores.start(&mut command, &place.built.join("function.log"))
    }

    fn command(self, place: &Place, api: &Api, upstream: &str) -> Command {
        let run = |program: PathBuf, script: &str| {
            let mut command = Command::new(program);
            if !script.is_empty() {
                command.arg(place.built.join(script));
            }
            command
        };
        match self {
            Self::Floor => {
                let mut command = Command::new(place.built.join("floor"));
                let port = upstream.trim_end_matches("/v1").rsplit(':').next().unwrap_or_default();
                command.args([&api.port().to_string(), port]);
                command
            }
            Self::Ask => Command::new(place.dist.join("ask/ask")),
            Self::Bootstrap => Command::new(place.dist.join("ask/bootstrap")),
            Self::Lambda => Command::new(place.built.join("ask-lambda")),
            Self::Lean => Command::new(place.built.join("ask-lean")),
            Self::Node => run("node".into(), "ask_node/index.js"),
            Self::Python => run(place.built.join("venv/bin/python"), "ask_python/main.py"),
        }
    }
}

fn prepare(command: &mut Command, place: &Place, api: &Api, upstream: &str) {
    let root = place.built.join(ROOT);
    command.current_dir(place.dist.join("ask")).env_clear().envs([
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("SCF_RUNTIME_API", "127.0.0.1".into()),
        ("SCF_RUNTIME_API_PORT", api.port().to_string()),
        ("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{}", api.port())),
        ("AWS_LAMBDA_FUNCTION_NAME", "ask".into()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".into()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "ask".into()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "ask".into()),
        ("OPENAI_API_KEY", "sk-bench".into()),
        ("OPENAI_BASE_URL", upstream.into()),
    ]);
    if upstream.starts_with("https") {
        command
            .env("SSL_CERT_FILE", &root)
            .env("NODE_EXTRA_CA_CERTS", &root)
            .env("REQUESTS_CA_BUNDLE", &root);
    }
}
