//! The key that signs the calls, from the places where Tencent Cloud's own tools keep it.

use std::{
    env, fmt, fs, io,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::files;

/// A key of the cloud's API.
#[derive(Clone)]
pub struct Credentials {
    /// The public part.
    pub secret_id: String,
    /// The secret part.
    pub secret_key: String,
    /// The session token of a temporary key.
    pub token: Option<String>,
    /// The place that the key came from: a variable or a file.
    pub source: String,
}

/// Hides the key.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Finds a key: in the environment, in tccli's file, or in the SDKs' file, in this order.
    ///
    /// `warn` receives a line if other users can read the file.
    ///
    /// # Errors
    ///
    /// Fails if no place has a key. Also fails if the first place that has one holds half a key,
    /// an expired key, or a key with impossible characters.
    pub fn find(warn: &dyn Fn(&str)) -> anyhow::Result<Self> {
        let profile = set("TCCLI_PROFILE").unwrap_or_else(|| "default".to_owned());
        let key = match from_env(&set)? {
            Some(key) => key,
            None => from_files(&profile, warn)?.with_context(|| {
                format!(
                    "credentials missing; make a key at \
                     https://console.cloud.tencent.com/cam/capi (international accounts: \
                     https://console.tencentcloud.com/cam/capi), then set TENCENTCLOUD_SECRET_ID \
                     and TENCENTCLOUD_SECRET_KEY, or run `tccli configure` or `tccli auth login` \
                     (~/.tccli/{profile}.credential), or write ~/.tencentcloud/credentials"
                )
            })?,
        };
        for part in [Some(&key.secret_id), Some(&key.secret_key), key.token.as_ref()] {
            ensure!(
                part.is_none_or(|part| part.bytes().all(|byte| byte.is_ascii_graphic())),
                "{}: the key holds a space or a character beyond ASCII; copy it again",
                key.source
            );
        }
        Ok(key)
    }
}

/// Returns a variable of this process's environment that is not empty.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn from_env(set: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Option<Credentials>> {
    match (set("TENCENTCLOUD_SECRET_ID"), set("TENCENTCLOUD_SECRET_KEY")) {
        (None, None) => Ok(None),
        (Some(secret_id), Some(secret_key)) => Ok(Some(Credentials {
            secret_id,
            secret_key,
            token: set("TENCENTCLOUD_TOKEN"),
            source: "TENCENTCLOUD_SECRET_ID".to_owned(),
        })),
        (Some(_), None) => bail!("TENCENTCLOUD_SECRET_KEY missing; set it, too"),
        (None, Some(_)) => bail!("TENCENTCLOUD_SECRET_ID missing; set it, too"),
    }
}

fn from_files(profile: &str, warn: &dyn Fn(&str)) -> anyhow::Result<Option<Credentials>> {
    let Some(home) = env::home_dir().filter(|home| home.is_absolute()) else { return Ok(None) };
    let tccli = home.join(".tccli").join(format!("{profile}.credential"));
    let sdk = home.join(".tencentcloud/credentials");
    // A clock before 1970 makes every key look valid; the cloud then refuses the signature.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    for (path, parse) in [
        (tccli, Box::new(|text: &str| from_tccli(text, now)) as Box<dyn Fn(&str) -> _>),
        (sdk, Box::new(|text: &str| from_sdk(text))),
    ] {
        if let Some(text) = read(&path)? {
            files::warn_if_shared(&path, warn);
            let key: Credentials = parse(&text).with_context(|| path.display().to_string())?;
            return Ok(Some(Credentials { source: path.display().to_string(), ..key }));
        }
    }
    Ok(None)
}

