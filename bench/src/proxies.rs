//! The measured reverse proxies, and their commands.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::peers::Place;
use crate::process::Process;

/// A way to the upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Proxy {
    Direct,
    Nginx,
    AskWeb,
    Haproxy,
    Go,
}

/// All ways. The first two are the basis of comparison.
pub(crate) const ALL: [Proxy; 5] =
    [Proxy::Direct, Proxy::Nginx, Proxy::AskWeb, Proxy::Haproxy, Proxy::Go];

/// A running proxy.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// `None` without a proxy.
    pub(crate) process: Option<Process>,
    /// The time from exec to the first accepted connection.
    pub(crate) start: Duration,
}

impl Proxy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::AskWeb => "`ask-web`",
            Self::Haproxy => "HAProxy",
            Self::Go => "Go's `ReverseProxy`",
        }
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(self, place: &Place, upstream: SocketAddr) -> anyhow::Result<Running> {
        if self == Self::Direct {
            return Ok(Running { address: upstream, process: None, start: Duration::ZERO });
        }
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = self.command(place, address, upstream)?;
        command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default() + ":/usr/sbin");
        if self == Self::AskWeb {
            command.envs([
                // As `scf_bootstrap` sets it.
                ("HOST", "0.0.0.0".to_owned()),
                ("PORT", address.port().to_string()),
                ("OPENAI_BASE_URL", format!("http://{upstream}/v1")),
                ("OPENAI_API_KEY", "sk-bench".to_owned()),
            ]);
        }
        let process =
            place.cores.start(&mut command, &place.built.join(format!("{self:?}.log")))?;
        while TcpStream::connect(address).is_err() {
            ensure!(
                process.started.elapsed() < Duration::from_secs(10),
                "{self:?} does not listen"
            );
        }
        let start = Instant::now() - process.started;
        Ok(Running { address, process: Some(process), start })
    }

    fn command(
        self,
        place: &Place,
        address: SocketAddr,
        upstream: SocketAddr,
    ) -> anyhow::Result<Command> {
        let config = |name: &str| -> anyhow::Result<_> {
            let text = fs::read_to_string(place.peers.join(format!("{name}.in")))?
                .replace("@FOLDER@", &place.built.to_string_lossy())
                .replace("@LISTEN@", &address.port().to_string())
                .replace("@UPSTREAM@", &upstream.port().to_string());
            let file = place.built.join(name);
            fs::write(&file, text)?;
            Ok(file)
        };
        let mut command;
        match self {
            Self::Direct | Self::AskWeb => {
                command = Command::new(place.dist.join("ask-web/ask-web"))
            }
            Self::Nginx => {
                command = Command::new("/usr/sbin/nginx");
                command.arg("-c").arg(config("nginx.conf")?);
            }
            Self::Haproxy => {
                command = Command::new("/usr/sbin/haproxy");
                command.arg("-db").arg("-q").arg("-f").arg(config("haproxy.cfg")?);
            }
            Self::Go => {
                command = Command::new(place.built.join("goproxy"));
                command.args([address.to_string(), format!("http://{upstream}")]);
            }
        }
        Ok(command)
    }
}
