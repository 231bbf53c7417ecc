//! The members that each action may have and must have: `actions.json`.
//!
//! `.ci/deploy-model` compares the file with the model in Tencent's own command line.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::Value;

/// An action of the API.
#[derive(Deserialize)]
pub(crate) struct Action {
    pub(crate) service: String,
    /// Paths such as `Environment.Variables[].Key`, with a type; `!` marks the required ones.
    members: BTreeMap<String, String>,
}

static ACTIONS: LazyLock<BTreeMap<String, Action>> =
    LazyLock::new(|| serde_json::from_str(include_str!("actions.json")).unwrap());

/// Returns the action of this name.
pub(crate) fn action(name: &str) -> Option<&'static Action> {
    ACTIONS.get(name)
}

impl Action {
    /// Checks a request. The error is a code and a message of the API.
    pub(crate) fn check(&self, body: &Value) -> Result<(), (&'static str, String)> {
        self.check_object("", body)
    }

    fn check_object(&self, path: &str, object: &Value) -> Result<(), (&'static str, String)> {
        let Some(members) = object.as_object() else {
            return Err(("InvalidParameter", format!("{path} is no object")));
        };
        for (name, value) in members {
            self.check_member(&format!("{path}{name}"), value)?;
        }
        for (known, kind) in &self.members {
            let name = known.strip_prefix(path).filter(|name| !name.contains(['.', '[']));
            if let Some(name) = name
                && kind.ends_with('!')
                && !members.contains_key(name)
            {
                return Err(("MissingParameter", known.clone()));
            }
        }
        Ok(())
    }

    fn check_member(&self, path: &str, value: &Value) -> Result<(), (&'static str, String)> {
        let Some(kind) = self.members.get(path) else {
            return Err(("UnknownParameter", path.to_owned()));
        };
        let fits = match kind.trim_end_matches('!') {
            "string" => value.is_string(),
            "int" => value.is_i64(),
            "object" => return self.check_object(&format!("{path}."), value),
            "list" => {
                let items = value.as_array().ok_or(("InvalidParameter", path.to_owned()))?;
                return items
                    .iter()
                    .try_for_each(|item| self.check_object(&format!("{path}[]."), item));
            }
            other => panic!("actions.json: {path}: {other}"),
        };
        if fits { Ok(()) } else { Err(("InvalidParameter", path.to_owned())) }
    }
}