/// Returns the text of a file, or `None` if there is no such file.
fn read(path: &PathBuf) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Parses tccli's file. A login by browser keeps the time at which the key expires.
fn from_tccli(text: &str, now: u64) -> anyhow::Result<Credentials> {
    // The parser's own words may hold a part of the text.
    let Ok(file) = serde_json::from_str::<Value>(text) else {
        bail!("invalid JSON; run `tccli configure` or `tccli auth login`")
    };
    let field = |name: &str| {
        file[name].as_str().map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    };
    if file["expiresAt"].as_u64().is_some_and(|expires| expires <= now) {
        bail!("the login has expired; run `tccli auth login` (or `tccli sso login`) again")
    }
    let (Some(secret_id), Some(secret_key)) = (field("secretId"), field("secretKey")) else {
        bail!("secretId or secretKey missing; run `tccli configure` or `tccli auth login`")
    };
    Ok(Credentials { secret_id, secret_key, token: field("token"), source: String::new() })
}

/// Parses the SDKs' file, in the format of INI. Only the section `[default]` counts.
fn from_sdk(text: &str) -> anyhow::Result<Credentials> {
    let (mut section, mut id, mut key, mut token) = (String::new(), None, None, None);
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim().to_ascii_lowercase();
        } else if section == "default"
            && !line.starts_with(['#', ';'])
            && let Some((name, value)) = line.split_once(['=', ':'])
        {
            let value = Some(value.trim().trim_matches('"').to_owned()).filter(|v| !v.is_empty());
            match name.trim().to_ascii_lowercase().as_str() {
                "secret_id" => id = value,
                "secret_key" => key = value,
                "token" => token = value,
                _ => {}
            }
        }
    }
    let (Some(secret_id), Some(secret_key)) = (id, key) else {
        bail!("secret_id or secret_key missing in the section [default]")
    };
    Ok(Credentials { secret_id, secret_key, token, source: String::new() })
}

#[cfg(test)]
mod tests {
    use super::{Credentials, from_env, from_sdk, from_tccli};

    #[track_caller]
    fn check(key: Credentials, expected: (&str, &str, Option<&str>)) {
        assert_eq!((&*key.secret_id, &*key.secret_key, key.token.as_deref()), expected);
        assert!(!format!("{key:?}").contains(&key.secret_key));
    }

    #[test]
    fn half_a_key_in_the_environment_is_an_error() {
        for (only, missing) in [
            ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"),
            ("TENCENTCLOUD_SECRET_KEY", "TENCENTCLOUD_SECRET_ID"),
        ] {
            let set = |name: &str| (name == only).then(|| "x".to_owned());
            let error = from_env(&set).unwrap_err().to_string();
            assert!(error.starts_with(missing), "{error}");
        }
    }

    #[test]
    fn tccli_file_is_read_and_expires() {
        let plain = r#"{"secretId": "AKID1", "secretKey": "k1"}"#;
        check(from_tccli(plain, 100).unwrap(), ("AKID1", "k1", None));
        let login = r#"{"type": "oauth", "secretId": "AKID1", "secretKey": "k1", "token": "t1",
            "expiresAt": 100, "oauth": {"expiresAt": 9000}}"#;
        check(from_tccli(login, 99).unwrap(), ("AKID1", "k1", Some("t1")));
        let error = from_tccli(login, 100).unwrap_err().to_string();
        assert!(error.contains("tccli auth login"), "{error}");
        for text in ["{\"secretId\": \"AKID1\"", "{\"secretId\": \"AKID1\"}", "[]"] {
            let error = format!("{:#}", from_tccli(text, 0).unwrap_err());
            assert!(!error.contains("AKID1"), "{error}");
        }
    }

    #[test]
    fn sdk_file_counts_in_its_default_section_alone() {
        let text = "\u{feff}; c\nsecret_id = no\n[Default]\r\nSecret_Id=AKID1\r\n# secret_key=no\n\
                    secret_key : \"k1\"\n[other]\nsecret_key = no\n";
        check(from_sdk(text).unwrap(), ("AKID1", "k1", None));
        assert!(from_sdk("[other]\nsecret_id=a\nsecret_key=b").is_err());
        assert!(from_sdk("[default]\nsecret_id=a\nsecret_key=").is_err());
    }
}
