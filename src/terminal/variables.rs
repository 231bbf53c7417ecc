//! The variables of a command: from its options, the environment and a file.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ask_core::Settings;
use ask_core::lang::Localized;
use ask_core::settings::SettingError;
use envfile::{Fault, LineError, Variable};

use super::error::Error;

/// Variables that must be read by their owner alone.
const SECRETS: &[&str] = &["OPENAI_API_KEY", "ASK_TOKEN", "ASK_SIGNING_KEY"];

/// A variable that an option of the command sets.
pub(super) struct Override {
    variable: &'static str,
    option: &'static str,
    value: String,
}

/// The variables of a command. An option comes first, then the environment, then the file.
pub(super) struct Variables {
    overrides: Vec<Override>,
    /// The file of `--env-file`, or the user's own. `None` if there is no home.
    path: Option<PathBuf>,
    /// The variables in that file.
    file: Vec<Variable>,
}

/// The place that sets a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source<'a> {
    Option(&'static str),
    Environment,
    /// A file, and its line.
    File(&'a Path, usize),
}

impl Override {
    /// Creates the override of an option, if it is given.
    pub(super) fn new(
        variable: &'static str,
        option: &'static str,
        value: Option<String>,
    ) -> Option<Self> {
        Some(Self { variable, option, value: value? })
    }
}

impl Variables {
    /// Reads the file: that of `--env-file`, or the user's own if it exists.
    ///
    /// A file in the current folder is never looked for: it could send the key elsewhere.
    ///
    /// # Errors
    /// If the file cannot be read, or a line of it is invalid.
    pub(super) fn read(env_file: Option<PathBuf>, overrides: Vec<Override>) -> Result<Self, Error> {
        let is_named = env_file.is_some();
        let path = env_file.or_else(own_file);
        let file = match path.as_ref().map(envfile::read) {
            None => Vec::new(),
            Some(Ok(file)) => file,
            Some(Err(envfile::Error::Read(_, error)))
                if !is_named
                    && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Vec::new()
            }
            Some(Err(error)) => return Err(file_error(&error)),
        };
        Ok(Self { overrides, path, file })
    }

    /// Parses the settings.
    pub(super) fn settings(&self) -> Settings {
        Settings::read(|name| self.get(name))
    }

    /// Parses the settings with another base URL, for which the egress proxy is then chosen.
    pub(super) fn settings_at(&self, base_url: &str) -> Settings {
        Settings::read(|name| match name {
            "OPENAI_BASE_URL" => Some(base_url.into()),
            name => self.get(name),
        })
    }

    /// Returns the place that sets a variable, or `None` if it is not set.
    pub(super) fn source(&self, name: &str) -> Option<Source<'_>> {
        if let Some(found) = self.overrides.iter().find(|known| known.variable == name) {
            return (!found.value.is_empty()).then_some(Source::Option(found.option));
        }
        if environment(name).is_some() {
            return Some(Source::Environment);
        }
        // A proxy has two names. The environment comes first by either.
        let twin = is_proxy(name).then(|| other_case(name));
        if twin.is_some_and(|twin| environment(&twin).is_some()) {
            return None;
        }
        let variable = self.in_file(name)?;
        Some(Source::File(self.path.as_deref()?, variable.line))
    }

    /// Returns the names in the file that look like settings and are not.
    pub(super) fn unknown(&self) -> Vec<(String, Source<'_>)> {
        let is_unknown = |name: &str| {
            ["ASK_", "OPENAI_"].iter().any(|prefix| name.starts_with(prefix))
                && !ask_core::settings::VARIABLES.contains(&name)
        };
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        let file = self.file.iter().filter(|variable| is_unknown(&variable.name));
        file.map(|variable| (variable.name.clone(), Source::File(path, variable.line))).collect()
    }

    /// Returns a warning if the file holds a secret and is open to other users.
    pub(super) fn shared_file(&self) -> Option<Localized> {
        let path = self.path.as_deref()?;
        let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
        let name = SECRETS.iter().find(|name| self.in_file(name).is_some())?;
        let path = path.display();
        (mode & 0o077 != 0).then(|| {
            Localized::new(
                format!(
                    "{path} holds {name} and is open to other users (mode {mode:o}); run \
                     `chmod 600 '{path}'`"
                ),
                format!(
                    "{path} 里有 {name}，却对其他用户开放（权限 {mode:o}），请运行 \
                     `chmod 600 '{path}'`"
                ),
            )
        })
    }

    /// Returns the sentence about an invalid or missing setting: the problem, and where to solve
    /// it.
    pub(super) fn explain(&self, error: &SettingError) -> Localized {
        let summary = error.summary();
        let place = match (self.source(error.variable), &self.path) {
            (Some(source), _) => source.change(),
            (None, Some(path)) => Localized::new(
                format!("set it in the environment or in {}", path.display()),
                format!("请在环境变量或 {} 中设置", path.display()),
            ),
            (None, None) => Localized::new("set it in the environment", "请在环境变量中设置"),
        };
        Localized::new(
            format!("{}: {}.", summary.en, place.en),
            format!("{}，{}。", summary.zh, place.zh),
        )
    }

    fn get(&self, name: &str) -> Option<OsString> {
        match self.source(name)? {
            Source::Option(option) => {
                let found = self.overrides.iter().find(|known| known.option == option)?;
                Some(found.value.clone().into())
            }
            Source::Environment => environment(name),
            Source::File(..) => Some(self.in_file(name)?.value.clone().into()),
        }
    }

    fn in_file(&self, name: &str) -> Option<&Variable> {
        self.file.iter().find(|variable| variable.name == name && !variable.value.is_empty())
    }
}

