//! No circle of files in any crate, and the order of a crate's folders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::imports::{Crate, Referent};
use super::{Offence, assert_none, members};

/// Layers of a crate's source folder, from the top. A file or folder names nothing of the layers
/// above it, and of its own layer only itself. Those that no layer lists are free.
const LAYERS: &[(&str, &[&[&str]])] = &[
    (
        "core/src/",
        &[
            &["request", "proxy"],
            &["access", "response"],
            &["completion"],
            &["failure"],
            &["settings"],
            &["format", "lang", "query"],
            &["accept", "json"],
        ],
    ),
    (
        "web/src/",
        &[&["main"], &["server"], &["router"], &["ask", "proxy"], &["state"], &["upstream"]],
    ),
    ("web/src/", &[&["downstream"], &["upstream"]]),
];

/// From which file to which, with the first line that says so.
type Graph = BTreeMap<(String, String), (usize, String)>;

fn graph(krate: &Crate) -> Graph {
    let mut graph = Graph::new();
    for reference in krate.references() {
        if let Referent::File(to) = reference.to
            && to != reference.file
        {
            graph.entry((reference.file, to)).or_insert((reference.line, reference.text));
        }
    }
    graph
}

/// Returns, for each reference that is part of a circle, the shortest circle that it closes.
fn circles(graph: &Graph) -> BTreeSet<Vec<&str>> {
    let mut circles = BTreeSet::new();
    for (from, to) in graph.keys() {
        if let Some(mut circle) = shortest_path(graph, to, from) {
            let first = (0..circle.len()).min_by_key(|at| circle[*at]);
            circle.rotate_left(first.unwrap_or_default());
            circles.insert(circle);
        }
    }
    circles
}

/// Returns the files of the shortest path, both ends included.
fn shortest_path<'a>(graph: &'a Graph, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut paths = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(path) = paths.pop_front() {
        let last = *path.last()?;
        if last == to {
            return Some(path);
        }
        for (_, next) in graph.keys().filter(|(file, _)| file == last) {
            if seen.insert(next) {
                paths.push_back([path.as_slice(), &[next.as_str()]].concat());
            }
        }
    }
    None
}

fn edge(graph: &Graph, from: &str, to: &str) -> Offence {
    let (line, text) = &graph[&(from.to_owned(), to.to_owned())];
    Offence {
        file: from.to_owned(),
        line: *line,
        what: format!("{from} -> {to} ({text}, line {line})"),
    }
}

/// Returns the references to a layer above, or to another part of the same layer.
fn layer_offences(graph: &Graph, src: &str, layers: &[&[&str]]) -> Vec<Offence> {
    let layer = |file: &str| {
        let part = file.strip_prefix(src)?.split(['/', '.']).next()?.to_owned();
        let layer = layers.iter().position(|layer| layer.contains(&part.as_str()))?;
        Some((layer, part))
    };
    let is_offence = |(from, to): &&(String, String)| {
        layer(from).zip(layer(to)).is_some_and(|(from, to)| from.1 != to.1 && from.0 >= to.0)
    };
    graph.keys().filter(is_offence).map(|(from, to)| edge(graph, from, to)).collect()
}

#[test]
fn no_crate_has_a_circle_of_files() {
    let mut offences = Vec::new();
    for krate in members().iter().flat_map(|member| member.crates()) {
        let graph = graph(&krate);
        for circle in circles(&graph) {
            let ends = circle.iter().zip(circle.iter().cycle().skip(1));
            let edges: Vec<_> = ends.map(|(from, to)| edge(&graph, from, to)).collect();
            let chain: Vec<_> = edges.iter().map(|edge| format!("\n    {}", edge.what)).collect();
            let what = format!("a circle of {} files{}", edges.len(), chain.concat());
            offences.push(Offence { file: circle[0].to_owned(), line: edges[0].line, what });
        }
    }
    assert_none(offences);
}

#[test]
fn folders_name_only_the_layers_below() {
    let mut offences = Vec::new();
    for krate in members().iter().flat_map(|member| member.crates()) {
        let graph = graph(&krate);
        for (src, layers) in LAYERS {
            offences.extend(layer_offences(&graph, src, layers));
        }
    }
    assert_none(offences);
}

