//! The report of a check: a line for each step.

use std::time::Duration;

use ask_core::lang::{Lang, Localized};
use serde_json::json;

use crate::terminal::error::Error;
use crate::terminal::output::{Output, single_line};

/// A step of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Settings,
    Address,
    Proxy,
    Name,
    Connect,
    Tls,
    Key,
    Model,
    Region,
    Answer,
    ContentType,
    Preflight,
    Token,
    Stream,
    Limit,
    Version,
}

impl Step {
    /// Returns the name in JSON.
    fn id(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Address => "address",
            Self::Proxy => "proxy",
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Key => "key",
            Self::Model => "model",
            Self::Region => "region",
            Self::Answer => "answer",
            Self::ContentType => "content_type",
            Self::Preflight => "preflight",
            Self::Token => "token",
            Self::Stream => "stream",
            Self::Limit => "limit",
            Self::Version => "version",
        }
    }

    fn name(self) -> Localized {
        match self {
            Self::Settings => Localized::new("settings", "设置"),
            Self::Address => Localized::new("address", "地址"),
            Self::Proxy => Localized::new("proxy", "代理"),
            Self::Name => Localized::new("name", "域名解析"),
            Self::Connect => Localized::new("connect", "连接"),
            Self::Tls => Localized::new("TLS", "TLS"),
            Self::Key => Localized::new("key", "密钥"),
            Self::Model => Localized::new("model", "模型"),
            Self::Region => Localized::new("region", "地域"),
            Self::Answer => Localized::new("answer", "回答"),
            Self::ContentType => Localized::new("content type", "内容类型"),
            Self::Preflight => Localized::new("preflight", "跨域预检"),
            Self::Token => Localized::new("token", "令牌"),
            Self::Stream => Localized::new("stream", "流式"),
            Self::Limit => Localized::new("time limit", "时限"),
            Self::Version => Localized::new("version", "版本"),
        }
    }
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// It works, and something should be changed.
    Warning,
    Failure,
    /// It could not be tried, or there is nothing to see.
    Skipped,
}

impl Status {
    /// Returns the name in JSON.
    fn id(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
        }
    }

    fn name(self) -> Localized {
        let zh = match self {
            Self::Ok => "正常",
            Self::Warning => "警告",
            Self::Failure => "失败",
            Self::Skipped => "跳过",
        };
        Localized::new(self.id(), zh)
    }
}

/// The steps so far. As text, each is written at once; as JSON, all are written at the end.
pub(super) struct Report<'a> {
    output: &'a mut Output,
    lang: Lang,
    /// The provider's base URL, or the address of the function.
    target: String,
    json: Option<Vec<serde_json::Value>>,
    is_well: bool,
    /// The first error of the output.
    written: Result<(), Error>,
}

impl<'a> Report<'a> {
    /// Starts a report.
    pub(super) fn new(output: &'a mut Output, lang: Lang, json: bool) -> Self {
        let json = json.then(Vec::new);
        Self { output, lang, target: String::new(), json, is_well: true, written: Ok(()) }
    }

    /// Sets the target of the check.
    pub(super) fn set_target(&mut self, target: String) {
        self.target = target;
    }

    /// Adds a step.
    pub(super) fn add(&mut self, step: Step, status: Status, message: Localized) {
        self.is_well &= matches!(status, Status::Ok | Status::Skipped);
        let message = message.get(self.lang);
        if let Some(steps) = &mut self.json {
            let line = json!({"step": step.id(), "status": status.id(), "message": message});
            return steps.push(line);
        }
        let (status, step) = (status.name(), step.name());
        let line = format!(
            "{}  {}  {}\n",
            padded(status.get(self.lang), 7),
            padded(step.get(self.lang), 12),
            single_line(message),
        );
        if self.written.is_ok() {
            self.written = self.output.write(&line);
        }
    }

    /// Adds a step that is well.
    pub(super) fn ok(&mut self, step: Step, en: impl Into<String>, zh: impl Into<String>) {
        self.add(step, Status::Ok, Localized::new(en.into(), zh.into()));
    }

    /// Adds steps that could not be tried because another one failed.
    pub(super) fn skip(&mut self, steps: &[Step], failed: Step) {
        let failed = failed.name();
        for step in steps {
            let message = Localized::new(
                format!("not tried: {} failed", failed.en),
                format!("未尝试：{}失败", failed.zh),
            );
            self.add(*step, Status::Skipped, message);
        }
    }

    /// Ends the report.
    ///
    /// # Errors
    /// [`Error::Reported`] if there is a warning or a failure, and the errors of the output.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.written?;
        if let Some(steps) = self.json {
            let report = json!({
                "ok": self.is_well,
                "version": env!("CARGO_PKG_VERSION"),
                "target": self.target,
                "steps": steps,
            });
            self.output.write(&format!("{report}\n"))?;
        }
        if self.is_well { Ok(()) } else { Err(Error::Reported) }
    }
}

/// Fills a text up with spaces to a number of columns. A Chinese character takes two.
fn padded(text: &str, columns: usize) -> String {
    let width: usize = text.chars().map(|char| if char.is_ascii() { 1 } else { 2 }).sum();
    format!("{text}{}", " ".repeat(columns.saturating_sub(width)))
}

/// Returns a duration with its unit, such as `12 ms` or `3.45 s`.
pub(super) fn seconds(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}