impl Source<'_> {
    /// Returns where to change the variable.
    fn change(self) -> Localized {
        match self {
            Self::Option(option) => {
                Localized::new(format!("change {option}"), format!("请修改 {option}"))
            }
            Self::Environment => {
                Localized::new("change it in the environment", "请在环境变量中修改")
            }
            Self::File(path, line) => Localized::new(
                format!("change it in {}, line {line}", path.display()),
                format!("请修改 {} 的第 {line} 行", path.display()),
            ),
        }
    }

    /// Returns the name of the place.
    pub(super) fn name(self) -> Localized {
        match self {
            Self::Option(option) => Localized::new(option, option),
            Self::Environment => Localized::new("environment", "环境变量"),
            Self::File(path, line) => Localized::new(
                format!("{}, line {line}", path.display()),
                format!("{} 第 {line} 行", path.display()),
            ),
        }
    }
}

/// Returns the value of an environment variable, if it is not empty.
fn environment(name: &str) -> Option<OsString> {
    let is_empty = |value: &OsString| value.to_str().is_some_and(|value| value.trim().is_empty());
    env::var_os(name).filter(|value| !is_empty(value))
}

/// Returns the user's own file: `ask/env` in `$XDG_CONFIG_HOME` or in `~/.config`.
///
/// A relative folder does not count, as the specification says: it would be the current one.
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn own_file() -> Option<PathBuf> {
    let folder = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("ask/env"))
}

fn file_error(error: &envfile::Error) -> Error {
    let zh = match error {
        envfile::Error::Read(path, error) => format!("无法读取 {}：{error}", path.display()),
        envfile::Error::Line(path, LineError { line, fault }) => {
            let fault = match fault {
                Fault::Encoding => "不是 UTF-8 文本",
                Fault::MissingEquals => "缺少“=”，应写成 NAME=VALUE，注释以 # 开头",
                Fault::Export => "不能写 export，应写成 NAME=VALUE",
                Fault::InvalidName => "变量名只能用字母、数字和 _，且不以数字开头",
                Fault::ControlCharacter => "值里有控制字符",
            };
            format!("{} 第 {line} 行：{fault}", path.display())
        }
    };
    Error::failed(error.to_string(), zh)
}

/// Returns whether a variable is `HTTPS_PROXY` or one of its like, in either case.
pub(super) fn is_proxy(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("_proxy")
}

fn other_case(name: &str) -> String {
    match name.starts_with(|char: char| char.is_ascii_lowercase()) {
        true => name.to_ascii_uppercase(),
        false => name.to_ascii_lowercase(),
    }
}
