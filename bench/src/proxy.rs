//! The reverse proxy under a load of small JSON, by wrk.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::exchange::Exchange;
use crate::peers::Place;
use crate::proxies::{ALL, Proxy};
use crate::results::{Goal, Section, Table};
use crate::stats::{median, ratio};
use crate::stream_upstream;

pub(crate) const TITLE: &str = "Reverse proxy, small JSON";

/// The request, as a script for wrk.
const LUA: &str = r#"
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench"
wrk.body = '{"model":"gpt-3.5-turbo","messages":[{"role":"user","content":"What is Rust?"}]}'
"#;

/// The figures of wrk, and the proxy's CPU time a request.
#[derive(Default)]
struct Load {
    rate: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    cpu: Vec<f64>,
}

/// Loads each in turn, with one connection and with 64.
pub(crate) fn measure(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let upstream = stream_upstream::start()?;
    let lua = place.built.join("post.lua");
    std::fs::write(&lua, LUA)?;
    let running =
        ALL.into_iter().map(|proxy| proxy.start(place, upstream)).collect::<Result<Vec<_>, _>>()?;
    let mut loads: Vec<[Load; 2]> = ALL.iter().map(|_| Default::default()).collect();
    for _ in 0..rounds {
        for (running, loads) in running.iter().zip(&mut loads) {
            for (load, connections, seconds) in
                loads.iter_mut().zip([("1", "1s"), ("64", "2s")]).map(flat)
            {
                let cpu = || {
                    running.process.as_ref().map_or(Ok(Default::default()), |process| process.cpu())
                };
                let before = cpu()?;
                let output = Command::new("wrk")
                    .args(["-t1", "-c", connections, "-d", seconds, "--latency", "-s"])
                    .arg(&lua)
                    .arg(format!("http://{}/v1/chat/completions", running.address))
                    .output()
                    .context("wrk")?;
                let cpu = cpu()? - before;
                load.take(&String::from_utf8_lossy(&output.stdout), crate::stats::micros(cpu))?;
            }
        }
    }
    let at =
        |proxy| ALL.iter().position(|other| *other == proxy).map_or(&loads[0], |at| &loads[at]);
    let (direct, nginx, ask, go) =
        (at(Proxy::Direct), at(Proxy::Nginx), at(Proxy::AskWeb), at(Proxy::Go));
    let mut table = Table::new(&[
        "proxy",
        "1: requests/s",
        "p50 µs",
        "p99 µs",
        "64: requests/s",
        "p50 µs",
        "p99 µs",
        "CPU µs per request",
        "ratio to nginx's rate",
        "to direct",
    ]);
    for (proxy, [one, many]) in ALL.iter().zip(&loads) {
        let figures = [&one.rate, &one.p50, &one.p99, &many.rate, &many.p50, &many.p99];
        let mut cells: Vec<String> =
            figures.iter().map(|figures| format!("{:.0}", median(figures))).collect();
        cells.push(format!("{:.1}", median(&many.cpu)));
        cells.push(format!("{:.2}", ratio(&many.rate, &nginx[1].rate)));
        cells.push(format!("{:.2}", ratio(&many.rate, &direct[1].rate)));
        table.row(proxy.name(), cells);
    }
    Ok(Section {
        title: TITLE,
        how: format!(
            "POST, a JSON answer of {} bytes; the proxy on one core, wrk and the upstream on another; {rounds} \
             rounds, the median of each. All but direct write an access log.",
            crate::upstream::completion(Exchange::Light.answer()).len()
        ),
        table,
        goals: vec![
            Goal::at_least(
                "64 connections, rate to nginx",
                ratio(&ask[1].rate, &nginx[1].rate),
                0.9,
            ),
            Goal::at_least("64 connections, rate to Go", ratio(&ask[1].rate, &go[1].rate), 3.0),
            Goal::at_most("1 connection, p50 to nginx", ratio(&ask[0].p50, &nginx[0].p50), 1.1),
        ],
    })
}

fn flat<A, B, C>((a, (b, c)): (A, (B, C))) -> (A, B, C) {
    (a, b, c)
}

impl Load {
    fn take(&mut self, output: &str, cpu: f64) -> anyhow::Result<()> {
        if let Some(line) =
            output.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors"))
        {
            bail!("wrk: {line}");
        }
        let word = |start: &str| {
            let line = output.lines().map(str::trim).find(|line| line.starts_with(start));
            line.and_then(|line| line[start.len()..].split_whitespace().next())
                .context("a figure of wrk")
        };
        let requests: f64 = output
            .lines()
            .find_map(|line| line.trim().split_once(" requests in "))
            .context("the number of requests of wrk")?
            .0
            .parse()?;
        self.rate.push(word("Requests/sec:")?.parse()?);
        self.p50.push(in_micros(word("50%")?)?);
        self.p99.push(in_micros(word("99%")?)?);
        self.cpu.push(cpu / requests);
        Ok(())
    }
}

/// Parses `12.00us`, `1.20ms` or `1.00s` to microseconds.
fn in_micros(text: &str) -> anyhow::Result<f64> {
    let (number, factor) = match text {
        text if text.ends_with("us") => (&text[..text.len() - 2], 1.0),
        text if text.ends_with("ms") => (&text[..text.len() - 2], 1e3),
        text => (text.trim_end_matches('s'), 1e6),
    };
    Ok(number.parse::<f64>()? * factor)
}
