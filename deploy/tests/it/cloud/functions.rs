//! The functions of the stand-in and what the actions do to them.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// The code and the message of an error, or an answer.
type Answer = Result<Value, (&'static str, String)>;

/// Total of all reservations, in MB: the quota of Singapore less 12,800.
const RESERVABLE: u64 = 64_000 - 12_800;

/// A line of a log.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) id: u32,
    pub(crate) fields: Value,
}

/// All functions of the account, and how the stand-in behaves.
pub(crate) struct State {
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) logs: Vec<LogLine>,
    /// Looks at a function until a change is done.
    pub(crate) looks: u32,
    /// The state that changes end in, and its reason, if it is not `Active`.
    pub(crate) failure: Option<(&'static str, &'static str, &'static str)>,
    /// GetFunction leaves `Environment` out.
    pub(crate) hides_environment: bool,
    /// GetFunction leaves the values of variables out.
    pub(crate) hides_values: bool,
    /// The address of Function URLs.
    pub(crate) address: String,
    /// Looks at the triggers until the address is there.
    pub(crate) late_address: u32,
}

/// A function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) kind: String,
    pub(crate) runtime: String,
    pub(crate) memory: u64,
    pub(crate) timeout: u64,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) code: Vec<u8>,
    pub(crate) cap: Option<u64>,
    pub(crate) triggers: Vec<Value>,
    pub(crate) status: &'static str,
    pub(crate) reasons: Value,
    pub(crate) available: &'static str,
    pub(crate) topic: &'static str,
    /// Looks until the change is done, and the state then. An empty one: gone.
    next: Option<(u32, &'static str)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            functions: BTreeMap::new(),
            logs: Vec::new(),
            looks: 2,
            failure: None,
            hides_environment: false,
            hides_values: false,
            address: "https://1250000000-abcdefghij.ap-singapore.tencentscf.com".to_owned(),
            late_address: 0,
        }
    }
}