/// Returns the graph of a crate that is written here: names of files in `src/` and their texts.
fn graph_of(files: &[(&str, &str)]) -> Graph {
    let source = |file: &str| {
        let name = file.strip_prefix("src/")?;
        files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned())
    };
    graph(&Crate::read("src/lib.rs", &source))
}

/// Checks which files name which, a pair a line: `a.rs -> b.rs`.
#[track_caller]
fn check_edges(files: &[(&str, &str)], expected: &[&str]) {
    let name = |file: &str| file.trim_start_matches("src/").to_owned();
    let graph = graph_of(files);
    let edges: Vec<_> =
        graph.keys().map(|(from, to)| format!("{} -> {}", name(from), name(to))).collect();
    assert_eq!(edges, expected);
}

/// Checks the circles of a crate, each as the names of its files.
#[track_caller]
fn check_circles(files: &[(&str, &str)], expected: &[&[&str]]) {
    let graph = graph_of(files);
    let circles: Vec<Vec<_>> = circles(&graph)
        .into_iter()
        .map(|circle| circle.into_iter().map(|file| &file["src/".len()..]).collect())
        .collect();
    assert_eq!(circles, expected);
}

#[test]
fn use_makes_a_circle_of_two() {
    let lib = ("lib.rs", "mod a; mod b;");
    let a = ("a.rs", "use crate::b::B; pub struct A(B);");
    let b = ("b.rs", "use std::fmt; pub struct B; fn b(_: &crate::a::A) {}");
    check_circles(&[lib, a, b], &[&["a.rs", "b.rs"]]);
    let nested = ("b.rs", "use crate::{a::{self as other, A as Other}, b as me}; pub struct B;");
    check_circles(&[lib, a, nested], &[&["a.rs", "b.rs"]]);
    let renamed = ("b.rs", "use crate::a as other; pub struct B(other::A);");
    check_circles(&[lib, a, renamed], &[&["a.rs", "b.rs"]]);
    let local = ("b.rs", "pub struct B; fn b() { use crate::a; a::A::new(); }");
    check_circles(&[lib, a, local], &[&["a.rs", "b.rs"]]);
    let generated =
        ("b.rs", "pub struct B; macro_rules! b { ($x:ident) => { mod $x { use $crate::a::A; } } }");
    check_circles(&[lib, a, generated], &[&["a.rs", "b.rs"]]);
    check_circles(&[lib, a, ("b.rs", "pub struct B;")], &[]);
}

#[test]
fn super_and_self_make_a_circle_of_parent_and_child() {
    let lib = ("lib.rs", "mod router;");
    let router = ("router.rs", "mod ask; use self::ask::Ask; pub struct State(Ask);");
    let child = |text| [lib, router, ("router/ask.rs", text)];
    check_circles(&child("use super::State; pub struct Ask;"), &[&["router.rs", "router/ask.rs"]]);
    check_circles(
        &child("pub struct Ask; mod inline { type S = super::super::State; }"),
        &[&["router.rs", "router/ask.rs"]],
    );
    // The declaration alone is no import.
    check_edges(
        &[lib, ("router.rs", "mod ask; pub struct State;"), ("router/ask.rs", "use super::State;")],
        &["router/ask.rs -> router.rs"],
    );
}

