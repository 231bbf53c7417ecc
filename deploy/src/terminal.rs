//! Text for a terminal.

use std::{
    env,
    io::{self, IsTerminal},
};

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

/// Returns a QR code of the text if standard output is a terminal that shows it.
///
/// It takes UTF-8 for the half blocks, and colours, since a code must be dark on light.
pub(crate) fn qr_code(text: &str) -> Option<String> {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set)?.to_ascii_lowercase();
    let plain = set("TERM").is_none_or(|terminal| terminal == "dumb") || set("NO_COLOR").is_some();
    if !io::stdout().is_terminal()
        || plain
        || !(locale.contains("utf-8") || locale.contains("utf8"))
    {
        return None;
    }
    Some(draw(text))
}

fn draw(text: &str) -> String {
    // An address is far below the limit of a code, which is 2953 bytes.
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else {
        return String::new();
    };
    let code = code.render::<Dense1x2>().build();
    // Black on bright white, whatever the terminal's own colours are.
    code.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m\n")).collect()
}
