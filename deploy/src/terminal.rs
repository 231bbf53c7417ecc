//! Text for a terminal.

use std::{
    env,
    io::{self, IsTerminal},
};

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use terminal_size::{Width, terminal_size_of};

/// Returns a QR code of the text if standard output is a terminal that shows it.
///
/// It takes UTF-8 for the half blocks, colours since a code must be dark on light, and a width.
pub(crate) fn qr_code(text: &str) -> Option<String> {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let stdout = io::stdout();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set)?.to_ascii_lowercase();
    let utf8 = locale.contains("utf-8") || locale.contains("utf8");
    let plain = set("TERM").is_none_or(|terminal| terminal == "dumb") || set("NO_COLOR").is_some();
    if !stdout.is_terminal() || !utf8 || plain {
        return None;
    }
    let columns = terminal_size_of(&stdout).map_or(80, |(Width(columns), _)| columns);
    draw(text, columns.into())
}

/// Draws the code: black on bright white, whatever the terminal's own colours are.
fn draw(text: &str, columns: usize) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let code = code.render::<Dense1x2>().build();
    let fits = code.lines().all(|line| line.chars().count() <= columns);
    fits.then(|| code.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn code_is_drawn_if_it_fits() {
        let address = "https://1250000000-abcdefghij.ap-singapore.tencentscf.com";
        let code = draw(address, 80).unwrap();
        let width = code.lines().next().unwrap().chars().filter(|&c| c == ' ').count();
        assert_eq!(code.lines().count(), width.div_ceil(2));
        assert!(
            code.lines().all(|line| line.starts_with("\x1b[30;107m") && line.ends_with("\x1b[0m"))
        );
        assert!(draw(address, width).is_some());
        assert!(draw(address, width - 1).is_none());
    }
}
