//! One function on the cloud: its state, and waiting for it.

use std::{collections::BTreeMap, thread};

use anyhow::{bail, ensure};
use serde_json::{Value, json};

use crate::{
    client::{Client, Service, printable},
    error::CallError,
    package::Kind,
};

/// Attempts after the first one while another change of the function is in progress.
const BUSY_RETRIES: u32 = 5;

/// Codes of a change that has to wait for another one.
const BUSY: &[&str] = &[
    "FailedOperation.FunctionStatusError",
    "FailedOperation.FunctionNameStatusError",
    "FailedOperation.UpdateFunctionCode",
    "FailedOperation.UpdateFunctionConfiguration",
    "FailedOperation.OperationConflict",
    "FailedOperation.CreateTrigger",
    "FailedOperation.ReservedInProgress",
    "FailedOperation.TotalConcurrencyMemoryInProgress",
    "ResourceInUse",
];

/// Codes of a function that does not exist. Its name has been checked before.
const ABSENT: &[&str] = &[
    "ResourceNotFound.Function",
    "ResourceNotFound.FunctionName",
    "InvalidParameterValue.FunctionName",
];

/// A function, by its name.
pub struct Function<'a> {
    pub(crate) client: &'a Client,
    pub(crate) name: String,
    namespace: Option<String>,
}

/// The answer of GetFunction, as far as it is used.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub(crate) kind: String,
    pub(crate) runtime: String,
    pub(crate) status: String,
    pub(crate) memory: u32,
    pub(crate) timeout: u32,
    /// Names and values; `None` if GetFunction shows no variables, not even an empty list.
    pub(crate) variables: Option<BTreeMap<String, String>>,
    pub(crate) log_topic: Option<String>,
    /// The reasons that the cloud gives for a failure.
    reasons: String,
    in_arrears: bool,
}

/// Checks a function's name against the platform's rule.
///
/// # Errors
///
/// Fails if the platform takes no such name.
pub fn check_name(name: &str) -> anyhow::Result<()> {
    let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    ensure!(
        (2..=60).contains(&name.len())
            && name.bytes().all(inner)
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && !name.ends_with(['-', '_']),
        "invalid function name {name:?}; use 2 to 60 letters, digits, - and _, begin with a \
         letter and end with a letter or digit (--name NAME)"
    );
    Ok(())
}

