//! Resolves the paths in a crate's code to the files that define what they name.
//!
//! Works on tokens, so `use` trees, expressions, types and the arguments of macros are read alike.
//! Code under `#[cfg(test)]` and `#[test]` is left out. Where tokens do not decide, a path counts:
//! a name is looked up in all namespaces, and a `use` inside a function counts for its module.

use std::collections::HashMap;

use super::tokens::{Token, after_item, lex};

type Path = Vec<String>;

/// The modules of a crate. The first is its root.
pub(super) struct Crate {
    modules: Vec<Module>,
}

#[derive(Default)]
struct Module {
    file: String,
    parent: usize,
    names: HashMap<String, Vec<Name>>,
    globs: Vec<(Path, Visibility)>,
    mentions: Vec<Mention>,
}

enum Name {
    /// An item that the module's own file defines.
    Item,
    Module(usize),
    Import(Path, Visibility),
}

#[derive(Clone, Copy, PartialEq)]
enum Visibility {
    Private,
    Reexported,
}

/// A path in the code of a module.
struct Mention {
    path: Path,
    is_glob: bool,
    text: String,
    line: usize,
}

#[derive(Clone)]
enum Target {
    /// An item in this file.
    File(String),
    /// A module, and nothing in it.
    Module(usize),
    /// A path that leads out of the crate.
    Extern(Path),
}

/// A path in the code of `file`, and where it leads.
pub(super) struct Reference {
    pub(super) file: String,
    pub(super) line: usize,
    /// The path as it is written, behind `use` if it is one.
    pub(super) text: String,
    pub(super) to: Referent,
}

pub(super) enum Referent {
    /// A file of the same crate.
    File(String),
    /// A path out of the crate, such as `std::env::var`; `.elapsed` is a method of this name.
    Extern(String),
}

impl Crate {
    /// Reads the crate with this root file. `source` returns a file's text, `None` if there is no
    /// such file.
    pub(super) fn read(root: &str, source: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut reader = Reader { modules: Vec::new(), source };
        let dir = root.rsplit_once('/').map_or("", |(dir, _)| dir);
        reader.modules.push(Module { file: root.to_owned(), ..Module::default() });
        reader.read_file(0, dir);
        Self { modules: reader.modules }
    }

    /// Returns the references of all files. A module named without an item of it is none. Nor is a
    /// re-export: a path through it leads to the file that defines the item.
    pub(super) fn references(&self) -> Vec<Reference> {
        let mut references = Vec::new();
        for (id, module) in self.modules.iter().enumerate() {
            for mention in &module.mentions {
                let mut targets = self.resolve(id, &mention.path, &mut Vec::new());
                if mention.is_glob {
                    targets = targets.into_iter().flat_map(|to| self.offered(to)).collect();
                }
                references.extend(targets.into_iter().filter_map(|target| {
                    let to = match target {
                        Target::Module(_) => return None,
                        Target::File(file) => Referent::File(file),
                        Target::Extern(path) => {
                            Referent::Extern(path.join("::").trim_start_matches("::").to_owned())
                        }
                    };
                    let Mention { text, line, .. } = mention;
                    let (file, text) = (module.file.clone(), text.clone());
                    Some(Reference { file, line: *line, text, to })
                }));
            }
        }
        references
    }

    /// Returns what a path in a module leads to. `seen` ends lookups that come back to a name.
    fn resolve(&self, id: usize, path: &[String], seen: &mut Vec<(usize, String)>) -> Vec<Target> {
        let [first, rest @ ..] = path else { return vec![Target::Module(id)] };
        match first.as_str() {
            "crate" => self.descend(0, rest, seen),
            "self" | "super" => self.descend(id, path, seen),
            name => {
                let found = self.lookup(id, name, seen);
                if found.is_empty() {
                    return vec![Target::Extern(path.to_vec())];
                }
                self.follow(found, rest, seen)
            }
        }
    }