impl State {
    /// Does what the action does.
    pub(crate) fn carry_out(&mut self, action: &str, body: &Value) -> Answer {
        let name = body["FunctionName"].as_str().unwrap_or_default().to_owned();
        match action {
            "CreateFunction" => return self.create(name, body),
            "SearchLog" => return self.search(body),
            "GetFunction" => self.look(&name),
            _ => {}
        }
        let looks = self.looks;
        let failure = self.failure;
        let hides = (self.hides_environment, self.hides_values);
        let address = self.address.clone();
        let reserved: u64 = self.functions.values().filter_map(|function| function.cap).sum();
        let Some(function) = self.functions.get_mut(&name) else {
            return refuse("ResourceNotFound.Function", "no such function");
        };
        match action {
            "GetFunction" => return Ok(function.show(hides)),
            "ListTriggers" => {
                let late = self.late_address > 0 && !function.triggers.is_empty();
                self.late_address -= u32::from(late);
                let mut triggers = function.triggers.clone();
                if late {
                    triggers[0]["TriggerDesc"] = json!(r#"{"NetConfig": {"ExtranetUrl": ""}}"#);
                }
                return Ok(json!({"Triggers": triggers}));
            }
            "GetReservedConcurrencyConfig" => return Ok(json!({"ReservedMem": function.cap})),
            "DeleteReservedConcurrencyConfig" => function.cap = None,
            "InvokeFunction" => return function.invoke(body),
            "DeleteFunction" => {
                // A failed function may go on to show its failure for a while.
                let lost = function.status == "CreateFailed";
                function.change(looks, if lost { "CreateFailed" } else { "Deleting" }, "");
            }
            "PutReservedConcurrencyConfig" => {
                let cap = body["ReservedConcurrencyMem"].as_u64().unwrap();
                if reserved - function.cap.unwrap_or(0) + cap > RESERVABLE {
                    return refuse("LimitExceeded.FunctionReservedConcurrencyMemory", "too much");
                }
                function.cap = Some(cap);
            }
            "CreateTrigger" => {
                if function.status != "Active" {
                    return refuse("FailedOperation.CreateTrigger", "not active");
                }
                if function.triggers.iter().any(|trigger| trigger["Type"] == body["Type"]) {
                    return refuse("ResourceInUse.Trigger", "there already");
                }
                function.triggers.push(trigger(body, &address));
            }
            "DeleteTrigger" => {
                let before = function.triggers.len();
                function.triggers.retain(|trigger| {
                    ["TriggerName", "Type", "Qualifier"]
                        .iter()
                        .any(|member| trigger[*member] != body[*member])
                });
                if function.triggers.len() == before {
                    return refuse("ResourceNotFound.Trigger", "no such trigger");
                }
            }
            "UpdateFunctionCode" | "UpdateFunctionConfiguration" => {
                if !matches!(function.status, "Active" | "UpdateFailed") {
                    return refuse("FailedOperation.FunctionStatusError", function.status);
                }
                function.update(body)?;
                let end = failure.map_or("Active", |failure| failure.0);
                function.reasons = reasons(failure);
                function.change(looks, "Updating", end);
            }
            other => panic!("{other} is in actions.json and not here"),
        }
        Ok(json!({}))
    }

    fn create(&mut self, name: String, body: &Value) -> Answer {
        if self.functions.contains_key(&name) {
            return refuse("ResourceInUse.Function", "there already");
        }
        let mut function = Function {
            kind: body["Type"].as_str().unwrap_or("Event").to_owned(),
            runtime: body["Runtime"].as_str().unwrap_or("Python2.7").to_owned(),
            memory: 128,
            timeout: 3,
            variables: BTreeMap::new(),
            code: Vec::new(),
            cap: None,
            triggers: Vec::new(),
            status: "Creating",
            reasons: reasons(self.failure),
            available: "Available",
            topic: "topic-1",
            next: None,
        };
        function.update(body)?;
        function.change(self.looks, "Creating", self.failure.map_or("Active", |end| end.0));
        self.functions.insert(name, function);
        Ok(json!({}))
    }

    /// Lets time go on: each look brings a change nearer to its end.
    fn look(&mut self, name: &str) {
        let Some(function) = self.functions.get_mut(name) else { return };
        match function.next {
            Some((0, "")) => drop(self.functions.remove(name)),
            Some((0, status)) => {
                function.status = status;
                function.next = None;
            }
            Some((looks, status)) => function.next = Some((looks - 1, status)),
            None => {}
        }
    }

    /// Begins to delete a function, as another run does.
    pub(crate) fn delete(&mut self, name: &str) {
        let looks = self.looks;
        self.functions.get_mut(name).unwrap().change(looks, "Deleting", "");
    }

    /// Ends the changes that are in progress.
    pub(crate) fn finish_changes(&mut self) {
        for function in self.functions.values_mut() {
            if let Some((looks, _)) = &mut function.next {
                *looks = 0;
            }
        }
    }

    fn search(&self, body: &Value) -> Answer {
        let range = body["From"].as_i64().unwrap()..body["To"].as_i64().unwrap();
        let mut lines: Vec<_> =
            self.logs.iter().filter(|line| range.contains(&line.time)).collect();
        lines.sort_by_key(|line| (line.time, line.id));
        if body["Sort"] == "desc" {
            lines.reverse();
        }
        let offset: usize = body["Context"].as_str().map_or(0, |text| text.parse().unwrap());
        // Two lines a page, so that pages are seen to be turned.
        let limit = body["Limit"].as_u64().unwrap() as usize;
        let limit = if body["Sort"] == "asc" { limit.min(2) } else { limit };
        let page: Vec<_> = lines
            .iter()
            .skip(offset)
            .take(limit)
            .map(|line| {
                json!({"Time": line.time, "PkgId": "p", "PkgLogId": line.id.to_string(),
                       "LogJson": line.fields.to_string()})
            })
            .collect();
        let end = offset + page.len();
        Ok(json!({
            "Results": page, "Context": end.to_string(), "ListOver": end >= lines.len(),
        }))
    }
}

impl Function {
    fn change(&mut self, looks: u32, status: &'static str, end: &'static str) {
        self.status = status;
        self.next = Some((looks, end));
    }

