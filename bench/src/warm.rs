//! The time and CPU that a warm function adds to an answer.

use crate::api::Api;
use crate::peers::{Peer, Place, ROOT};
use crate::results::{Goal, Section, Table};
use crate::stats::{median, micros, percentile, ratio};
use crate::upstream::Upstream;

pub(crate) const TITLE: &str = "Warm answer";
pub(crate) const TITLE_TLS: &str = "Warm answer over TLS";

/// Answers in each round.
const ANSWERS: usize = 1000;

/// The measurements of one function.
#[derive(Default)]
struct Measured {
    times: Vec<f64>,
    p50: Vec<f64>,
    cpu: Vec<f64>,
}

/// Measures over plain HTTP.
pub(crate) fn measure(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Floor, Peer::Ask, Peer::Lambda, Peer::Node, Peer::Python];
    let measured = measure_all(place, &peers, &Upstream::start(80), rounds)?;
    let [floor, ask, lambda, ..] = &measured[..] else { anyhow::bail!("too few peers") };
    Ok(Section {
        title: TITLE,
        how: format!(
            "Event out to reply in, the upstream answers at once over plain HTTP; one at a time, {rounds} rounds of \
             {ANSWERS}, each function on the same core and the stand-ins on another."
        ),
        table: table(&peers, &measured),
        goals: vec![
            Goal::at_most("p50 of `ask` to the floor", ratio(&ask.p50, &floor.p50), 1.15),
            Goal::at_most("p50 of `ask` to `lambda_runtime`", ratio(&ask.p50, &lambda.p50), 1.0),
            Goal::at_most("CPU of `ask` to `lambda_runtime`", ratio(&ask.cpu, &lambda.cpu), 1.0),
        ],
    })
}

/// Measures over TLS with a private root, on a connection that is kept.
pub(crate) fn measure_tls(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Ask, Peer::Lambda, Peer::Node, Peer::Python];
    let upstream = Upstream::start_tls(80, &place.built.join(ROOT))?;
    let measured = measure_all(place, &peers, &upstream, rounds)?;
    let [ask, lambda, ..] = &measured[..] else { anyhow::bail!("too few peers") };
    Ok(Section {
        title: TITLE_TLS,
        how: format!(
            "As above, the upstream over TLS 1.3 with a private root, the connection kept; ratios to `ask`. {rounds} \
             rounds of {ANSWERS}."
        ),
        table: table(&peers, &measured),
        goals: vec![
            Goal::at_most("p50 of `ask` to `lambda_runtime`", ratio(&ask.p50, &lambda.p50), 1.0),
            Goal::at_most("CPU of `ask` to `lambda_runtime`", ratio(&ask.cpu, &lambda.cpu), 1.0),
        ],
    })
}

fn measure_all(
    place: &Place,
    peers: &[Peer],
    upstream: &Upstream,
    rounds: usize,
) -> anyhow::Result<Vec<Measured>> {
    let mut running = Vec::new();
    for peer in peers {
        let mut api = Api::start();
        let process = peer.start(place, &api, &upstream.url)?;
        api.round(ANSWERS)?;
        running.push((api, process, Measured::default()));
    }
    for _ in 0..rounds {
        for (api, process, measured) in &mut running {
            let before = process.cpu()?;
            let times: Vec<f64> = api.round(ANSWERS)?.into_iter().map(micros).collect();
            measured.cpu.push(micros(process.cpu()? - before) / ANSWERS as f64);
            measured.p50.push(median(&times));
            measured.times.extend(times);
        }
    }
    Ok(running.into_iter().map(|(.., measured)| measured).collect())
}

fn table(peers: &[Peer], measured: &[Measured]) -> Table {
    let base = &measured[0];
    let mut table = Table::new(&[
        "function",
        "p50 µs",
        "p99 µs",
        "ratio of p50",
        "CPU µs per answer",
        "ratio of CPU",
    ]);
    for (peer, measured) in peers.iter().zip(measured) {
        let (p50, p99, cpu) =
            (median(&measured.times), percentile(&measured.times, 99), median(&measured.cpu));
        let (by_p50, by_cpu) = (ratio(&measured.p50, &base.p50), ratio(&measured.cpu, &base.cpu));
        table.row(
            peer.name(),
            [
                format!("{p50:.0}"),
                format!("{p99:.0}"),
                format!("{by_p50:.2}"),
                format!("{cpu:.0}"),
                format!("{by_cpu:.2}"),
            ],
        );
    }
    table
}
