//! The settings that a command gives a function.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use serde_json::{Value, json};

/// Maximum size of all variables: <https://cloud.tencent.com/document/product/583/11637>
const MAX_VARIABLES: usize = 4096;

/// Prefixes that the platform keeps for itself:
/// <https://cloud.tencent.com/document/product/583/30228>
const RESERVED: &[&str] = &["SCF_", "QCLOUD_", "TENCENTCLOUD_"];

/// The given settings. Others stay as they are; a new function gets defaults.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Memory in MB; 64 for a new function.
    pub memory: Option<u32>,
    /// The time limit of an invocation in seconds; 60 or, for a new Web function, 300.
    pub timeout: Option<u32>,
    /// The cap; ten times the memory when the Function URL opens.
    pub cap: Option<Cap>,
    /// The variables of the environment.
    pub variables: Variables,
}

/// Maximum memory of all instances of a function together. It bounds the cost of an open URL.
///
/// The API calls it reserved concurrency:
/// <https://cloud.tencent.com/document/api/583/51247>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// In MB.
    Memory(u32),
    /// No cap but the account's quota.
    None,
}

impl Settings {
    /// Checks the values against the platform's rules.
    ///
    /// # Errors
    ///
    /// Fails for a value that the platform would refuse.
    pub fn check(&self) -> anyhow::Result<()> {
        if let Some(memory) = self.memory {
            ensure!(
                memory == 64 || (memory > 0 && memory % 128 == 0),
                "invalid --memory {memory} (use 64, or a multiple of 128 up to 3072)"
            );
        }
        if let Some(timeout) = self.timeout {
            ensure!(
                (1..=900).contains(&timeout),
                "invalid --timeout {timeout} (use 1 to 900 seconds)"
            );
        }
        self.variables.check()
    }

    /// Fails if the cap is smaller than one instance.
    pub(crate) fn check_cap(&self, memory: u32) -> anyhow::Result<()> {
        if let Some(Cap::Memory(cap)) = self.cap {
            ensure!(
                cap >= memory,
                "invalid --cap {cap}: no instance fits, since one takes {memory} MB; use at least \
                 {memory}"
            );
        }
        Ok(())
    }
}

/// Changes to a function's variables.
#[derive(Clone, Default)]
pub struct Variables {
    /// Names and values to set.
    pub set: BTreeMap<String, String>,
    /// Names to remove.
    pub unset: BTreeSet<String>,
    /// Names and values to set only if the function has no such variable.
    pub defaults: BTreeMap<String, String>,
    /// Removes all variables that are not given.
    pub prune: bool,
}

/// Hides the values.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variables")
            .field("set", &self.set.keys())
            .field("unset", &self.unset)
            .field("defaults", &self.defaults.keys())
            .field("prune", &self.prune)
            .finish()
    }
}

/// The variables of a function after a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// All variables.
    pub(crate) all: BTreeMap<String, String>,
    /// Names whose value is new.
    pub(crate) changed: Vec<String>,
    /// Names that are no longer there.
    pub(crate) removed: Vec<String>,
    /// Names that stay as they were.
    pub(crate) kept: Vec<String>,
}

impl Variables {
    /// Returns whether nothing is to change.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.unset.is_empty() && self.defaults.is_empty() && !self.prune
    }

    /// Applies the changes to the `current` variables.
    ///
    /// # Errors
    ///
    /// Fails if they are larger together than the platform allows.
    pub(crate) fn plan(&self, current: &BTreeMap<String, String>) -> anyhow::Result<Plan> {
        let mut all = if self.prune { BTreeMap::new() } else { current.clone() };
        all.retain(|name, _| !self.unset.contains(name));
        all.extend(self.set.clone());
        for (name, value) in &self.defaults {
            // A default also yields to a variable that `prune` would remove.
            let value = current.get(name).unwrap_or(value);
            all.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let size: usize = all.iter().map(|(name, value)| name.len() + value.len()).sum();
        ensure!(
            size <= MAX_VARIABLES,
            "the variables are too large: {size} bytes of names and values; the platform takes \
             {MAX_VARIABLES}"
        );
        let (mut changed, mut kept) = (Vec::new(), Vec::new());
        for (name, value) in &all {
            let same = current.get(name) == Some(value);
            if same { &mut kept } else { &mut changed }.push(name.clone());
        }
        let removed = current.keys().filter(|name| !all.contains_key(*name)).cloned().collect();
        Ok(Plan { all, changed, removed, kept })
    }

    fn check(&self) -> anyhow::Result<()> {
        for name in self.set.keys().chain(self.defaults.keys()) {
            ensure!(
                envfile::is_name(name) && !name.starts_with('_'),
                "invalid variable name {name:?}; use letters, digits and _, and begin with a letter"
            );
            ensure!(
                !RESERVED.iter().any(|prefix| name.starts_with(prefix)),
                "reserved variable name {name}; the platform keeps SCF_, QCLOUD_ and TENCENTCLOUD_ \
                 for itself"
            );
        }
        Ok(())
    }
}

