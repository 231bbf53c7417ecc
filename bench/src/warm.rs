//! Time and CPU that a function adds to an answer, when it has started already.

use crate::api::Api;
use crate::peers::{Peer, Place};
use crate::provider;
use crate::results::{Goal, Section, Table};
use crate::stats::{median, micros, percentile, ratio};

pub(crate) const TITLE: &str = "Warm answer";
pub(crate) const TITLE_TLS: &str = "Warm answer over TLS";

/// Answers in each round.
const ANSWERS: usize = 1000;

/// What one function took.
#[derive(Default)]
struct Taken {
    times: Vec<f64>,
    p50: Vec<f64>,
    cpu: Vec<f64>,
}

/// Over plain HTTP.
pub(crate) fn measure(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Floor, Peer::Ask, Peer::Lambda, Peer::Node, Peer::Python];
    let taken = all(place, &peers, &provider::start(80, None)?, rounds)?;
    let [floor, ask, lambda, ..] = &taken[..] else { anyhow::bail!("too few peers") };
    Ok(Section {
        title: TITLE,
        how: format!(
            "Event out to reply in, the provider answers at once over plain HTTP; one at a time, {rounds} rounds of \
             {ANSWERS}, each function on the same core and the other side on another."
        ),
        table: table(&peers, &taken),
        goals: vec![
            Goal::at_most("p50 of `ask` to the floor", ratio(&ask.p50, &floor.p50), 1.15),
            Goal::at_most("p50 of `ask` to `lambda_runtime`", ratio(&ask.p50, &lambda.p50), 1.0),
            Goal::at_most("CPU of `ask` to `lambda_runtime`", ratio(&ask.cpu, &lambda.cpu), 1.0),
        ],
    })
}

/// Over TLS with a private root, on a connection that is kept.
pub(crate) fn measure_tls(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Ask, Peer::Lambda, Peer::Node, Peer::Python];
    let provider = provider::start(80, Some(provider::tls(&place.built)?))?;
    let taken = all(place, &peers, &provider, rounds)?;
    let [ask, lambda, ..] = &taken[..] else { anyhow::bail!("too few peers") };
    Ok(Section {
        title: TITLE_TLS,
        how: format!(
            "As above, the provider over TLS 1.3 with a private root, the connection kept; ratios to `ask`. {rounds} \
             rounds of {ANSWERS}."
        ),
        table: table(&peers, &taken),
        goals: vec![
            Goal::at_most("p50 of `ask` to `lambda_runtime`", ratio(&ask.p50, &lambda.p50), 1.0),
            Goal::at_most("CPU of `ask` to `lambda_runtime`", ratio(&ask.cpu, &lambda.cpu), 1.0),
        ],
    })
}

fn all(place: &Place, peers: &[Peer], provider: &str, rounds: usize) -> anyhow::Result<Vec<Taken>> {
    let mut running = Vec::new();
    for peer in peers {
        let api = Api::start()?;
        let process = peer.start(place, &api, provider)?;
        api.round(ANSWERS)?;
        running.push((api, process, Taken::default()));
    }
    for _ in 0..rounds {
        for (api, process, taken) in &mut running {
            let before = process.cpu()?;
            let times: Vec<f64> = api.round(ANSWERS)?.into_iter().map(micros).collect();
            taken.cpu.push(micros(process.cpu()? - before) / ANSWERS as f64);
            taken.p50.push(median(&times));
            taken.times.extend(times);
        }
    }
    Ok(running.into_iter().map(|(.., taken)| taken).collect())
}

fn table(peers: &[Peer], taken: &[Taken]) -> Table {
    let base = &taken[0];
    let mut table = Table::new(&[
        "function",
        "p50 µs",
        "p99 µs",
        "ratio of p50",
        "CPU µs per answer",
        "ratio of CPU",
    ]);
    for (peer, taken) in peers.iter().zip(taken) {
        let (p50, p99, cpu) =
            (median(&taken.times), percentile(&taken.times, 99), median(&taken.cpu));
        let (by_p50, by_cpu) = (ratio(&taken.p50, &base.p50), ratio(&taken.cpu, &base.cpu));
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
