//! The steps from a zip to an address. Each of them can be repeated.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    cap::CapChange,
    function::{Function, Info, MIN_MEMORY},
    package::{Kind, Package},
    settings::{Plan, Settings},
};

/// Maximum size of a zip for CreateFunction, in bytes.
const MAX_NEW_ZIP: usize = 50 << 20;

/// Maximum size of a zip for UpdateFunctionCode, in bytes.
const MAX_ZIP: usize = 20 << 20;

/// Requests that one instance of a Web function serves at a time.
const WEB_CONCURRENCY: u32 = 20;

/// Attempts to create the function while another run creates or deletes it.
const MAX_ROUNDS: u32 = 5;

/// The result of a deployment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Deployment {
    /// The function's name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// `true` if the function is new.
    pub created: bool,
    /// The settings that were changed, in words.
    pub changed: Vec<String>,
    /// The settings that were left as they were, in words.
    pub kept: Vec<String>,
    /// The address. `None` if none was asked for.
    pub url: Option<String>,
    /// Things to know about that did not stop the deployment.
    pub warnings: Vec<String>,
}

impl Deployment {
    fn add_cap(&mut self, cap: CapChange) {
        match cap {
            CapChange::Changed(cap) => self.changed.push(cap),
            CapChange::Kept(cap) => self.kept.push(cap),
        }
    }
}

impl Function<'_> {
    /// Creates or updates the function, sets the cap, then opens the Function URL.
    ///
    /// # Errors
    ///
    /// Fails if a step fails. The same call again goes on from there.
    pub fn deploy(&self, package: &Package, settings: &Settings) -> anyhow::Result<Deployment> {
        settings.check()?;
        let mut result = self.deployment();
        let info = self.create_or_update(package, settings, &mut result)?;
        let trigger = self.url_trigger()?;
        let cap = self.set_cap(settings.cap, &info, result.created, trigger.is_some())?;
        result.add_cap(cap);
        let trigger = match trigger {
            Some(trigger) => {
                result.kept.push("Function URL".to_owned());
                trigger
            }
            None => {
                self.client.progress(&format!("{}: opening the Function URL", self.name));
                let trigger = self.open_url()?;
                result.changed.push("Function URL (open to anyone)".to_owned());
                trigger
            }
        };
        let url = trigger.url(self)?;
        result.url = Some(url.address);
        result.warnings.extend(url.limits);
        Ok(result)
    }

    /// Updates a function that exists: its code, if there is a zip, and the settings given.
    ///
    /// # Errors
    ///
    /// Fails if the function does not exist or a step fails.
    pub fn update(
        &self,
        package: Option<&Package>,
        settings: &Settings,
    ) -> anyhow::Result<Deployment> {
        settings.check()?;
        let mut result = self.deployment();
        self.existing()?;
        let Some(info) = self.settled()? else {
            bail!("function {} is being deleted", self.place())
        };
        ensure!(
            !info.has_failed(),
            "function {} is in the state {}; create it with `scf-deploy FUNCTION.zip`",
            self.place(),
            info.status
        );
        let info = self.change_existing(info, package, settings, &mut result)?;
        if settings.cap.is_some() {
            result.add_cap(self.set_cap(settings.cap, &info, false, true)?);
        }
        Ok(result)
    }

    fn deployment(&self) -> Deployment {
        Deployment {
            name: self.name.clone(),
            region: self.client.region().to_owned(),
            ..Deployment::default()
        }
    }

    fn create_or_update(
        &self,
        package: &Package,
        settings: &Settings,
        result: &mut Deployment,
    ) -> anyhow::Result<Info> {
        let mut variables = BTreeMap::new();
        for _ in 0..MAX_ROUNDS {
            match self.settled()? {
                Some(info) if info.has_failed() => {
                    self.client.progress(&format!(
                        "{}: {}; deleting it, then creating it again",
                        self.name, info.status
                    ));
                    variables = info.variables.unwrap_or_default();
                    self.change("DeleteFunction", json!({}), &["ResourceNotFound"])?;
                    self.gone()?;
                }
                Some(info) => return self.change_existing(info, Some(package), settings, result),
                None => {
                    let plan = settings.variables.plan(&variables)?;
                    // `None`: the function was created by another run in between.
                    if let Some(info) = self.create(package, settings, plan, result)? {
                        return Ok(info);
                    }
                }
            }
        }
        bail!(
            "function {} is being created and deleted by another run; wait until it ends",
            self.place()
        )
    }

    /// Creates the function; `None` if it exists.
    fn create(
        &self,
        package: &Package,
        settings: &Settings,
        plan: Plan,
        result: &mut Deployment,
    ) -> anyhow::Result<Option<Info>> {
        let kind = package.kind;
        let memory = settings.memory.unwrap_or(MIN_MEMORY);
        let timeout = settings.timeout.unwrap_or(kind.default_timeout());
        settings.check_cap(memory)?;
        let mut members = json!({
            "Code": {"ZipFile": base64(package, MAX_NEW_ZIP)?},
            "Handler": "index.main_handler",
            "Runtime": kind.runtime(),
            "Type": kind.api_type(),
            "MemorySize": memory,
            "Timeout": timeout,
            "PublicNetConfig": {
                "PublicNetStatus": "ENABLE",
                "EipConfig": {"EipStatus": "DISABLE"},
            },
        });
        if !plan.all.is_empty() {
            members["Environment"] = plan.environment();
        }
        if kind == Kind::Web {
            members["InstanceConcurrencyConfig"] =
                json!({"DynamicEnabled": "FALSE", "MaxConcurrency": WEB_CONCURRENCY});
            // The time limit of the invocation also closes a WebSocket.
            members["ProtocolType"] = json!("WS");
            members["ProtocolParams"] =
                json!({"WSParams": {"IdleTimeOut": timeout.clamp(10, 1800)}});
        }
        self.client.progress(&format!("{}: creating the {kind}", self.place()));
        let exists = ["ResourceInUse.Function", "ResourceInUse.FunctionName"];
        if self.change("CreateFunction", members, &exists)?.is_none() {
            return Ok(None);
        }
        let info = self.active()?;
        result.created = true;
        result.changed.push(format!("{kind} with {memory} MB and {timeout} s"));
        result.changed.extend(variables("", &plan.all.into_keys().collect::<Vec<_>>()));
        Ok(Some(info))
    }

    /// Updates the code, then what was given of the configuration.
    fn change_existing(
        &self,
        info: Info,
        package: Option<&Package>,
        settings: &Settings,
        result: &mut Deployment,
    ) -> anyhow::Result<Info> {
        info.check_balance(self)?;
        let mut info = info;
        if let Some(package) = package {
            info.check_kind(self, package.kind)?;
        }
        self.check_memory_and_cap(&info, settings)?;
        if let Some(package) = package {
            let zip = base64(package, MAX_ZIP)?;
            self.client.progress(&format!("{}: updating the code", self.place()));
            self.change("UpdateFunctionCode", json!({"ZipFile": zip}), &[])?;
            info = self.active()?;
            result.changed.push("code".to_owned());
        }
        let members = configuration(&info, settings, result)?;
        if members != json!({}) {
            self.client.progress(&format!("{}: updating the configuration", self.place()));
            self.change("UpdateFunctionConfiguration", members, &[])?;
            info = self.active()?;
        }
        Ok(info)
    }
}

