//! The cap: the API's reserved concurrency, <https://cloud.tencent.com/document/product/583/39464>

use anyhow::ensure;
use serde_json::json;

use crate::{
    error::CallError,
    function::{Function, Info},
    settings::{Cap, Settings},
};

/// Number of instances in the default cap.
const DEFAULT_INSTANCES: u32 = 10;

/// The result of setting the cap, in words.
pub(crate) enum CapChange {
    /// The cap is new.
    Changed(String),
    /// The cap is as it was.
    Kept(String),
}

impl Function<'_> {
    /// Sets the given cap. Without one, a function gets the default before its Function URL opens.
    pub(crate) fn set_cap(
        &self,
        given: Option<Cap>,
        info: &Info,
        is_new: bool,
        has_url: bool,
    ) -> anyhow::Result<CapChange> {
        let current = if is_new { Ok(None) } else { self.current_cap() };
        let current = match current {
            // A key that may not read the cap can still update.
            Err(error) if given.is_none() && has_url && error.is_refusal() => {
                return Ok(CapChange::Kept("cap (not shown)".to_owned()));
            }
            current => current?,
        };
        let wanted = match given {
            Some(Cap::Memory(cap)) => Some(cap),
            Some(Cap::None) => None,
            None if has_url => current,
            None => current.or(Some(info.memory.saturating_mul(DEFAULT_INSTANCES))),
        };
        match wanted {
            _ if wanted == current => Ok(CapChange::Kept(match current {
                Some(cap) => format!("cap {cap} MB"),
                None => "no cap".to_owned(),
            })),
            Some(cap) => {
                self.client.progress(&format!("{}: setting the cap to {cap} MB", self.name));
                let members = json!({"ReservedConcurrencyMem": cap});
                self.change("PutReservedConcurrencyConfig", members, &[])
                    .map_err(|error| cap_error(error, cap, has_url))?;
                let instances = cap / info.memory;
                Ok(CapChange::Changed(format!("cap {cap} MB (at most {instances} instances)")))
            }
            None => {
                self.client.progress(&format!("{}: removing the cap", self.name));
                self.change("DeleteReservedConcurrencyConfig", json!({}), &[])?;
                Ok(CapChange::Changed("no cap".to_owned()))
            }
        }
    }

    /// Returns the cap in MB. `None` if there is none, or if the endpoint lacks the action.
    pub(crate) fn current_cap(&self) -> Result<Option<u32>, CallError> {
        match self.call("GetReservedConcurrencyConfig", json!({})) {
            // 0 stands for none.
            Ok(answer) => Ok(answer["ReservedMem"]
                .as_u64()
                .and_then(|cap| cap.try_into().ok())
                .filter(|&cap| cap > 0)),
            Err(error) if error.is_any(&["InvalidAction", "InvalidParameterValue.Action"]) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Fails if no instance would fit under the cap after an update.
    pub(crate) fn check_memory_and_cap(
        &self,
        info: &Info,
        settings: &Settings,
    ) -> anyhow::Result<()> {
        let memory = settings.memory.unwrap_or(info.memory);
        settings.check_cap(memory)?;
        if settings.cap.is_none() && memory > info.memory {
            // A cap that cannot be read cannot be compared.
            let cap = match self.current_cap() {
                Err(error) if error.is_refusal() => None,
                cap => cap?,
            };
            ensure!(
                cap.is_none_or(|cap| cap >= memory),
                "--memory {memory} does not fit under the cap of {} MB, so no instance could \
                 start; give --cap, too, such as --cap {}",
                cap.unwrap_or_default(),
                memory.saturating_mul(DEFAULT_INSTANCES)
            );
        }
        Ok(())
    }
}

/// Adds the options to a refusal of the cap.
fn cap_error(error: anyhow::Error, cap: u32, has_url: bool) -> anyhow::Error {
    match error.downcast_ref::<CallError>() {
        Some(refusal) if refusal.is_refusal() => error.context(format!(
            "cap of {cap} MB refused{}; use a smaller --cap, or --no-cap to go on without one",
            if has_url { "" } else { " and Function URL not opened" }
        )),
        _ => error,
    }
}
