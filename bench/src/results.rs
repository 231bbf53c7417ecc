//! Tables, and the file that keeps them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// The beginning of the file, before the sections.
const TOP: &str = "# Results\n\nWritten by `bench/run`; [README.md](README.md) says what is measured and how. Ratios are \
medians of the ratios of interleaved rounds.\n";

/// The result of a part.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// The method.
    pub(crate) how: String,
    pub(crate) table: Table,
    /// The goals, reached or missed.
    pub(crate) goals: Vec<Goal>,
}

/// A goal with its figure.
pub(crate) struct Goal {
    what: String,
    met: bool,
}

impl Goal {
    /// A maximum for a figure.
    pub(crate) fn at_most(what: &str, figure: f64, most: f64) -> Self {
        Self { what: format!("{what}: {figure:.2}, at most {most:.2}"), met: figure <= most }
    }

    /// A count that must not change.
    pub(crate) fn same(what: &str, first: usize, last: usize) -> Self {
        Self { what: format!("{what}: {last}, {first} at the start"), met: first == last }
    }

    /// A minimum for a figure.
    pub(crate) fn at_least(what: &str, figure: f64, least: f64) -> Self {
        Self { what: format!("{what}: {figure:.2}, at least {least:.2}"), met: figure >= least }
    }
}

/// A table; the first row is its head.
#[derive(Default)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self(vec![head.iter().map(|cell| (*cell).to_owned()).collect()])
    }

    pub(crate) fn row(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        self.0.push([name.to_owned()].into_iter().chain(cells).collect());
    }

    fn markdown(&self) -> String {
        let mut lines: Vec<String> =
            self.0.iter().map(|row| format!("| {} |\n", row.join(" | "))).collect();
        let columns = self.0.first().map_or(0, Vec::len);
        lines.insert(1, format!("| --- |{}\n", " ---: |".repeat(columns - 1)));
        lines.concat()
    }
}

impl Section {
    /// Returns whether all goals are reached.
    pub(crate) fn has_reached_all(&self) -> bool {
        self.goals.iter().all(|goal| goal.met)
    }

    /// The section as Markdown.
    pub(crate) fn markdown(&self) -> anyhow::Result<String> {
        let goals: String = self
            .goals
            .iter()
            .map(|goal| {
                format!("- {} {}\n", if goal.met { "reached:" } else { "**missed:**" }, goal.what)
            })
            .collect();
        let (title, how, table, where_and_when) =
            (self.title, &self.how, self.table.markdown(), where_and_when()?);
        Ok(format!("## {title}\n\n{how}\n\n{table}\n{goals}\n{where_and_when}\n"))
    }

    /// Writes the section to the file, instead of its predecessor and in the order of the titles.
    pub(crate) fn keep(&self, file: &Path, order: &[&str]) -> anyhow::Result<()> {
        let old = fs::read_to_string(file).unwrap_or_default();
        let mut sections: Vec<String> = old
            .split("\n## ")
            .skip(1)
            .map(|section| format!("## {}\n", section.trim_end()))
            .collect();
        let title = |section: &str| section.lines().next().unwrap_or_default()[3..].to_owned();
        sections.retain(|section| title(section) != self.title);
        sections.push(self.markdown()?);
        sections.sort_by_key(|section| order.iter().position(|name| *name == title(section)));
        let whole = format!("{TOP}\n{}", sections.join("\n").trim_end());
        fs::write(file, whole + "\n").with_context(|| format!("write {}", file.display()))
    }
}

fn where_and_when() -> anyhow::Result<String> {
    let output = |program: &str, args: &[&str]| -> anyhow::Result<String> {
        let output = Command::new(program).args(args).output().context(program.to_owned())?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let date = output("date", &["-u", "+%F"])?;
    let (cores, linux) = (output("nproc", &["--all"])?, output("uname", &["-sr"])?);
    Ok(format!("{date}, {}, {cores} cores, {linux}.", model.trim_matches([' ', '\t', ':'])))
}
