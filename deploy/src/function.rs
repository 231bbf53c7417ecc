//! A function on the cloud: its state, and waiting for a state.

use std::{collections::BTreeMap, fmt, thread};

use anyhow::{bail, ensure};
use serde_json::{Value, json};

use crate::{
    client::{Client, Service},
    error::CallError,
    package::Kind,
    redact::printable,
};

/// Attempts after the first one while another change of the function is in progress.
const BUSY_RETRIES: u32 = 5;

/// The smallest memory of a function in MB.
pub(crate) const MIN_MEMORY: u32 = 64;

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

/// The error that a function does not exist. It holds the name and the region.
#[derive(Clone, Debug)]
pub struct NoFunction(pub String);

impl fmt::Display for NoFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place) = self;
        write!(
            f,
            "function {place} does not exist; check --name and --region, or create it with \
             `scf-deploy FUNCTION.zip`"
        )
    }
}

impl std::error::Error for NoFunction {}

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

/// The fields of GetFunction that are used.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub(crate) kind: String,
    pub(crate) runtime: String,
    pub(crate) status: String,
    pub(crate) memory: u32,
    pub(crate) timeout: u32,
    /// Names and values. `None` if GetFunction does not show them; an empty list is shown.
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

    /// The name and the place of the function, for messages: `hello in ap-singapore`.
    pub fn place(&self) -> String {
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

    /// Calls an action that changes the function. While another change is in progress, it waits.
    ///
    /// Returns `None` for the codes in `done`: the change was made before.
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
            thread::sleep(self.client.poll.back_off(attempt));
            self.settled()?;
            attempt += 1;
        }
    }

    /// Calls GetFunction. Returns `None` if the function does not exist.
    pub(crate) fn get(&self) -> Result<Option<Info>, CallError> {
        match self.call("GetFunction", json!({"ShowCode": "FALSE"})) {
            Ok(answer) => Ok(Some(self.info(&answer))),
            Err(error) if error.is_any(ABSENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Calls GetFunction. Fails if the function does not exist.
    pub(crate) fn existing(&self) -> anyhow::Result<Info> {
        match self.get()? {
            Some(info) => Ok(info),
            None => Err(NoFunction(self.place()).into()),
        }
    }

    /// Waits until no change is in progress. Returns `None` if the function does not exist.
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
        let poll = self.client.poll;
        let mut status = String::new();
        for polls in 0..poll.limit {
            let info = self.get()?;
            if done(info.as_ref()) {
                return Ok(info);
            }
            let now = info.map_or_else(|| "not shown yet".to_owned(), |info| info.status);
            if now != status {
                self.client.progress(&format!("{}: {now}", self.name));
                status = now;
            }
            thread::sleep(poll.delay(polls));
        }
        bail!(
            "function {} is still in the state {status} after {} s; run the command again later",
            self.place(),
            (poll.interval * poll.limit).as_secs()
        )
    }

    /// The error for a function in a failed state.
    fn failure(&self, info: &Info) -> String {
        let cure = match info.status.as_str() {
            "CreateFailed" => "then run the command again, which deletes it and creates it again",
            "DeleteFailed" => "delete it in the console",
            _ => "then run the command again",
        };
        let reasons = if info.reasons.is_empty() { "no reason given" } else { &info.reasons };
        format!("function {} is in the state {}: {reasons}; {cure}", self.place(), info.status)
    }

    fn info(&self, answer: &Value) -> Info {
        let text = |name: &str| printable(answer[name].as_str().unwrap_or_default());
        let number = |name: &str| {
            let number = answer[name].as_u64().and_then(|number| u32::try_from(number).ok());
            number.unwrap_or_default()
        };
        // A variable without its value counts as hidden: to write the others would delete it.
        let variables = answer["Environment"]["Variables"].as_array().and_then(|variables| {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let pair =
                |variable: &Value| Some((text(&variable["Key"])?, text(&variable["Value"])?));
            let mut variables: BTreeMap<_, _> =
                variables.iter().map(pair).collect::<Option<_>>()?;
            variables.remove("");
            Some(variables)
        });
        Info {
            kind: text("Type"),
            runtime: text("Runtime"),
            status: text("Status"),
            // At least an instance's smallest memory: a cap is computed from it.
            memory: number("MemorySize").max(MIN_MEMORY),
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

    /// Joins the reasons of a failed state, with advice for known codes.
    fn reasons(&self, answer: &Value) -> String {
        let mut reasons = Vec::new();
        for reason in answer["StatusReasons"].as_array().into_iter().flatten() {
            let text = |name: &str| self.client.redact(reason[name].as_str().unwrap_or_default());
            let code = printable(reason["ErrorCode"].as_str().unwrap_or_default());
            let message = text("ErrorMessage");
            reasons.push(match self.client.advice(&code) {
                Some(advice) => format!("{advice} ({code}: {message})"),
                None => format!("{code}: {message}"),
            });
        }
        let description = self.client.redact(answer["StatusDesc"].as_str().unwrap_or_default());
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

    /// Returns whether the function has to be deleted before it can be created again.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.status.as_str(), "CreateFailed" | "DeleteFailed")
    }

    /// Fails if the account is in arrears: the function is suspended then.
    pub(crate) fn check_balance(&self, function: &Function) -> anyhow::Result<()> {
        ensure!(
            !self.in_arrears,
            "function {} is suspended: {}",
            function.place(),
            function.client.advice("ResourceUnavailable.InsufficientBalance").unwrap_or_default()
        );
        Ok(())
    }

    /// Fails if the zip is for another type or runtime, which the cloud cannot change.
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
