//! `ask-bench`: the cost of the functions, measured beside their peers. `bench/run` builds what it
//! needs and starts it.
//!
//! Parts, each a table of the results:
//! - [`cold`], [`cold_answer`], [`warm`], [`memory`], [`syscalls`], [`package`]: the event function
//! - [`proxy`], [`sse`], [`web`]: the Web function
//! - [`soak`]: both, with faults
//!
//! Stand-ins and processes: [`exchange`], [`api`], [`upstream`], [`stream_upstream`], [`delay`],
//! [`peers`], [`proxies`], [`process`]. Figures: [`stats`], [`results`].

mod api;
mod cold;
mod cold_answer;
mod delay;
mod exchange;
mod memory;
mod package;
mod peers;
mod process;
mod proxies;
mod proxy;
mod results;
mod soak;
mod sse;
mod stats;
mod stream_upstream;
mod syscalls;
mod upstream;
mod warm;
mod web;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};

use crate::peers::Place;
use crate::process::Cores;
use crate::results::Section;

/// A part: its name on the command line, its title, and its rounds.
type Part = (&'static str, &'static str, usize, fn(&Place, usize) -> anyhow::Result<Section>);

/// The part that runs only by its name: it takes long, and fails if a goal is missed.
const LONG: &str = "soak";

const PARTS: [Part; 13] = [
    ("cold", cold::TITLE, 50, cold::measure),
    ("cold-answer", cold_answer::TITLE, 30, cold_answer::measure),
    ("warm", warm::TITLE, 9, warm::measure),
    ("real", warm::TITLE_REAL, 9, warm::measure_real),
    ("tls", warm::TITLE_TLS, 9, warm::measure_tls),
    ("tls-real", warm::TITLE_TLS_REAL, 9, warm::measure_tls_real),
    ("memory", memory::TITLE, 1, memory::measure),
    ("package", package::TITLE, 1, package::measure),
    ("syscalls", syscalls::TITLE, 1, syscalls::measure),
    ("proxy", proxy::TITLE, 7, proxy::measure),
    ("sse", sse::TITLE, 7, sse::measure),
    ("web", web::TITLE, 30, web::measure),
    (LONG, soak::TITLE, 200, soak::measure),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ask-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let folder = |name: &str| -> anyhow::Result<PathBuf> {
        let folder =
            env::var_os(name).with_context(|| format!("{name} is not set: start bench/run"))?;
        PathBuf::from(folder).canonicalize().context(name.to_owned())
    };
    let bench = folder("BENCH")?;
    let place = Place {
        dist: folder("DIST")?,
        built: folder("BUILT")?,
        peers: bench.join("peers"),
        cores: Cores::take()?,
    };
    let rounds =
        env::var("ROUNDS").ok().map(|rounds| rounds.parse()).transpose().context("ROUNDS")?;
    let wanted: Vec<String> = env::args().skip(1).collect();
    let titles = PARTS.map(|(_, title, ..)| title);
    for name in &wanted {
        if name != "all" && !PARTS.iter().any(|(part, ..)| part == name) {
            bail!("unknown part {name} (use {}, all)", PARTS.map(|(part, ..)| part).join(", "));
        }
    }
    let all = wanted.is_empty() || wanted.iter().any(|name| name == "all");
    for (name, _, usual, measure) in PARTS {
        if all && name != LONG || wanted.iter().any(|wanted| wanted == name) {
            let section = measure(&place, rounds.unwrap_or(usual)).context(name)?;
            println!("{}", section.markdown()?);
            section.keep(&bench.join("RESULTS.md"), &titles)?;
            ensure!(name != LONG || section.has_reached_all(), "a goal is missed");
        }
    }
    Ok(())
}
