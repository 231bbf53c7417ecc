//! The function's environment variables.

use std::{net::SocketAddr, path::Path};

use crate::settings::{Function, Kind, is_reserved};

/// Returns the function's variables, with those that the platform documents
/// (<https://cloud.tencent.com/document/product/583/30228>). `dir` stands for `/var/user`.
///
/// Left out are `LC_ALL`, since bash warns if the locale is not installed; `_` and `SHLVL`, which
/// shells set; `TRIGGER_SRC`, which is for timers; and the credentials of a role.
pub(crate) fn variables(
    function: &Function,
    api: Option<SocketAddr>,
    dir: &Path,
    hostname: &str,
) -> Vec<(String, String)> {
    let dir = dir.display();
    let platform = [
        ("CLASSPATH", "/var/runtime/java8:/var/runtime/java8/lib/*:/opt".to_owned()),
        ("HOME", "/home/qcloud".to_owned()),
        ("LANG", "en_US.UTF8".to_owned()),
        ("LD_LIBRARY_PATH", format!("/var/runtime/java8:{dir}:/opt")),
        ("LOGNAME", "qcloud".to_owned()),
        ("NODE_PATH", format!("{dir}:{dir}/node_modules:/opt:/opt/node_modules")),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("PWD", dir.to_string()),
        ("PYTHONDONTWRITEBYTECODE", "x".to_owned()),
        ("PYTHONPATH", format!("{dir}:/opt")),
        ("SHELL", "/bin/bash".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("USER", "qcloud".to_owned()),
    ];
    let runtime = match function.kind {
        Kind::Event => "CustomRuntime",
        Kind::Web { .. } => "Go1",
    };
    let reserved = [
        ("SCF_FUNCTIONNAME", function.name.clone()),
        ("SCF_FUNCTIONVERSION", "$LATEST".to_owned()),
        ("SCF_RUNTIME", runtime.to_owned()),
        ("TENCENTCLOUD_APPID", APPID.to_owned()),
        ("TENCENTCLOUD_REGION", function.region.clone()),
        ("TENCENTCLOUD_RUNENV", "SCF".to_owned()),
        ("TENCENTCLOUD_TZ", "UTC".to_owned()),
        ("TENCENTCLOUD_UIN", UIN.to_owned()),
        ("USER_CODE_ROOT", format!("{dir}/")),
        ("_HANDLER", function.handler.clone()),
        ("_SCF_SERVER_PORT", "28902".to_owned()),
    ];
    let api = api.map(|api| {
        [
            ("SCF_RUNTIME_API", api.ip().to_string()),
            ("SCF_RUNTIME_API_PORT", api.port().to_string()),
        ]
    });
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    // The last value of a name counts.
    platform
        .map(owned)
        .into_iter()
        .chain(inherited(function))
        .chain(function.env.iter().cloned())
        .chain(reserved.map(owned))
        .chain(function.platform_env.iter().cloned())
        .chain(api.into_iter().flatten().map(owned))
        .chain([("HOSTNAME".to_owned(), hostname.to_owned())])
        .collect()
}

/// Account of the function.
pub(crate) const APPID: &str = "1300000000";
/// User of the account.
pub(crate) const UIN: &str = "100000000001";

/// Returns the emulator's own variables that the function gets.
fn inherited(function: &Function) -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter(|_| function.env_all)
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !is_reserved(name))
}

/// Returns the names of the emulator's variables that `env_all` does not pass.
pub(crate) fn dropped_names(function: &Function) -> Vec<String> {
    std::env::vars_os()
        .filter(|_| function.env_all)
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, value)| is_reserved(name) || value.to_str().is_none())
        .map(|(name, _)| name)
        .collect()
}
