//! Looking at a function, running it, and removing it.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{function::Function, package::Kind};

/// The longest that an invocation may take: 900 s, and the start of an instance before it.
const INVOKE_TIMEOUT: Duration = Duration::from_secs(1000);

/// Maximum size of an event in bytes: <https://cloud.tencent.com/document/product/583/11637>
const MAX_EVENT: usize = 6 << 20;

/// A function as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The function's name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its state, `Active` if all is well.
    pub status: String,
    /// The API's `Type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The API's `Runtime`.
    pub runtime: String,
    /// Memory in MB.
    pub memory: u32,
    /// The time limit of an invocation in seconds.
    pub timeout: u32,
    /// Names of the variables; `None` if they are not shown.
    pub variables: Option<Vec<String>>,
    /// The cap in MB, if there is one.
    pub cap: Option<u32>,
    /// The address, if there is one.
    pub url: Option<String>,
}

/// The result of an invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The function's reply.
    pub reply: String,
    /// The error, if it failed.
    pub error: Option<String>,
    /// The end of what it logged.
    pub log: String,
    /// Its time, memory and id, in words.
    pub summary: String,
}

impl Function<'_> {
    /// Looks at the function.
    ///
    /// # Errors
    ///
    /// Fails if it does not exist.
    pub fn status(&self) -> anyhow::Result<Status> {
        let info = self.existing()?;
        Ok(Status {
            name: self.name.clone(),
            region: self.client.region().to_owned(),
            status: info.status,
            kind: info.kind,
            runtime: info.runtime,
            memory: info.memory,
            timeout: info.timeout,
            variables: info.variables.map(|variables| variables.into_keys().collect()),
            cap: self.current_cap()?,
            // A URL without a public address is none for this purpose.
            url: self.url_trigger()?.and_then(|trigger| Some(trigger.url(self).ok()?.address)),
        })
    }

    /// Returns the function's address, and what limits its use.
    ///
    /// # Errors
    ///
    /// Fails if the function does not exist or has no Function URL.
    pub fn url(&self) -> anyhow::Result<(String, Vec<String>)> {
        self.existing()?;
        let url = self.function_url()?.with_context(|| {
            format!(
                "function {} has no Function URL; open one with `scf-deploy FUNCTION.zip`",
                self.place()
            )
        })?;
        Ok((url.address, url.limits))
    }

    /// Runs an event function with an event, which is JSON.
    ///
    /// # Errors
    ///
    /// Fails if the event is not JSON, if it is a Web function, or if the call fails. A failure of
    /// the function itself is part of the result.
    pub fn invoke(&self, event: &str) -> anyhow::Result<Invocation> {
        ensure!(event.len() <= MAX_EVENT, "the event is too large; the platform takes 6 MB");
        let info = self.existing()?;
        ensure!(
            info.kind != Kind::Web.api_type(),
            "function {} is a Web function, which takes HTTP requests alone; send one to the \
             address that `scf-deploy url {}` prints",
            self.place(),
            self.name
        );
        let members = self.request(json!({"Event": event, "LogType": "Tail"}));
        let mut answer = self.client.call_once("InvokeFunction", &members, INVOKE_TIMEOUT)?;
        let result = answer["Result"].take();
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        let error = Some(text("ErrMsg"))
            .filter(|error| !error.is_empty())
            .or_else(|| (result["InvokeResult"].as_i64()? != 0).then(|| "failed".to_owned()));
        Ok(Invocation { reply: text("RetMsg"), error, log: text("Log"), summary: summary(&result) })
    }

    /// Deletes the function's triggers, then the function. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// Fails if a step fails. The same call again goes on from there.
    pub fn remove(&self) -> anyhow::Result<bool> {
        if self.settled()?.is_none() {
            return Ok(false);
        }
        for trigger in self.triggers()? {
            self.client.progress(&format!("{}: deleting the trigger {}", self.name, trigger.name));
            let mut members = json!({"TriggerName": trigger.name, "Type": trigger.kind});
            if !trigger.qualifier.is_empty() {
                members["Qualifier"] = json!(trigger.qualifier);
            }
            if trigger.kind == "cos" {
                // This type alone is named by its description, too.
                members["TriggerDesc"] = json!(trigger.description);
            }
            self.change("DeleteTrigger", members, &["ResourceNotFound"]).with_context(|| {
                match trigger.bound.as_str() {
                    "" => format!("the trigger {} cannot be deleted", trigger.name),
                    bound => format!("the trigger {} is used by {bound}", trigger.name),
                }
            })?;
        }
        self.client.progress(&format!("{}: deleting the function", self.place()));
        self.change("DeleteFunction", json!({}), &["ResourceNotFound"])?;
        self.gone()?;
        Ok(true)
    }
}

fn summary(result: &Value) -> String {
    let number = |name: &str| result[name].as_f64().unwrap_or_default();
    format!(
        "{} ms, {} ms billed, {:.1} MB, request {}",
        number("Duration"),
        number("BillDuration"),
        number("MemUsage") / f64::from(1 << 20),
        result["FunctionRequestId"].as_str().unwrap_or("unknown")
    )
}