    /// Returns what a path leads to that begins inside a module.
    fn descend(&self, id: usize, path: &[String], seen: &mut Vec<(usize, String)>) -> Vec<Target> {
        match path {
            [] => vec![Target::Module(id)],
            [name, rest @ ..] if name == "self" => self.descend(id, rest, seen),
            [name, rest @ ..] if name == "super" => {
                self.descend(self.modules[id].parent, rest, seen)
            }
            [name, rest @ ..] => {
                let found = self.lookup(id, name, seen);
                if found.is_empty() {
                    // An item that a macro defines.
                    return vec![Target::File(self.modules[id].file.clone())];
                }
                self.follow(found, rest, seen)
            }
        }
    }

    fn follow(
        &self,
        found: Vec<Target>,
        rest: &[String],
        seen: &mut Vec<(usize, String)>,
    ) -> Vec<Target> {
        let follow = |target| match target {
            Target::Module(id) => self.descend(id, rest, seen),
            Target::Extern(path) => vec![Target::Extern([path, rest.to_vec()].concat())],
            // Variants and associated items are where their type is.
            Target::File(_) => vec![target],
        };
        found.into_iter().flat_map(follow).collect()
    }

    /// Returns what a name means in a module: its own, an import, else one that a glob brings.
    fn lookup(&self, id: usize, name: &str, seen: &mut Vec<(usize, String)>) -> Vec<Target> {
        if seen.iter().any(|(module, seen)| *module == id && seen == name) {
            return Vec::new();
        }
        seen.push((id, name.to_owned()));
        let module = &self.modules[id];
        let mut found = Vec::new();
        for what in module.names.get(name).into_iter().flatten() {
            match what {
                Name::Item => found.push(Target::File(module.file.clone())),
                Name::Module(id) => found.push(Target::Module(*id)),
                Name::Import(path, _) => found.extend(self.resolve(id, path, seen)),
            }
        }
        if found.is_empty() {
            for (path, _) in &module.globs {
                for target in self.resolve(id, path, seen) {
                    if let Target::Module(id) = target {
                        found.extend(self.lookup(id, name, seen));
                    }
                }
            }
        }
        found
    }

    /// Returns all that a glob imports: the module's own items and what it re-exports.
    fn offered(&self, target: Target) -> Vec<Target> {
        let Target::Module(id) = target else { return vec![target] };
        let module = &self.modules[id];
        let mut offered = Vec::new();
        for what in module.names.values().flatten() {
            match what {
                Name::Item => offered.push(Target::File(module.file.clone())),
                Name::Import(path, Visibility::Reexported) => {
                    offered.extend(self.resolve(id, path, &mut Vec::new()));
                }
                Name::Module(_) | Name::Import(..) => {}
            }
        }
        for (path, visibility) in &module.globs {
            if *visibility == Visibility::Reexported {
                let targets = self.resolve(id, path, &mut Vec::new());
                offered.extend(targets.into_iter().flat_map(|target| self.offered(target)));
            }
        }
        offered
    }
}

