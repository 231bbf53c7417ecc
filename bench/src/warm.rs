//! The time and CPU that a warm function adds to an answer.

use crate::api::Api;
use crate::exchange::Exchange;
use crate::peers::{Peer, Place, ROOT};
use crate::results::{Goal, Section, Table};
use crate::stats::{median, micros, percentile, ratio};
use crate::upstream::Upstream;

pub(crate) const TITLE: &str = "Warm answer";
pub(crate) const TITLE_REAL: &str = "Warm answer to a real event";
pub(crate) const TITLE_TLS: &str = "Warm answer over TLS";
pub(crate) const TITLE_TLS_REAL: &str = "Warm answer to a real event over TLS";

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
    let peers = [Peer::Floor, Peer::Ask, Peer::Lean, Peer::Lambda, Peer::Node, Peer::Python];
    let upstream = Upstream::start(Exchange::Light.answer());
    let measured = measure_all(place, &peers, Exchange::Light, &upstream, rounds)?;
    Ok(Section {
        title: TITLE,
        how: format!(
            "Event out to reply in, the upstream answers at once over plain HTTP; one at a time, {rounds} rounds of \
             {ANSWERS}, each function on the same core and the stand-ins on another."
        ),
        table: table(&peers, &measured),
        goals: goals(&peers, &measured, 1.15, Peer::Lambda),
    })
}

/// Measures a real event over plain HTTP.
pub(crate) fn measure_real(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Floor, Peer::Ask, Peer::Lean, Peer::Lambda];
    let upstream = Upstream::start(Exchange::Real.answer());
    let measured = measure_all(place, &peers, Exchange::Real, &upstream, rounds)?;
    Ok(Section {
        title: TITLE_REAL,
        how: format!(
            "As above, with an API Gateway's event of 1.1 kB and an answer of 500 bytes of Chinese and quotes. {rounds} \
             rounds of {ANSWERS}."
        ),
        table: table(&peers, &measured),
        goals: goals(&peers, &measured, 1.35, Peer::Lean),
    })
}

/// Measures over TLS, on a connection that is kept.
pub(crate) fn measure_tls(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Ask, Peer::Lean, Peer::Lambda, Peer::Node, Peer::Python];
    measure_over_tls(place, &peers, Exchange::Light, Peer::Lambda, TITLE_TLS, rounds)
}

/// Measures a real event over TLS, on a connection that is kept.
pub(crate) fn measure_tls_real(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Ask, Peer::Lean, Peer::Lambda];
    measure_over_tls(place, &peers, Exchange::Real, Peer::Lean, TITLE_TLS_REAL, rounds)
}

fn measure_over_tls(
    place: &Place,
    peers: &[Peer],
    exchange: Exchange,
    rival: Peer,
    title: &'static str,
    rounds: usize,
) -> anyhow::Result<Section> {
    let upstream = Upstream::start_tls(exchange.answer(), &place.built.join(ROOT))?;
    let measured = measure_all(place, peers, exchange, &upstream, rounds)?;
    Ok(Section {
        title,
        how: format!(
            "As above, the upstream over TLS 1.3 with a private root, the connection kept; ratios to `ask`. {rounds} \
             rounds of {ANSWERS}."
        ),
        table: table(peers, &measured),
        goals: goals(peers, &measured, f64::INFINITY, rival),
    })
}

/// The goals of `ask`: its time to the floor's, if that is measured, and to a rival's.
fn goals(peers: &[Peer], measured: &[Measured], to_floor: f64, rival: Peer) -> Vec<Goal> {
    let find = |peer| peers.iter().zip(measured).find(|(other, _)| **other == peer);
    let (Some((_, ask)), Some((rival, theirs))) = (find(Peer::Ask), find(rival)) else {
        return Vec::new();
    };
    let mut goals = Vec::new();
    if let Some((_, floor)) = find(Peer::Floor) {
        goals.push(Goal::at_most(
            "p50 of `ask` to the floor",
            ratio(&ask.p50, &floor.p50),
            to_floor,
        ));
    }
    let name = rival.name();
    for (what, ratio) in
        [("p50", ratio(&ask.p50, &theirs.p50)), ("CPU", ratio(&ask.cpu, &theirs.cpu))]
    {
        goals.push(Goal::at_most(&format!("{what} of `ask` to {name}"), ratio, 1.0));
    }
    goals
}

fn measure_all(
    place: &Place,
    peers: &[Peer],
    exchange: Exchange,
    upstream: &Upstream,
    rounds: usize,
) -> anyhow::Result<Vec<Measured>> {
    let mut running = Vec::new();
    for peer in peers {
        let mut api = Api::start(exchange);
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
