//! The settings of a check: which are set, where, and which are wrong.

use ask_core::Settings;
use ask_core::lang::Localized;
use ask_core::settings::{ProxyScheme, SettingError, VARIABLES};

use super::report::{Report, Status, Step};
use crate::terminal::variables::{Variables, is_proxy};

/// Reports each variable that is set, with the place that sets it. Never shows a value.
///
/// `is_used` chooses the variables. `more` is an error that only the use of a setting shows.
pub(super) fn report_settings(
    variables: &Variables,
    settings: &Settings,
    is_used: impl Fn(&str) -> bool,
    more: Option<&SettingError>,
    report: &mut Report<'_>,
) {
    let listen = settings.listen.as_ref().err();
    let errors: Vec<_> = settings.errors.iter().chain(listen).chain(more).collect();
    let names = VARIABLES.iter().flat_map(|name| {
        let lower = is_proxy(name).then(|| name.to_ascii_lowercase());
        lower.into_iter().chain([(*name).to_owned()])
    });
    for name in names.filter(|name| is_used(name)) {
        let error = errors.iter().find(|error| error.variable == name);
        let (status, message) = match (variables.source(&name), error) {
            (_, Some(error)) => (Status::Failure, variables.explain(error)),
            (Some(source), None) => {
                let place = source.name();
                let message = Localized::new(
                    format!("{name}: {}", place.en),
                    format!("{name}：{}", place.zh),
                );
                (Status::Ok, message)
            }
            (None, None) => continue,
        };
        report.add(Step::Settings, status, message);
    }
}

/// Reports names in the file that are no settings, and a file that other users can read.
pub(super) fn report_file(variables: &Variables, report: &mut Report<'_>) {
    for (name, source) in variables.unknown() {
        let place = source.name();
        let message = Localized::new(
            format!("{name} ({}) is not a setting: check its spelling", place.en),
            format!("{name}（{}）不是已知的设置，请检查拼写", place.zh),
        );
        report.add(Step::Settings, Status::Warning, message);
    }
    if let Some(warning) = variables.shared_file() {
        report.add(Step::Settings, Status::Warning, warning);
    }
}

/// Reports the egress proxy, and the variable that sets it.
pub(super) fn report_proxy(variables: &Variables, settings: &Settings, report: &mut Report<'_>) {
    let scheme = if settings.base_url.https { "https_proxy" } else { "http_proxy" };
    let names = [scheme, "all_proxy"].into_iter();
    let mut names = names.flat_map(|name| [name.to_owned(), name.to_ascii_uppercase()]);
    let variable = names.find(|name| variables.source(name).is_some());
    let host = settings.base_url.host();
    match (&settings.proxy, variable) {
        (Some(proxy), variable) => {
            let scheme = match proxy.scheme {
                ProxyScheme::Http => "http",
                ProxyScheme::Socks5 => "socks5",
                ProxyScheme::Socks5h => "socks5h",
            };
            let variable = variable.unwrap_or_default();
            let address = proxy.authority();
            report.ok(
                Step::Proxy,
                format!("{scheme}://{address} ({variable})"),
                format!("{scheme}://{address}（{variable}）"),
            );
        }
        (None, Some(variable)) => report.ok(
            Step::Proxy,
            format!("none: NO_PROXY exempts {host} from {variable}"),
            format!("不使用：NO_PROXY 排除了 {host}（{variable}）"),
        ),
        (None, None) => report.ok(Step::Proxy, "none", "不使用"),
    }
}