/// Reads the modules of a crate, file by file.
struct Reader<'a> {
    modules: Vec<Module>,
    source: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn read_file(&mut self, id: usize, dir: &str) {
        let file = &self.modules[id].file;
        let text = (self.source)(file).unwrap_or_else(|| panic!("{file} is missing"));
        let tokens = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        self.scan(id, dir, &lex(tokens));
    }

    /// Reads tokens of a module; `dir` holds the files of its child modules.
    fn scan(&mut self, id: usize, dir: &str, tokens: &[Token]) {
        let mut visibility = Visibility::Private;
        let mut previous = "";
        let mut rest = tokens;
        while let [token, tail @ ..] = rest {
            rest = tail;
            match (token.text.as_str(), tail) {
                ("#", [bang, attribute, ..]) if bang.text == "!" && attribute.is_test() => return,
                ("#", [attribute, tail @ ..]) if attribute.text == "[" => {
                    rest = if attribute.is_test() { after_item(tail) } else { tail };
                }
                ("pub", _) => {
                    visibility = Visibility::Reexported;
                    if let [scope, tail @ ..] = tail
                        && scope.is_visibility()
                    {
                        rest = tail;
                    }
                    continue;
                }
                // `impl Trait + use<'a>` imports nothing.
                ("use", [next, ..]) if next.text != "<" => {
                    let end = tail.iter().position(|token| token.text == ";");
                    let (tree, tail) = tail.split_at(end.unwrap_or(tail.len()));
                    self.read_use(id, visibility, tree, &Path::new());
                    rest = tail;
                }
                ("mod", [name, body, tail @ ..]) if name.is_ident() => {
                    self.read_module(id, dir, &name.text, body);
                    rest = tail;
                }
                (
                    "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" | "fn",
                    [name, ..],
                )
                | ("macro_rules", [_, name, ..]) => self.define(id, &name.text, Name::Item),
                (name, _) if token.is_ident() => {
                    let mut path = match previous {
                        // A lifetime or a label.
                        "'" => Path::new(),
                        "." => vec![format!(".{name}")],
                        // Of another crate, or of a type.
                        "::" => vec![String::new(), name.to_owned()],
                        _ => vec![name.to_owned()],
                    };
                    while let [colons, name, tail @ ..] = rest
                        && colons.text == "::"
                        && name.is_ident()
                    {
                        path.push(name.text.clone());
                        rest = tail;
                    }
                    if !path.is_empty() {
                        let (text, line) = (path.join("::"), token.line);
                        let mention = Mention { path, is_glob: false, text, line };
                        self.modules[id].mentions.push(mention);
                    }
                }
                _ => self.scan(id, dir, &token.inner),
            }
            visibility = Visibility::Private;
            previous = &token.text;
        }
    }

    fn read_module(&mut self, parent: usize, dir: &str, name: &str, body: &Token) {
        let id = self.modules.len();
        let dir = format!("{dir}/{name}");
        self.define(parent, name, Name::Module(id));
        let file = if body.text == "{" {
            self.modules[parent].file.clone()
        } else {
            let file = format!("{dir}.rs");
            if (self.source)(&file).is_some() { file } else { format!("{dir}/mod.rs") }
        };
        self.modules.push(Module { file, parent, ..Module::default() });
        if body.text == "{" {
            self.scan(id, &dir, &body.inner);
        } else {
            self.read_file(id, &dir);
        }
    }

    fn read_use(&mut self, id: usize, visibility: Visibility, tree: &[Token], prefix: &Path) {
        for branch in tree.split(|token| token.text == ",") {
            let Some(Token { line, .. }) = branch.first() else { continue };
            let mut path = prefix.clone();
            let mut name = None;
            let mut is_glob = false;
            for (at, token) in branch.iter().enumerate() {
                match token.text.as_str() {
                    "::" if at == 0 => path.push(String::new()),
                    "::" | "$" => {}
                    "{" => self.read_use(id, visibility, &token.inner, &path),
                    "*" => is_glob = true,
                    "as" => {
                        name = branch.get(at + 1).map(|name| name.text.clone());
                        break;
                    }
                    "self" if !path.is_empty() => {}
                    segment => path.push(segment.to_owned()),
                }
            }
            if branch.iter().any(|token| token.text == "{") {
                continue;
            }
            if visibility == Visibility::Private {
                let star = if is_glob { "::*" } else { "" };
                let text = format!("use {}{star}", path.join("::"));
                let mention = Mention { path: path.clone(), is_glob, text, line: *line };
                self.modules[id].mentions.push(mention);
            }
            match name.or_else(|| path.last().cloned()) {
                _ if is_glob => self.modules[id].globs.push((path, visibility)),
                Some(name) => self.define(id, &name, Name::Import(path, visibility)),
                None => {}
            }
        }
    }

    fn define(&mut self, id: usize, name: &str, what: Name) {
        self.modules[id].names.entry(name.to_owned()).or_default().push(what);
    }
}