/// Returns the members of UpdateFunctionConfiguration that differ from what the function has.
fn configuration(
    info: &Info,
    settings: &Settings,
    result: &mut Deployment,
) -> anyhow::Result<Value> {
    let mut members = json!({});
    for (member, name, unit, given, current) in [
        ("MemorySize", "memory", "MB", settings.memory, info.memory),
        ("Timeout", "timeout", "s", settings.timeout, info.timeout),
    ] {
        match given {
            Some(given) if given != current => {
                members[member] = json!(given);
                result.changed.push(format!("{name} {given} {unit} (was {current})"));
            }
            _ => result.kept.push(format!("{name} {current} {unit}")),
        }
    }
    let given = &settings.variables;
    match &info.variables {
        None if !given.is_empty() && !given.prune => result.warnings.push(
            "GetFunction does not show the function's variables, so none were written (the API \
             replaces all of them at once); use --prune to write those that were given"
                .to_owned(),
        ),
        None if !given.is_empty() => {
            let plan = given.plan(&BTreeMap::new())?;
            members["Environment"] = plan.environment();
            result.changed.extend(variables("", &plan.changed));
        }
        None => result.kept.push("variables".to_owned()),
        Some(current) => {
            let plan = given.plan(current)?;
            if plan.changes() {
                members["Environment"] = plan.environment();
            }
            result.changed.extend(variables("", &plan.changed));
            result.changed.extend(variables("removed ", &plan.removed));
            result.kept.extend(variables("", &plan.kept));
        }
    }
    Ok(members)
}

/// Lists names of variables, never values.
fn variables(what: &str, names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| format!("{what}variables {}", names.join(" ")))
}

fn base64(package: &Package, max: usize) -> anyhow::Result<String> {
    let size = package.bytes.len();
    ensure!(
        size <= max,
        "{}: {size} bytes are too large; the API takes a zip of {} MB here. Make it smaller{}",
        package.path.display(),
        max >> 20,
        if size <= MAX_NEW_ZIP {
            ", or remove the function first: a new one takes 50 MB"
        } else {
            ""
        }
    );
    Ok(BASE64_STANDARD.encode(&package.bytes))
}