impl Plan {
    /// Returns whether the function's variables differ from what they were.
    pub(crate) fn changes(&self) -> bool {
        !self.changed.is_empty() || !self.removed.is_empty()
    }

    /// The API's `Environment`.
    pub(crate) fn environment(&self) -> Value {
        let mut variables: Vec<_> =
            self.all.iter().map(|(name, value)| json!({"Key": name, "Value": value})).collect();
        if variables.is_empty() {
            // An empty list changes nothing; this is how Tencent's own tool removes the last one:
            // https://github.com/serverless-tencent/tencent-component-toolkit (entities/scf.ts)
            variables.push(json!({"Key": "", "Value": ""}));
        }
        json!({"Variables": variables})
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Cap, Plan, Settings, Variables};

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn variables_that_are_not_given_are_kept() {
        let variables = Variables { set: map(&[("A", "2"), ("B", "2")]), ..Default::default() };
        let plan = variables.plan(&map(&[("A", "1"), ("B", "2"), ("C", "3")])).unwrap();
        assert_eq!(
            plan,
            Plan {
                all: map(&[("A", "2"), ("B", "2"), ("C", "3")]),
                changed: names(&["A"]),
                removed: vec![],
                kept: names(&["B", "C"]),
            }
        );
        assert!(plan.changes());
    }

    #[test]
    fn prune_removes_the_others() {
        let variables = Variables {
            set: map(&[("A", "1")]),
            defaults: map(&[("D", "new")]),
            prune: true,
            ..Default::default()
        };
        let plan = variables.plan(&map(&[("A", "1"), ("C", "3"), ("D", "old")])).unwrap();
        assert_eq!(plan.all, map(&[("A", "1"), ("D", "old")]));
        assert_eq!(plan.removed, names(&["C"]));
    }

    #[test]
    fn default_yields_to_what_is_given_or_there() {
        let defaults = map(&[("A", "d"), ("B", "d"), ("C", "d")]);
        let variables = Variables { set: map(&[("A", "1")]), defaults, ..Default::default() };
        let plan = variables.plan(&map(&[("B", "2")])).unwrap();
        assert_eq!(plan.all, map(&[("A", "1"), ("B", "2"), ("C", "d")]));
    }

    #[test]
    fn one_variable_can_be_removed() {
        let variables = Variables { unset: ["A".to_owned()].into(), ..Default::default() };
        let plan = variables.plan(&map(&[("A", "1"), ("B", "2")])).unwrap();
        assert_eq!((plan.removed, plan.kept), (names(&["A"]), names(&["B"])));
        assert!(!variables.plan(&map(&[("B", "2")])).unwrap().changes());
    }

    #[test]
    fn last_variable_is_removed_by_an_empty_one() {
        let environment = Variables { prune: true, ..Default::default() }
            .plan(&map(&[("A", "1")]))
            .unwrap()
            .environment();
        assert_eq!(environment.to_string(), r#"{"Variables":[{"Key":"","Value":""}]}"#);
    }

    #[test]
    fn values_the_platform_refuses_are_errors() {
        let fails = |settings: Settings, words: &str| {
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        for memory in [0, 1, 65, 100, 192] {
            fails(Settings { memory: Some(memory), ..Default::default() }, "--memory");
        }
        for timeout in [0, 901] {
            fails(Settings { timeout: Some(timeout), ..Default::default() }, "--timeout");
        }
        for name in ["_A", "1A", "A-B", ""] {
            let variables = Variables { set: map(&[(name, "sk-x")]), ..Default::default() };
            fails(Settings { variables, ..Default::default() }, "variable name");
        }
        for name in ["SCF_A", "QCLOUD_A", "TENCENTCLOUD_SECRETID"] {
            let variables = Variables { defaults: map(&[(name, "sk-x")]), ..Default::default() };
            fails(Settings { variables, ..Default::default() }, name);
        }
        let cap = Settings { cap: Some(Cap::Memory(64)), ..Default::default() };
        assert!(cap.check_cap(64).is_ok());
        assert!(cap.check_cap(128).unwrap_err().to_string().contains("--cap"));
    }

    #[test]
    fn variables_over_4_kb_are_an_error() {
        let variables =
            |size| Variables { set: map(&[("A", &"x".repeat(size))]), ..Default::default() };
        assert!(variables(4095).plan(&map(&[])).is_ok());
        assert!(variables(4095).plan(&map(&[("B", "1")])).is_err());
    }

    #[test]
    fn debug_output_hides_values() {
        let variables = Variables { set: map(&[("TOKEN", "sk-secret")]), ..Default::default() };
        let text = format!("{variables:?}");
        assert!(text.contains("TOKEN") && !text.contains("secret"), "{text}");
    }
}
