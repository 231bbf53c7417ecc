//! The Function URL: <https://cloud.tencent.com/document/product/583/96099>

use std::thread;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::function::Function;

/// A trigger of a function, as ListTriggers shows it.
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) qualifier: String,
    pub(crate) description: String,
    /// The custom domains that use it.
    pub(crate) bound: String,
    enabled: bool,
}

/// A Function URL with its public address.
#[derive(Clone, Debug)]
pub(crate) struct FunctionUrl {
    /// The address, `https://…`.
    pub(crate) address: String,
    /// Settings that keep clients out.
    pub(crate) limits: Vec<String>,
}

impl Function<'_> {
    /// Lists all triggers.
    pub(crate) fn triggers(&self) -> anyhow::Result<Vec<Trigger>> {
        // The platform allows ten of each type, so one page holds all.
        let answer = self.call("ListTriggers", json!({"Limit": 100}))?;
        let triggers = answer["Triggers"].as_array().into_iter().flatten();
        Ok(triggers
            .map(|trigger| {
                let text = |name: &str| trigger[name].as_str().unwrap_or_default().to_owned();
                Trigger {
                    name: text("TriggerName"),
                    kind: text("Type"),
                    qualifier: text("Qualifier"),
                    description: text("TriggerDesc"),
                    bound: text("BoundResources"),
                    enabled: trigger["Enable"] != 0,
                }
            })
            .collect())
    }

    /// Returns the trigger that is the Function URL. That of `$DEFAULT` comes before others.
    pub(crate) fn url_trigger(&self) -> anyhow::Result<Option<Trigger>> {
        let triggers = self.triggers()?;
        let urls = triggers.into_iter().filter(|trigger| trigger.kind == "http");
        Ok(urls.min_by_key(|trigger| trigger.qualifier != "$DEFAULT"))
    }

    /// Opens a public Function URL.
    pub(crate) fn open_url(&self) -> anyhow::Result<Trigger> {
        let description = json!({
            "AuthType": "NONE",
            "NetConfig": {"EnableExtranet": true, "EnableIntranet": false},
        });
        let members = json!({
            "TriggerName": "url",
            "Type": "http",
            "Qualifier": "$DEFAULT",
            "Enable": "OPEN",
            "TriggerDesc": description.to_string(),
        });
        self.change(
            "CreateTrigger",
            members,
            &["ResourceInUse.Trigger", "ResourceInUse.TriggerName"],
        )?;
        let poll = self.client.poll;
        for _ in 0..poll.limit {
            match self.url_trigger()? {
                Some(trigger) if trigger.net("ExtranetUrl").is_some() => return Ok(trigger),
                // Without access from the internet there is no address to wait for.
                Some(trigger) if !trigger.is_public() => return Ok(trigger),
                _ => thread::sleep(poll.interval),
            }
        }
        bail!(
            "the Function URL of {} is open but has no address yet; run `scf-deploy url {}` in a \
             minute",
            self.place(),
            self.name
        )
    }

    /// Returns the address of the function, if it has one.
    pub(crate) fn function_url(&self) -> anyhow::Result<Option<FunctionUrl>> {
        self.url_trigger()?.map(|trigger| trigger.url(self)).transpose()
    }
}

impl Trigger {
    fn parsed(&self) -> Value {
        serde_json::from_str(&self.description).unwrap_or_default()
    }

    fn net(&self, name: &str) -> Option<String> {
        let description = self.parsed();
        description["NetConfig"][name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn is_public(&self) -> bool {
        self.parsed()["NetConfig"]["EnableExtranet"] != false
    }

    /// The address, and what limits its use.
    ///
    /// # Errors
    ///
    /// Fails if the URL has no public `https://` address.
    pub(crate) fn url(&self, function: &Function) -> anyhow::Result<FunctionUrl> {
        let address = self
            .net("ExtranetUrl")
            // ExtranetHTTPUrl beside it is not encrypted: tokens could be read on the way.
            .filter(|address| {
                address.starts_with("https://")
                    && address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\'')
            })
            .with_context(|| {
                format!(
                    "the Function URL of {} has no public https address; switch on public network \
                     access for it in the console",
                    function.place()
                )
            })?;
        let mut limits = Vec::new();
        if self.parsed()["AuthType"] == "CAM" {
            limits.push(
                "the Function URL takes signed requests alone (authorization CAM); change this in \
                 the console if browsers and curl are to reach it"
                    .to_owned(),
            );
        }
        if !self.enabled {
            limits.push("the Function URL is switched off; open it in the console".to_owned());
        }
        Ok(FunctionUrl { address, limits })
    }
}
