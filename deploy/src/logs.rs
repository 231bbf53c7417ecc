//! The function's log lines, from the log service (CLS).
//!
//! Fields of a line: <https://cloud.tencent.com/document/product/583/60336>

use std::{collections::HashMap, thread};

use anyhow::Context;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    client::{Service, now},
    function::Function,
};

/// The range of the first search, in milliseconds.
const FIRST_RANGE: i64 = 3_600_000;

/// Maximum number of lines of the first search.
const FIRST_LINES: u32 = 100;

/// Maximum number of lines in a page while following.
const PAGE: u32 = 1000;

/// Maximum delay of a line that is shown while following, in milliseconds.
const MAX_DELAY: i64 = 60_000;

/// A line of a function's log.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// The time, as `2026-11-25 12:34:56.789` in UTC.
    pub time: String,
    /// The id of the invocation.
    pub request_id: String,
    /// The text that the function or the platform wrote.
    pub message: String,
}

impl Function<'_> {
    /// Passes the last 100 lines of the last hour to `print`, then new ones if `follow` is set.
    ///
    /// # Errors
    ///
    /// Fails if the function writes no log to the log service, if a call fails, or if `print`
    /// fails.
    pub fn logs(
        &self,
        follow: bool,
        mut print: impl FnMut(&LogLine) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let topic = self.existing()?.log_topic.with_context(|| {
            format!(
                "function {} has no log topic; switch on log delivery for it in the console",
                self.place()
            )
        })?;
        // Identities and times of printed lines: delayed lines appear between them.
        let mut seen = HashMap::new();
        let mut from = now() * 1000 - FIRST_RANGE;
        let (mut sort, mut limit) = ("desc", FIRST_LINES);
        loop {
            let mut lines = self.search(&topic, from, sort, limit)?;
            if sort == "desc" {
                lines.reverse();
            }
            for line in &lines {
                let time = line["Time"].as_i64().unwrap_or_default();
                let identity =
                    format!("{} {} {}", line["PkgId"], line["PkgLogId"], line["LogJson"]);
                if seen.insert(identity, time).is_none() {
                    print(&parse(line, time))?;
                }
            }
            if !follow {
                return Ok(());
            }
            let newest = seen.values().max().copied().unwrap_or(from);
            from = from.max(newest - MAX_DELAY);
            seen.retain(|_, time| *time >= from);
            (sort, limit) = ("asc", PAGE);
            thread::sleep(self.client.poll.interval);
        }
    }

    /// Returns the lines since `from`; all pages of them if they are sorted by `asc`.
    fn search(&self, topic: &str, from: i64, sort: &str, limit: u32) -> anyhow::Result<Vec<Value>> {
        let query = format!(
            "SCF_FunctionName:\"{}\" AND SCF_Namespace:\"{}\"",
            self.name,
            self.namespace()
        );
        let mut request = json!({
            "TopicId": topic,
            "From": from,
            // The cloud's clock may be ahead of this one.
            "To": now() * 1000 + MAX_DELAY,
            "QueryString": query,
            "QuerySyntax": 1,
            "Sort": sort,
            "Limit": limit,
        });
        let mut lines = Vec::new();
        loop {
            let mut answer = self.client.call(Service::Cls, "SearchLog", &request)?;
            if let Value::Array(page) = answer["Results"].take() {
                lines.extend(page);
            }
            match answer["Context"].as_str() {
                Some(context) if sort == "asc" && answer["ListOver"] == false => {
                    request["Context"] = json!(context);
                }
                _ => return Ok(lines),
            }
        }
    }
}

fn parse(line: &Value, time: i64) -> LogLine {
    let fields = line["LogJson"]
        .as_str()
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
        .unwrap_or_default();
    let field = |name: &str| match &fields[name] {
        Value::String(text) => text.trim_end().to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let message = field("SCF_Message");
    LogLine {
        time: format_time(time),
        request_id: field("SCF_RequestId"),
        message: if message.is_empty() {
            // The platform's own line about an invocation has no message.
            ["SCF_Type", "SCF_StatusCode", "SCF_Duration", "SCF_MemUsage"]
                .iter()
                .filter(|name| !fields[**name].is_null())
                .map(|name| format!("{}={}", name.trim_start_matches("SCF_"), field(name)))
                .collect::<Vec<_>>()
                .join(" ")
        } else {
            message
        },
    }
}

fn format_time(milliseconds: i64) -> String {
    match OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000) {
        Ok(time) => format!(
            "{} {:02}:{:02}:{:02}.{:03}",
            time.date(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        ),
        Err(_) => milliseconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[track_caller]
    fn check(fields: serde_json::Value, message: &str) {
        let line = json!({"LogJson": fields.to_string()});
        let line = parse(&line, 1_780_000_000_123);
        assert_eq!((&*line.time, &*line.message), ("2026-05-28 20:26:40.123", message));
    }

    #[test]
    fn line_shows_its_message() {
        check(json!({"SCF_Message": "hello\n", "SCF_Duration": 3}), "hello");
    }

    #[test]
    fn platform_line_shows_its_figures() {
        check(
            json!({"SCF_Type": "Platform", "SCF_StatusCode": 200, "SCF_Duration": "12"}),
            "Type=Platform StatusCode=200 Duration=12",
        );
    }
}