    fn update(&mut self, body: &Value) -> Result<(), (&'static str, String)> {
        for zip in [&body["Code"]["ZipFile"], &body["ZipFile"]] {
            if let Some(zip) = zip.as_str() {
                let invalid = |_| ("InvalidParameterValue.ZipFile", "no base64".to_owned());
                self.code = BASE64_STANDARD.decode(zip).map_err(invalid)?;
            }
        }
        self.memory = body["MemorySize"].as_u64().unwrap_or(self.memory);
        self.timeout = body["Timeout"].as_u64().unwrap_or(self.timeout);
        if let Some(variables) = body["Environment"]["Variables"].as_array() {
            let text = |variable: &Value, name: &str| variable[name].as_str().unwrap().to_owned();
            let pairs = variables.iter().map(|pair| (text(pair, "Key"), text(pair, "Value")));
            let all: BTreeMap<_, _> = pairs.collect();
            self.variables = match all.get("") {
                Some(value) if value.is_empty() && all.len() == 1 => BTreeMap::new(),
                _ if all.iter().any(|(name, value)| name.is_empty() || value.is_empty()) => {
                    return refuse("InvalidParameterValue.Environment", "empty").map(drop);
                }
                _ => all,
            };
        }
        Ok(())
    }

    fn show(&self, (hides_environment, hides_values): (bool, bool)) -> Value {
        let variables: Vec<_> =
            self.variables.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        let mut answer = json!({
            "Type": self.kind, "Runtime": self.runtime, "MemorySize": self.memory,
            "Timeout": self.timeout, "Status": self.status, "StatusDesc": "",
            "StatusReasons": self.reasons, "AvailableStatus": self.available,
            "ClsTopicId": self.topic, "Environment": {"Variables": variables},
        });
        for variable in answer["Environment"]["Variables"].as_array_mut().unwrap() {
            if hides_values {
                variable["Value"] = Value::Null;
            }
        }
        if hides_environment {
            answer.as_object_mut().unwrap().remove("Environment");
        }
        answer
    }

    fn invoke(&self, body: &Value) -> Answer {
        let event = body["Event"].as_str().unwrap_or("{}");
        let failed = event.contains("fail");
        Ok(json!({"Result": {
            "RetMsg": format!("got {event}"), "ErrMsg": if failed { "it failed" } else { "" },
            "Log": if body["LogType"] == "Tail" { "START\nhello\nEND\n" } else { "" },
            "InvokeResult": i32::from(failed), "Duration": 1.5,
            "BillDuration": 2, "MemUsage": 3 << 20, "FunctionRequestId": "r-1",
        }}))
    }
}

/// A Function URL as ListTriggers shows it, with a name of the platform's.
fn trigger(body: &Value, address: &str) -> Value {
    let asked: Value = serde_json::from_str(body["TriggerDesc"].as_str().unwrap()).unwrap();
    let open = asked["NetConfig"]["EnableExtranet"] == true;
    let scheme = |scheme: &str| match open {
        true => address.replacen("https", scheme, 1),
        false => String::new(),
    };
    let description = json!({"AuthType": asked["AuthType"], "NetConfig": {
        "EnableIntranet": asked["NetConfig"]["EnableIntranet"], "EnableExtranet": open,
        "ExtranetUrl": scheme("https"), "ExtranetHTTPUrl": scheme("http"),
        "WssExtranetUrl": scheme("wss"), "WsExtranetUrl": scheme("ws"),
    }});
    json!({
        "TriggerName": "abcdefghij", "Type": body["Type"], "Qualifier": body["Qualifier"],
        "Enable": i32::from(body["Enable"] == "OPEN"), "TriggerDesc": description.to_string(),
        "BoundResources": "",
    })
}

fn reasons(failure: Option<(&'static str, &'static str, &'static str)>) -> Value {
    match failure {
        Some((_, code, message)) => json!([{"ErrorCode": code, "ErrorMessage": message}]),
        None => json!([]),
    }
}

fn refuse(code: &'static str, message: &str) -> Answer {
    Err((code, message.to_owned()))
}