#[test]
fn inline_paths_make_a_circle() {
    let lib = ("lib.rs", "mod a; mod b; mod c;");
    let a = ("a.rs", "pub fn a() { crate::b::b() }");
    let b = ("b.rs", r#"pub fn b() { println!("{}", crate::c::C) }"#);
    let c = ("c.rs", "pub const C: u8 = 0; impl Trait<super::a::A> for Vec<u8> {}");
    check_circles(&[lib, a, b, c], &[&["a.rs", "b.rs", "c.rs"]]);
    // Comments, strings, lifetimes and methods name nothing.
    let c = (
        "c.rs",
        r#"pub const C: &str = "crate::a"; /* crate::a::a */ fn c<'a>(x: X<'a>) { x.a() }"#,
    );
    check_circles(&[lib, a, b, c], &[]);
}

#[test]
fn facades_neither_hide_nor_invent_a_circle() {
    let lib = ("lib.rs", "mod a; mod facade; pub use facade::B;");
    let facade = ("facade/mod.rs", "mod b; mod c; pub use b::B; pub(crate) use self::c::*;");
    let b = ("facade/b.rs", "use super::C; use crate::a::A; pub struct B(A, C);");
    let c = ("facade/c.rs", "pub struct C;");
    let a = ("a.rs", "use crate::B; pub struct A;");
    check_circles(&[lib, a, facade, b, c], &[&["a.rs", "facade/b.rs"]]);
    check_edges(
        &[lib, a, facade, b, c],
        &["a.rs -> facade/b.rs", "facade/b.rs -> a.rs", "facade/b.rs -> facade/c.rs"],
    );
    check_edges(
        &[lib, ("a.rs", "use crate::facade; pub struct A(facade::C);"), facade, b, c],
        &["a.rs -> facade/c.rs", "facade/b.rs -> a.rs", "facade/b.rs -> facade/c.rs"],
    );
    // A facade that uses what it re-exports depends on it.
    let user = ("facade/mod.rs", "mod b; mod c; pub use b::B; pub use c::C; fn f(_: B) {}");
    check_edges(
        &[lib, ("a.rs", "pub struct A;"), user, b, c],
        &["facade/b.rs -> a.rs", "facade/b.rs -> facade/c.rs", "facade/mod.rs -> facade/b.rs"],
    );
}

#[test]
fn references_of_tests_do_not_count() {
    let lib = ("lib.rs", "mod a; mod b;");
    let a = ("a.rs", "pub struct A(crate::b::B);");
    for test in [
        "#[cfg(test)] mod tests { use crate::a::A; }",
        "#[cfg(test)] mod missing_file;",
        "#[cfg(test)] use crate::{a::A};",
        "#[cfg(all(test, unix))] fn f() -> crate::a::A {}",
        "#[test] fn f() { crate::a::A; }",
        "#[tokio::test(start_paused = true)] async fn f() { crate::a::A; }",
        "struct S { #[cfg(test)] a: crate::a::A, b: u8 }",
    ] {
        let b = format!("{test} pub struct B;");
        check_circles(&[lib, a, ("b.rs", &b)], &[]);
        let b = format!("{test} pub struct B(crate::a::A);");
        check_circles(&[lib, a, ("b.rs", &b)], &[&["a.rs", "b.rs"]]);
    }
    let b = "#[cfg(any(test, unix))] use crate::a::A; #[cfg(test_util)] fn f() {} pub struct B;";
    check_circles(&[lib, a, ("b.rs", b)], &[&["a.rs", "b.rs"]]);
}

#[test]
fn a_glob_names_all_that_the_module_offers() {
    let lib = ("lib.rs", "mod a; mod facade;");
    let facade = ("facade.rs", "mod b; mod c; pub use b::B; use c::C; fn f(_: C) {}");
    check_edges(
        &[
            lib,
            ("a.rs", "use crate::facade::*; pub struct A;"),
            facade,
            ("facade/b.rs", "use crate::a::*; pub struct B;"),
            ("facade/c.rs", "pub struct C;"),
        ],
        &[
            "a.rs -> facade.rs",
            "a.rs -> facade/b.rs",
            "facade.rs -> facade/c.rs",
            "facade/b.rs -> a.rs",
        ],
    );
}

#[test]
fn layers_are_crossed_downwards_only() {
    let graph = graph_of(&[
        ("lib.rs", "mod top; mod side; mod leaf; mod free;"),
        ("top/mod.rs", "mod part; use part::Part; use crate::leaf::Leaf; use crate::free::Free;"),
        ("top/part.rs", "use crate::side::Side; pub struct Part;"),
        ("side.rs", "pub struct Side;"),
        ("leaf.rs", "use crate::top::Part; pub struct Leaf;"),
        ("free.rs", "use crate::leaf::Leaf; pub struct Free;"),
    ]);
    let offences = layer_offences(&graph, "src/", &[&["top", "side"], &["leaf"]]);
    let offences: Vec<_> = offences.into_iter().map(|offence| offence.what).collect();
    assert_eq!(
        offences,
        [
            "src/leaf.rs -> src/top/part.rs (use crate::top::Part, line 1)",
            "src/top/part.rs -> src/side.rs (use crate::side::Side, line 1)",
        ]
    );
}