impl<'a> Function<'a> {
    /// Names a function in the client's region.
    ///
    /// # Errors
    ///
    /// Fails if the platform takes no such name.
    pub fn new(
        client: &'a Client,
        name: impl Into<String>,
        namespace: Option<String>,
    ) -> anyhow::Result<Self> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self { client, name, namespace })
    }

    /// Adds the members that name the function to a request.
    pub(crate) fn request(&self, mut members: Value) -> Value {
        members["FunctionName"] = json!(self.name);
        if let Some(namespace) = &self.namespace {
            members["Namespace"] = json!(namespace);
        }
        members
    }

    /// The namespace, which is `default` unless one is given.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    /// The function and where it is, for messages: `ask in ap-singapore`.
    pub(crate) fn place(&self) -> String {
        let region = self.client.region();
        match &self.namespace {
            Some(namespace) => format!("{} in {region}, namespace {namespace}", self.name),
            None => format!("{} in {region}", self.name),
        }
    }

    /// Calls an action on the function.
    pub(crate) fn call(&self, action: &str, members: Value) -> Result<Value, CallError> {
        self.client.call(Service::Scf, action, &self.request(members))
    }

    /// Calls an action that changes the function, and waits if another change is in progress.
    ///
    /// `done` lists the codes that mean that there is nothing left to do; then the answer is
    /// `None`.
    pub(crate) fn change(
        &self,
        action: &str,
        members: Value,
        done: &[&str],
    ) -> anyhow::Result<Option<Value>> {
        let mut attempt = 0;
        loop {
            let error = match self.call(action, members.clone()) {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) if error.is_any(done) => return Ok(None),
                Err(error) if attempt < BUSY_RETRIES && error.is_any(BUSY) => error,
                Err(error) => return Err(error.into()),
            };
            if attempt == 0 {
                self.client.progress(&format!(
                    "{}: not ready ({}); waiting",
                    self.name,
                    error.brief()
                ));
            }
            thread::sleep(self.client.poll().back_off(attempt));
            self.settled()?;
            attempt += 1;
        }
    }

    /// Looks at the function; `None` if it does not exist.
    pub(crate) fn get(&self) -> Result<Option<Info>, CallError> {
        match self.call("GetFunction", json!({"ShowCode": "FALSE"})) {
            Ok(answer) => Ok(Some(self.info(&answer))),
            Err(error) if error.is_any(ABSENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks at a function that has to exist.
    pub(crate) fn existing(&self) -> anyhow::Result<Info> {
        match self.get()? {
            Some(info) => Ok(info),
            None => bail!(
                "function {} does not exist; check --name and --region, or create it with \
                 `scf-deploy FUNCTION.zip`",
                self.place()
            ),
        }
    }

    /// Waits until no change is in progress; `None` if the function does not exist then.
    ///
    /// # Errors
    ///
    /// Fails if the change takes too long.
    pub(crate) fn settled(&self) -> anyhow::Result<Option<Info>> {
        self.wait(|info| match info {
            Some(info) => !info.is_changing(),
            None => true,
        })
    }

    /// Waits until the function is active after a change.
    pub(crate) fn active(&self) -> anyhow::Result<Info> {
        // A function that was created a moment ago may not be shown yet.
        let info = self.wait(|info| info.is_some_and(|info| !info.is_changing()))?;
        match info {
            Some(info) if info.status == "Active" => {
                info.check_balance(self)?;
                Ok(info)
            }
            Some(info) => bail!("{}", self.failure(&info)),
            // `wait` ends with a function that is shown.
            None => bail!("function {} disappeared", self.place()),
        }
    }

    /// Waits until the function is gone.
    pub(crate) fn gone(&self) -> anyhow::Result<()> {
        let left = self.wait(|info| info.is_none_or(|info| info.status == "DeleteFailed"))?;
        match left {
            Some(info) => bail!("{}", self.failure(&info)),
            None => Ok(()),
        }
    }

    fn wait(&self, done: impl Fn(Option<&Info>) -> bool) -> anyhow::Result<Option<Info>> {
        let poll = self.client.poll();
        let mut status = String::new();
        for look in 0..poll.limit {
            let info = self.get()?;
            if done(info.as_ref()) {
                return Ok(info);
            }
            let now = info.map_or_else(|| "not shown yet".to_owned(), |info| info.status);
            if now != status {
                self.client.progress(&format!("{}: {now}", self.name));
                status = now;
            }
            thread::sleep(poll.pause(look));
        }
        bail!(
            "function {} is still in the state {status} after {} s; run the command again later",
            self.place(),
            (poll.interval * poll.limit).as_secs()
        )
    }

    /// The sentence for a function in a failed state.
    fn failure(&self, info: &Info) -> String {
        let cure = match info.status.as_str() {
            "CreateFailed" => "then run the command again, which deletes it and creates it anew",
            "DeleteFailed" => "delete it in the console",
            _ => "then run the command again",
        };
        let reasons = if info.reasons.is_empty() { "no reason given" } else { &info.reasons };
        format!("function {} is in the state {}: {reasons}; {cure}", self.place(), info.status)
    }

    fn info(&self, answer: &Value) -> Info {
        let text = |name: &str| printable(answer[name].as_str().unwrap_or_default());
        let number =
            |name: &str| answer[name].as_u64().and_then(|n| n.try_into().ok()).unwrap_or_default();
        let variables = answer["Environment"]["Variables"].as_array().map(|variables| {
            let pair = |variable: &Value| {
                let name = variable["Key"].as_str().filter(|name| !name.is_empty())?;
                Some((name.to_owned(), variable["Value"].as_str()?.to_owned()))
            };
            variables.iter().filter_map(pair).collect()
        });
        Info {
            kind: text("Type"),
            runtime: text("Runtime"),
            status: text("Status"),
            memory: number("MemorySize"),
            timeout: number("Timeout"),
            variables,
            log_topic: answer["ClsTopicId"]
                .as_str()
                .filter(|topic| !topic.is_empty())
                .map(str::to_owned),
            reasons: self.reasons(answer),
            in_arrears: answer["AvailableStatus"] == "InsufficientBalance",
        }
    }

    /// Joins what the cloud says about a failed state, with a sentence for codes that are known.
    fn reasons(&self, answer: &Value) -> String {
        let mut reasons = Vec::new();
        for reason in answer["StatusReasons"].as_array().into_iter().flatten() {
            let text = |name: &str| self.client.clean(reason[name].as_str().unwrap_or_default());
            let code = printable(reason["ErrorCode"].as_str().unwrap_or_default());
            let message = text("ErrorMessage");
            reasons.push(match self.client.advice(&code) {
                Some(advice) => format!("{advice} ({code}: {message})"),
                None => format!("{code}: {message}"),
            });
        }
        let description = self.client.clean(answer["StatusDesc"].as_str().unwrap_or_default());
        if !description.is_empty() && !reasons.iter().any(|reason| reason.contains(&description)) {
            reasons.push(description);
        }
        reasons.join("; ")
    }
}

impl Info {
    fn is_changing(&self) -> bool {
        matches!(self.status.as_str(), "Creating" | "Updating" | "Publishing" | "Deleting")
    }

    /// Returns whether the function can only be deleted and created anew.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.status.as_str(), "CreateFailed" | "DeleteFailed")
    }

    /// Fails if the account is in arrears, since the function does not answer then.
    pub(crate) fn check_balance(&self, function: &Function) -> anyhow::Result<()> {
        ensure!(
            !self.in_arrears,
            "function {} is suspended: {}",
            function.place(),
            function.client.advice("ResourceUnavailable.InsufficientBalance").unwrap_or_default()
        );
        Ok(())
    }

    /// Fails if the function is of another kind than the zip: the cloud cannot change it.
    pub(crate) fn check_kind(&self, function: &Function, kind: Kind) -> anyhow::Result<()> {
        let same = |shown: &str, expected: &str| shown.is_empty() || shown == expected;
        ensure!(
            same(&self.kind, kind.api_type()) && same(&self.runtime, kind.runtime()),
            "function {} has type {} and runtime {}, but the zip is for type {} and runtime {}; \
             the cloud cannot change this: choose another --name, or delete the function with \
             `scf-deploy remove {}` first",
            function.place(),
            self.kind,
            self.runtime,
            kind.api_type(),
            kind.runtime(),
            function.name,
        );
        Ok(())
    }
}
